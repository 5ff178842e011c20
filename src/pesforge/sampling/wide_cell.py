"""The smallest supercell of a crystal, of any shape, in which every atom is far from all of its images."""

import math
from collections.abc import Iterator

import numpy as np
from ase import Atoms
from ase.build import make_supercell
from ase.geometry.minkowski_reduction import minkowski_reduce
from numpy.typing import NDArray

from pesforge.errors import DataError
from pesforge.sampling.frames import FloatArray
from pesforge.sampling.lattice_planes import standard_cell

MOST_CELLS = 64
"""Most primitive cells of a supercell that is looked for."""
SAME_LENGTH_ANG = 1e-5

IntArray = NDArray[np.int64]


def shortest_translation(cell: FloatArray) -> float:
    """Length in Å of the shortest lattice vector: how far an atom is from its nearest image.

    Args:
        cell: (3, 3), rows are lattice vectors in Å.
    """
    return float(np.linalg.norm(minkowski_reduce(cell)[0], axis=1).min())


def wide_cell(crystal: Atoms, width_ang: float) -> Atoms:
    """The perfect crystal in the supercell of its primitive lattice with the fewest atoms of a stated width.

    Of all sublattices of the primitive lattice with that many atoms the one with the longest shortest vector is taken,
    and of those the one whose reduced basis is the shortest.

    Args:
        crystal: periodic in three directions; it may be a supercell.
        width_ang: least length of all lattice vectors in Å.

    Returns:
        Right-handed Minkowski-reduced cell, the crystal neither rotated nor shifted.

    Raises:
        DataError: it would hold more than `MOST_CELLS` primitive cells, or spglib finds no lattice.
    """
    primitive = standard_cell(crystal, to_primitive=True)
    lattice = np.asarray(minkowski_reduce(primitive.cell.array)[0])
    for index in range(1, MOST_CELLS + 1):
        if _longest(lattice, index) < width_ang - SAME_LENGTH_ANG:
            continue
        forms = _widest(hermite_forms(index), lattice, width_ang)
        if len(forms):
            basis = min((_reduced(form @ lattice) for form in forms), key=_size)
            steps = np.rint(np.linalg.solve(primitive.cell.array.T, basis.T).T).astype(np.int64)
            return make_supercell(primitive, steps)
    raise DataError(
        f"no supercell of {MOST_CELLS} primitive cells or fewer keeps all atoms {width_ang:g} Å from their images; "
        f"allowed are {_longest(lattice, MOST_CELLS):.1f} Å at the very most."
    )


def wider_cell(parent: Atoms, width_ang: float) -> Atoms:
    """The wide cell of a parent that is narrower than it.

    Raises:
        DataError: the parent is as wide, or no supercell of a size that can be labelled is.
    """
    narrow = shortest_translation(parent.cell.array)
    if width_ang <= narrow + SAME_LENGTH_ANG:
        raise DataError(
            f"the width is {width_ang:g} Å, but atoms of the parent are {narrow:.2f} Å from their images already; "
            "state more, or nothing."
        )
    return wide_cell(parent, width_ang)


def hermite_forms(index: int) -> IntArray:
    """Every sublattice of an index once, as the integer combinations (F, 3, 3) of lattice vectors that span it.

    Lower triangular with determinant `index`; entries below the diagonal are at least 0 and below the diagonal one of
    their column.

    Args:
        index: cells of the lattice in one of the sublattice.

    Source: A. Santoro and A. D. Mighell, Acta Cryst. A 28, 284 (1972).
    """
    found = []
    for a in (a for a in range(1, index + 1) if index % a == 0):
        for b in (b for b in range(1, index // a + 1) if index // a % b == 0):
            d, e, f = (grid.ravel() for grid in np.meshgrid(np.arange(a), np.arange(a), np.arange(b), indexing="ij"))
            forms = np.zeros((len(d), 3, 3), dtype=np.int64)
            forms[:, 0, 0], forms[:, 1, 1], forms[:, 2, 2] = a, b, index // (a * b)
            forms[:, 1, 0], forms[:, 2, 0], forms[:, 2, 1] = d, e, f
            found.append(forms)
    return np.concatenate(found)


def _widest(forms: IntArray, lattice: FloatArray, width_ang: float) -> IntArray:
    """The sublattices with the longest shortest vector; none where that is shorter than the width.

    Vectors of the lattice are taken by length, and the sublattices that hold one are dropped, until none is left.
    """
    index = int(forms[0].diagonal().prod())
    for length, shell in _shells(lattice, _longest(lattice, index)):
        kept = forms[~_hold_any(forms, shell, index)]
        if not len(kept):
            return forms if length >= width_ang - SAME_LENGTH_ANG else kept
        forms = kept
    return forms


def _longest(lattice: FloatArray, index: int) -> float:
    """Bound in Å of the shortest vector of a sublattice: that of a face-centred cubic one, the densest of all."""
    return float((math.sqrt(2) * index * abs(np.linalg.det(lattice))) ** (1 / 3))


def _shells(lattice: FloatArray, longest_ang: float) -> Iterator[tuple[float, IntArray]]:
    """Lengths in Å of the vectors of a lattice up to a bound, rising, and the vectors (k, 3) in its basis."""
    bound = longest_ang + SAME_LENGTH_ANG
    reach = np.floor(bound * np.linalg.norm(np.linalg.inv(lattice), axis=0)).astype(np.int64)
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    lengths = np.linalg.norm(grid @ lattice, axis=1)
    order = np.argsort(lengths, kind="stable")[1:]  # without the zero vector
    order = order[lengths[order] <= bound]
    for part in np.split(order, np.flatnonzero(np.diff(lengths[order]) > SAME_LENGTH_ANG) + 1):
        yield float(lengths[part[0]]), grid[part]


def _hold_any(forms: IntArray, vectors: IntArray, index: int) -> NDArray[np.bool_]:
    """Whether each sublattice H (F, 3, 3) holds one of some lattice vectors v: whether x H = v has a whole x."""
    inverse = np.rint(np.linalg.inv(forms) * index).astype(np.int64)
    held = np.zeros(len(forms), dtype=bool)
    for vector in vectors:
        held |= (vector @ inverse % index == 0).all(axis=1)
    return held


def _reduced(basis: FloatArray) -> FloatArray:
    """The Minkowski-reduced right-handed basis of a lattice."""
    reduced = np.asarray(minkowski_reduce(basis)[0])
    return reduced if np.linalg.det(reduced) > 0 else -reduced


def _size(basis: FloatArray) -> tuple[float, ...]:
    """Sum of the lengths of a basis in Å; its vectors decide between equal ones."""
    lengths = np.linalg.norm(basis, axis=1)
    return (round(float(lengths.sum()), 5), *(np.round(basis, 5).ravel() + 0.0).tolist())
