"""Pairs of atoms within the cutoff, in the order that the kernels need."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.representations.arrays import FloatArray, IntArray

_COINCIDENT_ANG = 1e-6
"""Distance below which two atoms count as the same point: directions are lost to rounding."""


@dataclass(frozen=True)
class Neighbours:
    """Pairs (i, j, shift), sorted by centre i, then j; and their merged edges.

    All images of one j around one i form one edge, because the atom j moves them together. Images of i itself form
    no edge: they move with i.
    """

    centre: IntArray
    neighbour: IntArray
    vector: FloatArray
    first_pair: IntArray
    """Pairs of centre i are first_pair[i] … first_pair[i + 1] - 1, shape (n + 1,)."""
    first_edge: IntArray
    """The same for edges, shape (n + 1,)."""
    edge_neighbour: IntArray
    edge_position: IntArray
    """Position of the pair's edge among those of its centre, -1 for images of the centre, shape (P,)."""

    @property
    def n_edges(self) -> int:
        """Number of merged edges."""
        return len(self.edge_neighbour)


def _check(atoms: Atoms) -> None:
    if len(atoms) == 0:
        raise DataError("The structure has no atoms; drop it.")
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        raise DataError("The structure has positions or cell vectors that are not finite numbers; repair or drop it.")
    if atoms.pbc.any() and np.linalg.matrix_rank(atoms.cell.array[atoms.pbc]) < atoms.pbc.sum():
        raise DataError(
            f"The structure is periodic along {int(atoms.pbc.sum())} cell vectors that are linearly dependent: "
            f"{atoms.cell.array[atoms.pbc].tolist()}. Give it a cell with a volume, or switch periodicity off."
        )


def _raw_pairs(atoms: Atoms, cutoff_ang: float) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """Full list of pairs i, j, cell shifts and vectors r_j - r_i in Å."""
    from vesin import NeighborList  # imports torch where it is installed, which takes seconds

    finder = NeighborList(cutoff=cutoff_ang, full_list=True, n_threads=1)
    first, second, shift, vector = finder.compute(
        np.ascontiguousarray(atoms.positions, dtype=float),
        np.ascontiguousarray(atoms.cell.array, dtype=float),
        [bool(flag) for flag in atoms.pbc],
        "ijSD",
    )
    return first.astype(np.int64), second.astype(np.int64), shift.astype(np.int64), vector


def find_neighbours(atoms: Atoms, cutoff_ang: float) -> Neighbours:
    """The pairs of a structure within the cutoff, images through periodic boundaries included.

    Args:
        atoms: the structure; cells smaller than the cutoff and positions outside of the cell are allowed.
        cutoff_ang: cutoff radius in Å.

    Raises:
        DataError: not finite, periodic without volume, or two atoms at one point.
    """
    _check(atoms)
    first, second, shift, vector = _raw_pairs(atoms, cutoff_ang)
    distance = np.linalg.norm(vector, axis=1)
    if len(distance) and distance.min() < _COINCIDENT_ANG:
        worst = int(distance.argmin())
        raise DataError(f"Atoms {first[worst]} and {second[worst]} are at the same place; drop the structure.")
    n_atoms = len(atoms)
    order = np.lexsort((*shift.T, second, first))
    first, second = first[order], second[order]
    distinct = np.ones(len(first), dtype=bool)
    distinct[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    starts_edge = distinct & (first != second)
    first_edge = np.searchsorted(first[starts_edge], np.arange(n_atoms + 1))
    position = np.cumsum(starts_edge) - 1 - first_edge[first]
    return Neighbours(
        centre=first,
        neighbour=second,
        vector=np.ascontiguousarray(vector[order]),
        first_pair=np.searchsorted(first, np.arange(n_atoms + 1)),
        first_edge=first_edge,
        edge_neighbour=second[starts_edge],
        edge_position=np.where(first == second, -1, position),
    )
