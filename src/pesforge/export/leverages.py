"""Whitened rows x W of the atoms of a moving structure: their squares are leverages."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from pesforge.potentials.posterior import Posterior
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.fused_invariants import InvariantEvaluator
from pesforge.representations.pair_list import PairList
from pesforge.representations.stacked import Basis

COLUMNS = 64
"""Columns of W that are multiplied at once: those of a triangular W need only the rows above their diagonal."""


@dataclass(frozen=True)
class _Piece:
    """Some columns of W, the first rows that are not zero there."""

    columns: slice
    block: FloatArray


class Leverages:
    """x W by kept pairs, and without the zeros of W and of functions of other species.

    Args:
        basis: of a linear potential.
        posterior: of its coefficients.

    Raises:
        DataError: the radial functions of the basis do not fit into one table.
    """

    def __init__(self, basis: Basis, posterior: Posterior) -> None:
        self._invariants = InvariantEvaluator(basis)
        self._directions = posterior.whitening.shape[1]
        n_species = len(basis.species)
        self._own = posterior.whitening[-n_species:]
        self._pieces = [_pieces(posterior.whitening[self._invariants.block(z)]) for z in range(n_species)]

    def whitened(self, atoms: Atoms, pairs: PairList) -> tuple[FloatArray, IntArray]:
        """x W (n, R) of the atoms, and the indices of their species (n,).

        Args:
            atoms: the structure.
            pairs: pairs of the step before, brought up to date.

        Raises:
            DataError: an element has no parameters, or the structure cannot be described.
        """
        invariants, species = self._invariants.evaluate(atoms, pairs)
        result = np.empty((len(atoms), self._directions))
        for kind, pieces in enumerate(self._pieces):
            mine = slice(None) if len(self._pieces) == 1 else np.flatnonzero(species == kind)
            own = invariants[mine]
            for piece in pieces:
                result[mine, piece.columns] = own[:, : len(piece.block)] @ piece.block
        result += self._own[species]
        return result, species


def _pieces(whitening: FloatArray) -> list[_Piece]:
    pieces = []
    for first in range(0, whitening.shape[1], COLUMNS):
        columns = slice(first, first + COLUMNS)
        used = np.flatnonzero(whitening[:, columns].any(axis=1))
        rows = int(used[-1]) + 1 if len(used) else 0
        pieces.append(_Piece(columns, np.ascontiguousarray(whitening[:rows, columns])))
    return pieces
