"""A linear potential on ACE invariants as one polynomial in the densities of an atom, in flat tables."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pesforge.errors import DataError
from pesforge.representations.ace import AceBasis
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.coupling import invariant_coupling
from pesforge.representations.functions import BasisFunction, Channel
from pesforge.representations.radial import spherical_bessel
from pesforge.representations.stacked import Basis

MAX_ORDER = 4
N_POWERS = 6
"""Coefficients per interval of a radial table: values and slopes at both ends and at the middle make a quintic."""
SLOPE_TOLERANCE = 1e-10
"""Largest error of a tabulated slope in units of its function's largest slope: leaves forces right to 1e-7 eV/Å."""
_FEWEST_INTERVALS, _MAX_INTERVALS = 32, 8192
_KNOT_TOLERANCE = 1e-9
"""Distance from a knot in intervals that is rounding."""
_NEGLIGIBLE = 1e-13
"""Elements of couplings below this are rounding."""
_SMALLEST_DISTANCE_ANG = 1e-6
"""Where functions are evaluated in place of r = 0, where their formulas divide by r."""


@dataclass(frozen=True)
class CompiledAce:
    """E_i = zeros[z_i] + Σ_o Σ_t coefficients[o - 1][z_i, t] Π_s A_i[factors[o - 1][t, s]], orders o of 1 to 4.

    Densities are A_i[c] = Σ_j R_f(r_ij) Y_lm(r_ij) over the neighbours j within the cutoff, with f and lm of component
    c. In the interval g = floor(r / h) and with w = r / h - g the radial functions are R_f = Σ_p radial[z_j, g, p, f]
    wᵖ; their slopes in 1/Å are Σ_p p radial[z_j, g, p, f] wᵖ⁻¹ / h. Harmonics have the order and normalisation of
    `harmonics.spherical_harmonics`. Equal products of all functions are one monomial.
    """

    species: tuple[str, ...]
    """Chemical symbols, Z of them: those of centres and of neighbours."""
    cutoff_ang: float
    """Distance in Å from where on neighbours do not count."""
    zeros: FloatArray
    """Energy of an atom without neighbours in eV, shape (Z,)."""
    spacing_ang: float
    """Length h of the intervals in Å; G of them end at the cutoff."""
    radial: FloatArray
    """Polynomials of the F radial functions, shape (Z, G, 6, F): neighbour species, interval, power, function."""
    component_radial: IntArray
    """Radial function f of every density component, shape (C,)."""
    component_harmonic: IntArray
    """Index l² + l + m of the harmonic of every density component, rising, shape (C,)."""
    component_species: IntArray
    """Species of the neighbours that contribute to every density component, -1 for all species, shape (C,)."""
    factors: tuple[IntArray, ...]
    """Components of the monomials per order 1 to 4, each of shape (T, order); rising along both axes."""
    coefficients: tuple[FloatArray, ...]
    """Coefficients of the monomials in eV per order 1 to 4, each of shape (Z, T) by the centre's species."""

    @property
    def l_max(self) -> int:
        """Largest angular momentum of the components."""
        return int(np.sqrt(self.component_harmonic.max(initial=0)))


def compile_ace(basis: Basis, coefficients: FloatArray, zeros: FloatArray) -> CompiledAce:
    """The tables of the potential E_i = zeros[z_i] + coefficients · B(i).

    Args:
        basis: K invariants per atom.
        coefficients: (K,) in eV.
        zeros: energy of an atom without neighbours in eV, shape (Z,), in the order of `basis.species`.

    Raises:
        DataError: the arrays do not fit the basis.
    """
    n_species = len(basis.species)
    coefficients, zeros = np.asarray(coefficients, dtype=float), np.asarray(zeros, dtype=float)
    if coefficients.shape != (basis.n_functions,) or zeros.shape != (n_species,):
        raise DataError(
            f"{basis.n_functions} coefficients and {n_species} energy zeros are needed, not arrays of shapes "
            f"{coefficients.shape} and {zeros.shape}."
        )
    components: list[IntArray] = []
    terms = []
    first_column = 0
    for part, numbers, rows in density_components(basis):
        columns = slice(first_column, first_column + part.n_functions)
        components.append(rows)
        terms.append(_monomials(part.functions, coefficients[columns].reshape(n_species, -1), numbers))
        first_column = columns.stop
    table = np.concatenate(components)
    merged = [
        _merged([found[order] for found in terms], order + 1, n_species, len(table)) for order in range(MAX_ORDER)
    ]
    used = np.zeros(len(table), dtype=np.bool_)
    for factors, _ in merged:
        used[factors] = True
    order = np.lexsort(table.T[::-1])
    order = order[used[order]]
    renumbered = np.empty(len(table), dtype=np.int64)
    renumbered[order] = np.arange(len(order))
    merged = [_sorted(renumbered[factors], values) for factors, values in merged]
    radial, spacing = radial_table(basis)
    return CompiledAce(
        species=basis.species,
        cutoff_ang=basis.cutoff_ang,
        zeros=zeros,
        spacing_ang=spacing,
        radial=radial,
        component_radial=np.ascontiguousarray(table[order, 2]),
        component_harmonic=np.ascontiguousarray(table[order, 0]),
        component_species=np.ascontiguousarray(table[order, 1]),
        factors=tuple(factors for factors, _ in merged),
        coefficients=tuple(values for _, values in merged),
    )


