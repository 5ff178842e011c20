"""Graph of a crystal: atoms, and edges to their neighbours that know the periodic image they lead to."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.neighbours import check_structure, raw_pairs

TIE_ANG = 1e-6


@dataclass(frozen=True)
class CrystalGraph:
    """Edges i → j of all pairs within a cutoff; r_j + shift·cell − r_i = vector, shift being integers.

    Attributes:
        numbers: atomic numbers of the nodes, (n,).
        centre: node i of each edge, (E,).
        neighbour: node j, (E,); one pair of nodes has an edge for each image of j within the cutoff.
        shift: cell shift of j, (E, 3); it belongs to the positions as they were given.
        vector: in Å, (E, 3).
        distance: in Å, (E,).
    """

    numbers: IntArray
    centre: IntArray
    neighbour: IntArray
    shift: IntArray
    vector: FloatArray
    distance: FloatArray

    @classmethod
    def of(cls, atoms: Atoms, cutoff_ang: float) -> Self:
        """All edges up to a cutoff, also where the cell is smaller; so the graph does not depend on the cell chosen.

        Raises:
            DataError: the structure is not finite, has no volume, or two atoms at one point.
        """
        check_structure(atoms)
        centre, neighbour, shift, vector = raw_pairs(atoms, cutoff_ang)
        order = np.lexsort((*shift.T[::-1], neighbour, centre))
        return cls(
            numbers=atoms.numbers.astype(np.int64),
            centre=centre[order],
            neighbour=neighbour[order],
            shift=shift[order],
            vector=vector[order],
            distance=np.linalg.norm(vector[order], axis=1),
        )

    @classmethod
    def minimum_image(cls, atoms: Atoms, cutoff_ang: float) -> Self:
        """Edges to the nearest image of each other node alone, images that are equally near being edges each.

        Within half of the shortest translation of the cell these are all edges. Beyond it they miss images that are
        there, and a supercell would have other neighbours: such a cutoff is refused.

        Raises:
            DataError: the cutoff is longer than that, or the structure has no graph.
        """
        check_structure(atoms)
        if atoms.pbc.any():
            longest = float(np.linalg.norm(atoms.cell.array[atoms.pbc], axis=1).min())
            own = raw_pairs(atoms, longest + TIE_ANG)
            shortest = float(np.linalg.norm(own[3][own[0] == own[1]], axis=1).min())
            if cutoff_ang > shortest / 2:
                raise DataError(
                    f"A cutoff of {cutoff_ang:g} Å reaches beyond half of the shortest translation of the cell, "
                    f"{shortest / 2:.3f} Å, where nearest images miss neighbours. Enlarge the cell, or take all images."
                )
        return cls.of(atoms, cutoff_ang)

    def angles(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Pairs of distinct edges of a centre, both ways: first and second edge (T,), cosine between them (T,)."""
        counts = np.bincount(self.centre, minlength=len(self.numbers))
        starts = np.cumsum(counts) - counts
        repeats = counts[self.centre]
        first = np.repeat(np.arange(len(self.centre)), repeats)
        within = np.arange(len(first)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        second = starts[self.centre[first]] + within
        first, second = first[first != second], second[first != second]
        unit = self.vector / self.distance[:, None]
        return first, second, np.einsum("tx,tx->t", unit[first], unit[second])
