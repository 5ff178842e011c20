"""Pairs of atoms within the cutoff, in the order that the kernels need."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.pairs import find_pairs
from pesforge.representations.arrays import FloatArray, IntArray

COINCIDENT_ANG = 1e-6
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
    distance: FloatArray
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


def check_structure(atoms: Atoms) -> None:
    """Refuse a structure whose pairs cannot be listed.

    Raises:
        DataError: no atoms, not finite, or periodic without volume.
    """
    if len(atoms) == 0:
        raise DataError("The structure has no atoms; drop it.")
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        raise DataError("The structure has positions or cell vectors that are not finite numbers; repair or drop it.")
    if atoms.pbc.any() and np.linalg.matrix_rank(atoms.cell.array[atoms.pbc]) < atoms.pbc.sum():
        raise DataError(
            f"The structure is periodic along {int(atoms.pbc.sum())} cell vectors that are linearly dependent: "
            f"{atoms.cell.array[atoms.pbc].tolist()}. Give it a cell with a volume, or switch periodicity off."
        )


def raw_pairs(atoms: Atoms, cutoff_ang: float) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
    """Full list of pairs i, j, cell shifts and vectors r_j - r_i in Å, images through periodic boundaries included.

    Args:
        atoms: a structure that `check_structure` accepts.
        cutoff_ang: largest length of a vector in Å.

    Raises:
        DataError: two atoms at one point.
    """
    first, second, shift, vector = find_pairs(atoms, cutoff_ang, "ijSD")
    if len(vector):
        squares = np.einsum("px,px->p", vector, vector)
        worst = int(squares.argmin())
        if squares[worst] < COINCIDENT_ANG**2:
            raise DataError(f"Atoms {first[worst]} and {second[worst]} are at the same place; drop the structure.")
    return first, second, shift, vector


@dataclass(frozen=True)
class Pairs:
    """All pairs of a structure within a reach, found once for several cutoffs.

    Attributes:
        n_atoms: number of atoms.
        reach_ang: largest distance in Å.
        centre: atom i of each pair (P,), rising.
        neighbour: atom j of each pair (P,), rising for each i.
        vector: r_j - r_i in Å (P, 3).
        distance: its length in Å (P,).
    """

    n_atoms: int
    reach_ang: float
    centre: IntArray
    neighbour: IntArray
    vector: FloatArray
    distance: FloatArray

    def within(self, cutoff_ang: float) -> Neighbours:
        """The pairs up to a cutoff in Å, which must not lie beyond the reach."""
        assert cutoff_ang <= self.reach_ang
        centre, neighbour, vector, distance = self.centre, self.neighbour, self.vector, self.distance
        if cutoff_ang < self.reach_ang:
            near = np.flatnonzero(distance <= cutoff_ang)
            centre, neighbour, vector, distance = centre[near], neighbour[near], vector[near], distance[near]
        distinct = np.ones(len(centre), dtype=bool)
        distinct[1:] = (centre[1:] != centre[:-1]) | (neighbour[1:] != neighbour[:-1])
        starts_edge = distinct & (centre != neighbour)
        first_edge = np.searchsorted(centre[starts_edge], np.arange(self.n_atoms + 1))
        position = np.cumsum(starts_edge) - 1 - first_edge[centre]
        return Neighbours(
            centre=centre,
            neighbour=neighbour,
            vector=vector,
            distance=distance,
            first_pair=np.searchsorted(centre, np.arange(self.n_atoms + 1)),
            first_edge=first_edge,
            edge_neighbour=neighbour[starts_edge],
            edge_position=np.where(centre == neighbour, -1, position),
        )


def pairs_of(atoms: Atoms, reach_ang: float) -> Pairs:
    """The pairs of a structure within a reach, in an order that does not depend on how they were found.

    Args:
        atoms: the structure; cells smaller than the reach and positions outside of the cell are allowed.
        reach_ang: largest distance in Å.

    Raises:
        DataError: not finite, periodic without volume, or two atoms at one point.
    """
    check_structure(atoms)
    first, second, shift, vector = raw_pairs(atoms, reach_ang)
    key = first * len(atoms) + second
    if len(shift):
        lowest = shift.min(axis=0)
        for axis, span in enumerate(shift.max(axis=0) - lowest + 1):
            key = key * span + (shift[:, axis] - lowest[axis])
    order = np.argsort(key)
    vector = np.ascontiguousarray(vector[order])
    distance = np.sqrt(np.einsum("px,px->p", vector, vector))
    return Pairs(len(atoms), reach_ang, first[order], second[order], vector, distance)


def find_neighbours(atoms: Atoms, cutoff_ang: float) -> Neighbours:
    """The pairs of a structure within the cutoff, images through periodic boundaries included.

    Args:
        atoms: the structure; cells smaller than the cutoff and positions outside of the cell are allowed.
        cutoff_ang: cutoff radius in Å.

    Raises:
        DataError: not finite, periodic without volume, or two atoms at one point.
    """
    return pairs_of(atoms, cutoff_ang).within(cutoff_ang)