def _resolved(basis: Basis) -> bool:
    """Whether components name the species that contribute: densities of one species each share radial functions."""
    return len(basis.species) > 1 and all(part.mixing is None for part in basis.parts)


def density_components(basis: Basis) -> Iterator[tuple[AceBasis, dict[Channel, IntArray], IntArray]]:
    """Every part with the numbers of its density components and their rows (harmonic, species, radial), shape (C, 3).

    The 2l + 1 numbers of a channel rise with m; those of a part go on where those of the one before ended. The species
    is -1 where all contribute. Radial functions are numbered as in `CompiledAce.radial`.
    """
    resolved = _resolved(basis)
    first_radial, first_component = 0, 0
    for part in basis.parts:
        numbers, rows = _components(part, resolved, first_radial, first_component)
        yield part, numbers, rows
        first_radial += _n_radial(part, resolved)
        first_component += len(rows)


def _n_radial(part: AceBasis, resolved: bool) -> int:
    """Number of radial functions of a part: one set for all species if components name the species that contribute."""
    return part.n_radial * (1 if resolved else len(part.weights))


def _components(
    part: AceBasis, resolved: bool, first_radial: int, first_component: int
) -> tuple[dict[Channel, IntArray], IntArray]:
    """Numbers of the 2l + 1 components of each channel, and rows (harmonic, species, radial) of all components."""
    numbers: dict[Channel, IntArray] = {}
    rows: list[tuple[int, int, int]] = []
    for c in sorted({channel for function in part.functions for channel in function.channels}):
        start = first_component + len(rows)
        numbers[c] = np.arange(start, start + 2 * c.l + 1)
        species, radial = (c.species, c.radial) if resolved else (-1, c.species * part.n_radial + c.radial)
        rows += [(c.l * c.l + m, species, first_radial + radial) for m in range(2 * c.l + 1)]
    return numbers, np.array(rows, dtype=np.int64)


def _monomials(
    functions: tuple[BasisFunction, ...], coefficients: FloatArray, numbers: dict[Channel, IntArray]
) -> list[list[tuple[IntArray, FloatArray]]]:
    """Products of components (T, order) and their coefficients (Z, T), lists of them for each order from 1 to 4."""
    alike: dict[tuple[tuple[int, ...], int], list[int]] = defaultdict(list)
    for k, function in enumerate(functions):
        alike[function.momenta, function.path].append(k)
    collected: list[list[tuple[IntArray, FloatArray]]] = [[] for _ in range(MAX_ORDER)]
    for (momenta, path), members in alike.items():
        order = len(momenta)
        tensor = invariant_coupling(momenta, path)
        elements = np.argwhere(np.abs(tensor) > _NEGLIGIBLE)
        values = tensor[tuple(elements.T)]
        columns = [
            np.array([numbers[functions[k].channels[s]] for k in members])[:, elements[:, s]] for s in range(order)
        ]
        products = np.sort(np.stack([column.ravel() for column in columns], axis=1), axis=1)
        weights = coefficients[:, members, None] * values
        collected[order - 1].append((products, weights.reshape(len(coefficients), -1)))
    return collected


def _merged(
    lists: list[list[tuple[IntArray, FloatArray]]], order: int, n_species: int, size: int
) -> tuple[IntArray, FloatArray]:
    """Products without repetition; those without any weight are left out.

    Args:
        lists: products and weights of every part.
        order: number of factors.
        n_species: number of rows of the weights.
        size: number of components.
    """
    parts = [pair for found in lists for pair in found]
    if not parts:
        return np.zeros((0, order), dtype=np.int64), np.zeros((n_species, 0))
    products = np.concatenate([product for product, _ in parts])
    weights = np.concatenate([weight for _, weight in parts], axis=1)
    key = np.ravel_multi_index(tuple(products.T), (size,) * order)
    distinct, group = np.unique(key, return_inverse=True)
    summed = np.stack([np.bincount(group, weight, len(distinct)) for weight in weights])
    kept = np.flatnonzero(np.abs(summed).max(axis=0) > 0.0)
    factors = np.stack(np.unravel_index(distinct[kept], (size,) * order), axis=1)
    return np.ascontiguousarray(factors.astype(np.int64)), np.ascontiguousarray(summed[:, kept])


