"""Sets of invariants side by side: many-body functions of the near neighbourhood, simpler ones that reach farther."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.errors import DataError, SettingsError
from pesforge.representations.ace import AceBasis, AtomGradient, Projection
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.neighbours import Pairs, pairs_of


@dataclass(frozen=True)
class StackedBasis:
    """The invariants of several bases of the same species, columns part after part.

    Args:
        parts: the bases; within the columns of each stands one block per species of the centre.

    Raises:
        SettingsError: there are fewer than two parts, or their species differ.
    """

    parts: tuple[AceBasis, ...]

    def __post_init__(self) -> None:
        if len(self.parts) < 2 or len({part.species for part in self.parts}) != 1:
            raise SettingsError("a stacked basis needs two parts at least, all of the same species.")

    @property
    def species(self) -> tuple[str, ...]:
        """Chemical symbols."""
        return self.parts[0].species

    @property
    def cutoff_ang(self) -> float:
        """Largest cutoff radius in Å."""
        return max(part.cutoff_ang for part in self.parts)

    @property
    def n_functions(self) -> int:
        """Number K of columns."""
        return sum(part.n_functions for part in self.parts)

    @cached_property
    def degree(self) -> FloatArray:
        """Degree of every column, shape (K,)."""
        return np.concatenate([part.degree for part in self.parts])

    @cached_property
    def order(self) -> IntArray:
        """Number of factors of every column, shape (K,)."""
        return np.concatenate([part.order for part in self.parts])

    @cached_property
    def _columns(self) -> tuple[slice, ...]:
        ends = np.cumsum([0, *(part.n_functions for part in self.parts)])
        return tuple(slice(int(first), int(last)) for first, last in pairwise(ends))

    def facts(self) -> dict[str, Any]:
        """Plain values that describe the basis to people."""
        return {
            "functions": self.n_functions,
            **{
                f"part {number}, {key}": value
                for number, part in enumerate(self.parts, start=1)
                for key, value in part.facts().items()
            },
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values that `basis_from_dict` turns into an equal basis."""
        return {"parts": [part.to_dict() for part in self.parts]}

    def species_index(self, atoms: Atoms) -> IntArray:
        """Index into `species` of every atom, shape (n,).

        Raises:
            DataError: an atom's element is not in the basis.
        """
        return self.parts[0].species_index(atoms)

    def invariants(self, atoms: Atoms) -> FloatArray:
        """Invariants of every atom, shape (n, K); errors as for `AceBasis.invariants`."""
        return np.concatenate([part.invariants(atoms) for part in self.parts], axis=1)

    def rows(self, atoms: Atoms, pairs: Pairs | None = None) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Rows of the design matrix: energy (K,), forces (3n, K) and stress (6, K), as of `AceBasis.rows`."""
        found = pairs_of(atoms, self.cutoff_ang) if pairs is None else pairs
        energy, forces, stress = zip(*(part.rows(atoms, found) for part in self.parts), strict=True)
        return np.concatenate(energy), np.concatenate(forces, axis=1), np.concatenate(stress, axis=1)

    def project(self, atoms: Atoms, matrix: FloatArray) -> Projection:
        """Combinations of the invariants with their derivatives, as of `AceBasis.project`.

        Raises:
            DataError: the matrix has another number of rows, or the structure cannot be described.
        """
        if matrix.ndim != 2 or matrix.shape[0] != self.n_functions:
            raise DataError(f"A matrix of shape ({self.n_functions}, P) is needed, not one of shape {matrix.shape}.")
        found = [part.project(atoms, matrix[columns]) for part, columns in zip(self.parts, self._columns, strict=True)]
        widest = found[int(np.argmax([part.cutoff_ang for part in self.parts]))]
        keys = widest.centre * len(atoms) + widest.neighbour
        order = np.argsort(keys)
        gradient = np.zeros_like(widest.gradient)
        for part in found:
            places = order[np.searchsorted(keys, part.centre * len(atoms) + part.neighbour, sorter=order)]
            gradient[places] += part.gradient
        return Projection(
            rho=sum((part.rho for part in found), np.zeros_like(widest.rho)),
            centre=widest.centre,
            neighbour=widest.neighbour,
            gradient=gradient,
            strain=sum((part.strain for part in found), np.zeros_like(widest.strain)),
            volume=widest.volume,
        )

    def evaluate(self, atoms: Atoms, atom_gradient: AtomGradient) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Energies (n,), forces (n, 3) and stress (6,) of any function of invariants, as of `AceBasis.evaluate`."""
        pulled = [part.pull_back(atoms) for part in self.parts]
        energies, slopes = atom_gradient(np.concatenate([invariants for invariants, _ in pulled], axis=1))
        forces, stress = np.zeros((len(atoms), 3)), np.zeros(6)
        for (_, derivatives), columns in zip(pulled, self._columns, strict=True):
            added_forces, added_stress = derivatives(slopes[:, columns])
            forces, stress = forces + added_forces, stress + added_stress
        return np.asarray(energies, dtype=float), forces, stress


Basis = AceBasis | StackedBasis
"""One set of invariants, or several side by side."""


def stacked(parts: tuple[AceBasis, ...]) -> Basis:
    """The parts side by side; a single one as it is."""
    return parts[0] if len(parts) == 1 else StackedBasis(parts)


def basis_from_dict(values: dict[str, Any]) -> Basis:
    """The basis that `to_dict` of either kind described."""
    if "parts" in values:
        return StackedBasis(tuple(AceBasis.from_dict(part) for part in values["parts"]))
    return AceBasis.from_dict(values)
