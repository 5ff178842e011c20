"""A crystal seen along a lattice plane: its smallest cell there, the gaps between atomic planes, slabs and faults."""

from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
import spglib
from ase import Atoms
from ase.geometry.minkowski_reduction import minkowski_reduce
from numpy.typing import NDArray

from pesforge.errors import DataError
from pesforge.sampling.frames import FloatArray

SYMPREC_ANG = 1e-4
LEVEL_ANG = 0.05
"""Atoms whose heights differ by less belong to one atomic plane."""
INTEGER_TOLERANCE = 1e-5
DENOMINATOR = 6
"""Lattice vectors of a primitive cell are halves and thirds of those of the conventional cell."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class PlaneCell:
    """The primitive cell of a crystal with its first two vectors in a lattice plane.

    Args:
        atoms: cell with the first vector along x, the second in the xy plane; one lattice plane per third vector.
        spacing_ang: distance of lattice planes in Å.
        cuts: heights in [0, 1) of the middles of the gaps between atomic planes, in third cell vectors; widest gap
            first, those that a symmetry operation maps onto each other once.
        old_cell: (3, 3) the same cell vectors in Å before the rotation.
        conventional: (3, 3) conventional cell in Å before the rotation.
    """

    atoms: Atoms
    spacing_ang: float
    cuts: tuple[float, ...]
    old_cell: FloatArray
    conventional: FloatArray


def plane_cell(crystal: Atoms, hkl: tuple[int, int, int]) -> PlaneCell:
    """The cell of a crystal along the plane of Miller indices.

    Args:
        crystal: periodic in three directions; it may be a supercell.
        hkl: indices of the conventional cell as spglib chooses it.

    Raises:
        DataError: spglib finds no lattice.
    """
    conventional = standard_cell(crystal, to_primitive=False).cell.array
    primitive = standard_cell(crystal, to_primitive=True)
    normal = np.linalg.solve(conventional, np.array(hkl, dtype=float))
    indices = _integers(np.asarray(primitive.cell.array @ normal * DENOMINATOR))
    basis = _basis(indices // np.gcd.reduce(indices))
    cell = np.array(minkowski_reduce(basis @ primitive.cell.array, pbc=[True, True, False])[0])
    if np.linalg.det(cell) < 0:
        cell[1] *= -1
    atoms = Atoms(primitive.symbols, positions=primitive.positions, cell=cell, pbc=True)
    scaled = atoms.get_scaled_positions()
    atoms.set_cell(atoms.cell.standard_form()[0])
    atoms.set_scaled_positions(scaled)
    spacing = float(atoms.cell.array[2, 2])
    return PlaneCell(atoms, spacing, _cuts(atoms, spacing), cell, conventional)


def slab(plane: PlaneCell, cut: int, layers: int, vacuum_ang: float) -> Atoms:
    """A slab in the middle of its cell, the third cell vector along z.

    Args:
        plane: crystal along the plane.
        cut: number of the gap at both of its surfaces.
        layers: lattice planes.
        vacuum_ang: distance between the outermost nuclei across the vacuum in Å.

    Raises:
        DataError: there is no such cut.
    """
    atoms = _from_cut(plane, cut).repeat((1, 1, layers))
    atoms.positions[:, 2] -= atoms.positions[:, 2].min()
    thickness = float(atoms.positions[:, 2].max())
    atoms.set_cell([*atoms.cell.array[:2], [0, 0, thickness + vacuum_ang]])
    atoms.positions[:, 2] += vacuum_ang / 2
    atoms.wrap(pbc=[True, True, False])
    return atoms


def block(plane: PlaneCell, cut: int, layers: int) -> Atoms:
    """A perfect crystal of some lattice planes, with a gap between atomic planes at its lower and upper face.

    Args:
        plane: crystal along the plane.
        cut: number of the gap.
        layers: lattice planes.

    Raises:
        DataError: there is no such cut.
    """
    atoms = _from_cut(plane, cut).repeat((1, 1, layers))
    cell = atoms.cell.array.copy()
    cell[2] -= _nearest_in_plane(cell[2], cell)
    atoms.set_cell(cell)
    return atoms


def repeat_vector(plane: PlaneCell, direction: tuple[int, int, int]) -> FloatArray:
    """The shortest lattice vector (3,) in Å along a direction of the plane, in the frame of the plane's cell.

    Args:
        plane: crystal along the plane.
        direction: [u, v, w] of the conventional cell, in the plane.
    """
    steps = _integers(np.linalg.solve(plane.old_cell.T, np.array(direction) @ plane.conventional))
    return np.asarray(steps // np.gcd.reduce(steps) @ plane.atoms.cell.array)


def sheared(perfect: Atoms, shift: FloatArray) -> Atoms:
    """A block with one fault per cell, between its upper face and its image: the third vector is longer by the shift.

    Args:
        perfect: block of the crystal.
        shift: (3,) in the plane, in Å.
    """
    atoms = perfect.copy()
    cell = atoms.cell.array.copy()
    cell[2] += shift
    atoms.set_cell(cell)
    return atoms


def standard_cell(crystal: Atoms, *, to_primitive: bool) -> Atoms:
    """The primitive or the conventional cell of a crystal, its atoms where they are, not rotated and not shifted.

    Args:
        crystal: periodic in three directions; it may be a supercell.
        to_primitive: the primitive cell.

    Raises:
        DataError: spglib finds no lattice.
    """
    cell = (crystal.cell.array, crystal.get_scaled_positions(), crystal.numbers)
    found = spglib.standardize_cell(cell, to_primitive=to_primitive, no_idealize=True, symprec=SYMPREC_ANG)
    if found is None:
        raise DataError("spglib finds no lattice in the crystal; are atoms on top of each other?")
    lattice, scaled, numbers = found
    return Atoms(numbers, scaled_positions=scaled, cell=lattice, pbc=True)


def hkl_name(indices: tuple[int, int, int]) -> str:
    """Indices as one word: a minus is written m, as in 1_1_m2."""
    return "_".join(f"m{-index}" if index < 0 else str(index) for index in indices)


def _integers(values: NDArray[Any]) -> IntArray:
    rounded = np.rint(values)
    if np.abs(values - rounded).max() > INTEGER_TOLERANCE:
        raise DataError(f"a lattice direction has the components {values.tolist()}, which are no whole numbers.")
    return rounded.astype(np.int64)


def _basis(indices: IntArray) -> IntArray:
    """(3, 3) rows: two that span the lattice points with m·v = 0 for coprime indices m, and one with m·v = 1."""
    first, second, third = (int(index) for index in indices)
    if first == second == 0:
        return np.array([[1, 0, 0], [0, 1, 0], [0, 0, third]], dtype=np.int64)
    both = gcd(first, second)
    p, q = _bezout(first, second)
    r, s = _bezout(both, third)
    rows = [[second // both, -first // both, 0], [p * third, q * third, -both], [r * p, r * q, s]]
    return np.array(rows, dtype=np.int64)


def _bezout(a: int, b: int) -> tuple[int, int]:
    """Whole numbers (p, q) with p a + q b = gcd(a, b) > 0, by Euclid's algorithm."""
    (p, q), (next_p, next_q), (rest, next_rest) = (1, 0), (0, 1), (a, b)
    while next_rest:
        quotient = rest // next_rest
        p, next_p = next_p, p - quotient * next_p
        q, next_q = next_q, q - quotient * next_q
        rest, next_rest = next_rest, rest - quotient * next_rest
    return (p, q) if rest > 0 else (-p, -q)


