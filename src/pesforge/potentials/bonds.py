"""Bonds of a structure, and the elementary functions by which one energy formula serves numpy and torch alike."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.pairs import find_pairs
from pesforge.representations.arrays import FloatArray, IntArray

Array = Any
"""An array of numpy or a tensor of torch, in float64."""

COINCIDENT_ANG = 1e-6
"""Distance below which two atoms count as the same point: directions are lost to rounding."""


class Functions(Protocol):
    """Elementary functions of arrays, with the names that numpy and torch share."""

    def exp(self, x: Array, /) -> Array: ...
    def log(self, x: Array, /) -> Array: ...
    def log1p(self, x: Array, /) -> Array: ...
    def sqrt(self, x: Array, /) -> Array: ...
    def abs(self, x: Array, /) -> Array: ...
    def sign(self, x: Array, /) -> Array: ...
    def clip(self, x: Array, low: float | None, high: float | None, /) -> Array: ...

    def numbers(self, count: int) -> Array:
        """(count,) 0.0, 1.0, …, count − 1."""

    def total(self, values: Array, index: Array, size: int) -> Array:
        """Sums (size, …) of the rows of `values` that share an index."""


class NumpyFunctions:
    """The functions in numpy."""

    exp, log, log1p, sqrt = np.exp, np.log, np.log1p, np.sqrt
    abs, sign = np.abs, np.sign
    clip = staticmethod(np.clip)

    @staticmethod
    def numbers(count: int) -> FloatArray:
        """(count,) 0.0, 1.0, …, count − 1."""
        return np.arange(count, dtype=np.float64)

    @staticmethod
    def total(values: FloatArray, index: IntArray, size: int) -> FloatArray:
        """Sums (size, …) of the rows of `values` that share an index."""
        if values.ndim == 1:
            return np.bincount(index, weights=values, minlength=size).astype(np.float64)
        columns = [np.bincount(index, weights=column, minlength=size) for column in values.T]
        return np.stack(columns, axis=-1).astype(np.float64)


@dataclass(frozen=True)
class Bonds:
    """Pairs of atoms within a cutoff, all arrays of numpy or all of torch.

    Species enter as memberships, rows with a single 1: `membership @ parameters` gives every row its parameter.

    Attributes:
        atom_species: (n, Z) membership of atoms.
        first, second: (P,) atoms of the bond.
        first_species, second_species: (P, Z) memberships.
        pair_species: (P, Q) membership in the unordered pairs of species, in the order of `species_pairs`.
        distance: (P,) in Å.
        unit: (P, 3) direction from the first atom to the second one.
        constants: arrays (P, …) that the functional form derives from the distances alone.
        long, side: (T,) pairs of different bonds with the same first atom; empty for forms without angles.
    """

    atom_species: Array
    first: Array
    second: Array
    first_species: Array
    second_species: Array
    pair_species: Array
    distance: Array
    unit: Array
    constants: tuple[Array, ...]
    long: Array
    side: Array


def species_pairs(n_species: int) -> list[tuple[int, int]]:
    """Unordered pairs of species in the order of parameters: (0, 0), (0, 1), …, (1, 1), …"""
    return [(one, other) for one in range(n_species) for other in range(one, n_species)]


def pair_numbers(n_species: int) -> IntArray:
    """(Z, Z) number of the unordered pair of two species."""
    numbers = np.zeros((n_species, n_species), dtype=np.int64)
    for number, (one, other) in enumerate(species_pairs(n_species)):
        numbers[one, other] = numbers[other, one] = number
    return numbers


def species_numbers(atoms: Atoms, species: tuple[str, ...]) -> IntArray:
    """(n,) number of every atom's species.

    Raises:
        DataError: an element is not among the species.
    """
    missing = sorted(set(atoms.get_chemical_symbols()) - set(species))
    if missing:
        raise DataError(
            f"The potential has no parameters for {', '.join(missing)}; it is made for {', '.join(species)}. "
            "Fit a potential to data that hold these elements."
        )
    return np.array([species.index(symbol) for symbol in atoms.get_chemical_symbols()], dtype=np.int64)


def find_bonds(atoms: Atoms, species: tuple[str, ...], cutoff_ang: float, *, both_ways: bool) -> Bonds:
    """The bonds of a structure in numpy, images through periodic boundaries included, without constants and angles.

    Args:
        atoms: the structure.
        species: chemical symbols that have parameters.
        cutoff_ang: longest bond in Å.
        both_ways: every bond from both of its ends; otherwise once.

    Raises:
        DataError: an element has no parameters, the structure is not finite or has no volume, or atoms coincide.
    """
    periodic = atoms.cell.array[atoms.pbc]
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        raise DataError("The structure has positions or cell vectors that are not finite numbers; repair or drop it.")
    if len(periodic) and np.linalg.matrix_rank(periodic) < len(periodic):
        raise DataError("The structure is periodic, but its cell has no volume. Give it one, or set pbc to false.")
    numbers = species_numbers(atoms, species)
    first, second, distance, vector = find_pairs(atoms, cutoff_ang, "ijdD", both_ways=both_ways)
    if len(distance) and distance.min() < COINCIDENT_ANG:
        worst = int(distance.argmin())
        raise DataError(f"Atoms {first[worst]} and {second[worst]} are at the same place; drop the structure.")
    one = np.eye(len(species))
    pairs = np.eye(len(species) * (len(species) + 1) // 2)
    nothing = np.zeros(0, dtype=np.int64)
    return Bonds(
        atom_species=one[numbers],
        first=first,
        second=second,
        first_species=one[numbers[first]],
        second_species=one[numbers[second]],
        pair_species=pairs[pair_numbers(len(species))[numbers[first], numbers[second]]],
        distance=distance,
        unit=vector / distance[:, None],
        constants=(),
        long=nothing,
        side=nothing,
    )


def find_angles(first: IntArray) -> tuple[IntArray, IntArray]:
    """All ordered pairs (T,), (T,) of different bonds with the same first atom.

    Args:
        first: (P,) first atom of every bond, rising.
    """
    numbers = np.bincount(first)
    starts = np.cumsum(numbers) - numbers
    per_bond = numbers[first]
    long = np.repeat(np.arange(len(first)), per_bond)
    within = np.arange(len(long)) - np.repeat(np.cumsum(per_bond) - per_bond, per_bond)
    side = starts[first[long]] + within
    different = long != side
    return long[different], side[different]


def switch(distance: FloatArray, onset_ang: float, cutoff_ang: float) -> tuple[FloatArray, FloatArray]:
    """Values and slopes of S(x) = 1 − 10 x³ + 15 x⁴ − 6 x⁵, x = (r − onset)/(cutoff − onset) held within 0 and 1.

    S has two continuous derivatives.

    Args:
        distance: (P,) r in Å.
        onset_ang, cutoff_ang: where S leaves 1 and reaches 0.
    """
    width = cutoff_ang - onset_ang
    x = np.clip((distance - onset_ang) / width, 0.0, 1.0)
    return 1.0 - x * x * x * (10.0 - 15.0 * x + 6.0 * x * x), -30.0 * (x * (1.0 - x)) ** 2 / width


def bumps(functions: Functions, x: Array, count: int, start: float, end: float) -> tuple[Array, Array]:
    """Values and slopes (n, count) of cubic B-splines on equal intervals; they vanish outside of [start, end].

    Args:
        functions: of numpy or torch.
        x: (n,) argument.
        count: number of splines.
        start, end: support of all splines together, count + 3 intervals; every spline covers four of them.
    """
    spacing = (end - start) / (count + 3)
    centred = ((x - start) / spacing - 2.0)[:, None] - functions.numbers(count)
    away = functions.abs(centred)
    outer, inner = functions.clip(2.0 - away, 0.0, None), functions.clip(1.0 - away, 0.0, None)
    outer_square, inner_square = outer * outer, inner * inner
    values = outer_square * outer / 6.0 - 2.0 / 3.0 * inner_square * inner
    return values, functions.sign(centred) * (2.0 * inner_square - outer_square / 2.0) / spacing
