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
    """Pairs (i, j, shift), sorted by centre i, then species of j, then j; and their merged edges.

    All images of one j around one i form one edge, because the atom j moves them together. Images of i itself form
    no edge: they move with i. Pairs and edges of centre i and neighbour species z are those of segment i·Z + z.
    """

    centre: IntArray
    neighbour: IntArray
    vector: FloatArray
    segment_pairs: IntArray
    segment_edges: IntArray
    edge_neighbour: IntArray
    edge_position: IntArray
    """Position of the pair's edge within its segment, -1 for images of the centre, shape (P,)."""

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


def find_neighbours(atoms: Atoms, species: IntArray, *, n_species: int, cutoff_ang: float) -> Neighbours:
    """The pairs of a structure within the cutoff, images through periodic boundaries included.

    Args:
        atoms: the structure; cells smaller than the cutoff and positions outside of the cell are allowed.
        species: species index of every atom, shape (n,).
        n_species: number Z of species.
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
    segment = first * n_species + species[second]
    order = np.lexsort((*shift.T, second, segment))
    first, second, segment = first[order], second[order], segment[order]
    segments = np.arange(n_atoms * n_species + 1)

    distinct = np.ones(len(first), dtype=bool)
    distinct[1:] = (segment[1:] != segment[:-1]) | (second[1:] != second[:-1])
    starts_edge = distinct & (first != second)
    segment_edges = np.searchsorted(segment[starts_edge], segments)
    position = np.cumsum(starts_edge) - 1 - segment_edges[segment]
    return Neighbours(
        centre=first,
        neighbour=second,
        vector=np.ascontiguousarray(vector[order]),
        segment_pairs=np.searchsorted(segment, segments),
        segment_edges=segment_edges,
        edge_neighbour=second[starts_edge],
        edge_position=np.where(first == second, -1, position),
    )