def _sorted(factors: IntArray, values: FloatArray) -> tuple[IntArray, FloatArray]:
    """Products with rising factors, in lexical order, and their coefficients."""
    factors = np.sort(factors, axis=1)
    order = np.lexsort(factors.T[::-1])
    return np.ascontiguousarray(factors[order]), np.ascontiguousarray(values[:, order])


def _radial_functions(
    basis: Basis, resolved: bool, species: int, distance: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Values and slopes of the flat radial functions of neighbours of one species, each of shape (F, P)."""
    values: list[FloatArray] = []
    slopes: list[FloatArray] = []
    safe = np.maximum(distance, _SMALLEST_DISTANCE_ANG)
    for part in basis.parts:
        inside = safe < part.cutoff_ang
        if resolved:
            found = spherical_bessel(safe[inside], part.n_radial, part.cutoff_ang)
        else:
            found = part.radial_functions(safe[inside], np.full(inside.sum(), species))
        for whole, piece in zip((values, slopes), found, strict=True):
            padded = np.zeros((len(piece), len(distance)))
            padded[:, inside] = piece
            whole.append(padded)
    return np.concatenate(values), np.concatenate(slopes)


def _first_intervals(basis: Basis) -> int:
    """Number of intervals that puts every part's cutoff on a knot.

    Raises:
        DataError: the cutoffs have no common measure.
    """
    shares = [part.cutoff_ang / basis.cutoff_ang for part in basis.parts]
    for count in range(_FEWEST_INTERVALS, 2 * _FEWEST_INTERVALS):
        if all(abs(share * count - round(share * count)) < _KNOT_TOLERANCE for share in shares):
            return count
    raise DataError(f"cutoffs of {[part.cutoff_ang for part in basis.parts]} Å have no common measure for a table.")


def radial_table(basis: Basis) -> tuple[FloatArray, float]:
    """Polynomials of the radial functions, shape (Z, G, 6, F), and the length of the intervals in Å.

    The intervals are halved until slopes between the nodes are right to `SLOPE_TOLERANCE`, but for the first interval,
    where formulas that divide by r lose digits and atoms never are.

    Raises:
        DataError: the radial functions are not smooth.
    """
    intervals, resolved = _first_intervals(basis), _resolved(basis)
    between = np.array([0.1, 0.25, 0.4, 0.6, 0.75, 0.9])
    powers = np.arange(1, N_POWERS)
    kinds = range(1 if resolved else len(basis.species))
    while intervals <= _MAX_INTERVALS:
        spacing = basis.cutoff_ang / intervals
        nodes = np.arange(2 * intervals + 1) * spacing / 2
        places = ((np.arange(intervals)[:, None] + between) * spacing).ravel()
        tables, smooth = [], True
        for species in kinds:
            table = _quintics(*_radial_functions(basis, resolved, species, nodes), spacing)
            _, exact = _radial_functions(basis, resolved, species, places)
            found = np.einsum("wp,gpf->fgw", powers * between[:, None] ** (powers - 1), table[:, 1:]) / spacing
            scale = np.maximum(np.abs(exact).max(axis=1, keepdims=True), np.finfo(float).tiny)
            error = np.abs(found.reshape(exact.shape) - exact) / scale
            smooth = smooth and bool(error[:, len(between) :].max() < SLOPE_TOLERANCE)
            tables.append(table)
        if smooth:
            return np.repeat(tables, len(basis.species), axis=0) if resolved else np.array(tables), spacing
        intervals *= 2
    raise DataError(f"The radial functions are not smooth: {_MAX_INTERVALS} intervals do not follow them.")


def _quintics(value: FloatArray, slope: FloatArray, spacing: float) -> FloatArray:
    """Polynomials (G, 6, F) in w = 0 … 1 through values and slopes (F, 2 G + 1) at ends and middles of intervals."""
    nodes = np.array([0.0, 0.5, 1.0])
    powers = np.arange(N_POWERS)
    lowered = np.where(powers > 0, powers - 1, 0)
    conditions = np.concatenate([nodes[:, None] ** powers, powers * nodes[:, None] ** lowered])
    data = np.concatenate([np.stack([y[:, 0:-1:2], y[:, 1::2], y[:, 2::2]]) for y in (value, slope * spacing)])
    table = np.einsum("pc,cfg->gpf", np.linalg.inv(conditions), data)
    return np.ascontiguousarray(table)