def _nearest_in_plane(vector: FloatArray, cell: FloatArray) -> FloatArray:
    """The lattice vector in the plane of the first two cell vectors that is nearly the part of a vector in it."""
    steps = np.linalg.lstsq(cell[:2].T, vector, rcond=None)[0]
    return np.asarray(np.rint(steps - 1e-6) @ cell[:2])


def _cuts(atoms: Atoms, spacing_ang: float) -> tuple[float, ...]:
    """Distinct gaps between atomic planes, widest first; see `PlaneCell`."""
    heights = np.sort(atoms.get_scaled_positions()[:, 2] % 1.0)
    gaps = np.diff(np.append(heights, heights[0] + 1.0))
    level = LEVEL_ANG / spacing_ang
    wide = [index for index in range(len(gaps)) if gaps[index] > level]
    order = sorted(wide, key=lambda index: (-round(float(gaps[index]), 4), index))
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = spglib.get_symmetry(cell, symprec=SYMPREC_ANG)
    pairs = [] if found is None else zip(found["rotations"], found["translations"], strict=True)
    images = [(rotation[2, 2], translation[2]) for rotation, translation in pairs if not rotation[2, :2].any()]
    distinct: list[float] = []
    for index in order:
        cut = float((heights[index] + gaps[index] / 2) % 1.0)
        mapped = [sign * cut + shift - other for sign, shift in images for other in distinct]
        if all(abs(off - round(off)) > level for off in mapped):
            distinct.append(cut)
    return tuple(distinct)


def _from_cut(plane: PlaneCell, cut: int) -> Atoms:
    """The plane's cell with a gap at its lower face."""
    if cut >= len(plane.cuts):
        raise DataError(
            f"the plane has {len(plane.cuts)} distinct gap(s) between atomic planes; number {cut} (from 0) is not one."
        )
    atoms = plane.atoms.copy()
    scaled = atoms.get_scaled_positions()
    scaled[:, 2] = (scaled[:, 2] - plane.cuts[cut]) % 1.0
    atoms.set_scaled_positions(scaled)
    return atoms
