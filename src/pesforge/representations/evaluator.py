"""Fast evaluation of a compiled potential: energies, forces and stress of structures, with pairs kept between steps."""

from math import factorial

import numpy as np
from ase import Atoms

from pesforge.representations import fused
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.compiled import CompiledAce
from pesforge.representations.elements import species_index
from pesforge.representations.fused_tables import PolynomialTables
from pesforge.representations.neighbours import COINCIDENT_ANG
from pesforge.representations.pair_list import PairList


def _norms(l_max: int) -> FloatArray:
    """Factors N of Y_lm = N Π_l|m| Re or Im (x + iy)^|m| at l² + l + m, shape ((l_max + 1)²,)."""
    return np.array(
        [
            np.sqrt((2 * l + 1) / (4 * np.pi) * factorial(l - abs(m)) / factorial(l + abs(m)) * (2 if m else 1))
            for l in range(l_max + 1)  # noqa: E741
            for m in range(-l, l + 1)
        ]
    )


def _recursion(l_max: int) -> FloatArray:
    """Factors a, b of Π_lm = a z Π_{l-1,m} - b Π_{l-2,m}, shape (2, l_max + 1, l_max + 1)."""
    result = np.zeros((2, l_max + 1, l_max + 1))
    for l in range(1, l_max + 1):  # noqa: E741
        for m in range(l):
            result[:, l, m] = (2 * l - 1) / (l - m), (l + m - 1) / (l - m)
    return result


def polynomial_tables(compiled: CompiledAce) -> PolynomialTables:
    """The kernel's tables: products of three and four densities become bilinear forms in densities and their pairs."""
    asked = compiled.component_species
    segments = [-1] if (asked < 0).all() else list(range(len(compiled.species)))
    n_harmonics = (compiled.l_max + 1) ** 2
    runs = [np.flatnonzero((asked < 0) | (asked == segment)) for segment in segments]
    component = np.concatenate(runs)
    begin = np.cumsum([0, *(len(run) for run in runs[:-1])])
    harmonics = np.arange(n_harmonics + 1)
    firsts = [np.searchsorted(compiled.component_harmonic[run], harmonics) for run in runs]
    products, rows, columns, weight = _rows(compiled)
    distinct, row_first = np.unique(rows, axis=0, return_index=True)
    return PolynomialTables(
        cutoff_ang=compiled.cutoff_ang,
        spacing_ang=compiled.spacing_ang,
        radial=compiled.radial,
        recursion=_recursion(compiled.l_max),
        norm=_norms(compiled.l_max)[compiled.component_harmonic],
        run_first=begin[:, None] + np.array(firsts),
        run_component=component,
        run_radial=compiled.component_radial[component],
        zeros=compiled.zeros,
        product_left=products[:, 0].copy(),
        product_right=products[:, 1].copy(),
        left=distinct[:, 0].copy(),
        right=distinct[:, 1].copy(),
        row_first=np.append(row_first, len(rows)),
        column=columns,
        weight=weight,
    )


def _rows(compiled: CompiledAce) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """Products (Q, 2), and a row (left, right), a column and a weight (Z,) of each monomial, sorted by rows."""
    one = len(compiled.component_radial)
    first, second, third, fourth = compiled.factors
    products, place = np.unique(fourth[:, 2:], axis=0, return_inverse=True)
    rows = np.concatenate(
        [
            np.full((len(first), 2), one),
            np.column_stack([second[:, 0], np.full(len(second), one)]),
            third[:, :2],
            fourth[:, :2],
        ]
    )
    columns = np.concatenate([first[:, 0], second[:, 1], third[:, 2], one + 1 + place.ravel()])
    order = np.lexsort((columns, rows[:, 1], rows[:, 0]))
    weight = np.concatenate(compiled.coefficients, axis=1)[:, order]
    return products, rows[order], columns[order], np.ascontiguousarray(weight)


class Evaluator:
    """Energies, forces and stress of a compiled potential.

    Args:
        compiled: the potential.
    """

    def __init__(self, compiled: CompiledAce) -> None:
        self.compiled = compiled
        self._tables = polynomial_tables(compiled)

    def evaluate(self, atoms: Atoms, pairs: PairList) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Energies of atoms (n,) in eV, forces (n, 3) in eV/Å, and stress (6,) in eV/Å³, NaN without a periodic cell.

        Args:
            atoms: the structure.
            pairs: pairs of the step before, brought up to date.

        Raises:
            DataError: an element has no parameters, or the structure cannot be described.
        """
        species = species_index(atoms, self.compiled.species, "potential")
        energies, forces, virial, closest = self._run(atoms, species, pairs)
        if closest < COINCIDENT_ANG:  # within kept pairs: finding pairs anew names the atoms
            self._run(atoms, species, PairList(0.0))
        volume = atoms.get_volume() if atoms.pbc.all() else np.nan
        return energies, forces, virial / volume

    def _run(
        self, atoms: Atoms, species: IntArray, pairs: PairList
    ) -> tuple[FloatArray, FloatArray, FloatArray, float]:
        n_segments, cutoff_ang = len(self._tables.run_first), self.compiled.cutoff_ang
        listed = pairs.tables(atoms, species, n_segments=n_segments, cutoff_ang=cutoff_ang)
        return fused.evaluate(self._tables, listed, np.ascontiguousarray(atoms.positions), species)
