"""Symmetry operations of a crystal as permutations of its atoms and Cartesian rotations."""

from dataclasses import dataclass

import numpy as np
import spglib
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial import cKDTree

SYMPREC_ANG = 1e-4
"""Positions are stored with 8 to 10 decimals; displacements that are measured exceed 1e-3 Å."""
RANK_TOLERANCE = 1e-6

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Operations:
    """Space-group operations of a cell.

    Args:
        rotations: (m, 3, 3) Cartesian; a vector v becomes R v.
        permutations: (m, n); atom j moves onto the site of atom `permutations[g, j]`.
    """

    rotations: FloatArray
    permutations: IntArray

    @property
    def translations(self) -> IntArray:
        """(t, n) permutations of the pure translations, the identity among them."""
        return self.permutations[np.abs(self.rotations - np.eye(3)).max(axis=(1, 2)) < RANK_TOLERANCE]


def operations(atoms: Atoms) -> Operations:
    """The operations that map a crystal onto itself, those of its primitive translations included.

    Where spglib finds none, the identity alone.

    Args:
        atoms: periodic in three directions.
    """
    cell, scaled = atoms.cell.array, atoms.get_scaled_positions(wrap=False)
    found = spglib.get_symmetry((cell, scaled, atoms.numbers), symprec=SYMPREC_ANG)
    if found is None:
        return Operations(np.eye(3)[None], np.arange(len(atoms))[None])
    to_cartesian, to_scaled = cell.T, np.linalg.inv(cell.T)
    tree = cKDTree(_wrapped(scaled), boxsize=1.0)
    rotations, permutations = [], []
    for rotation, translation in zip(found["rotations"], found["translations"], strict=True):
        permutation = tree.query(_wrapped(scaled @ rotation.T + translation))[1]
        if len(set(permutation.tolist())) == len(atoms) and (atoms.numbers[permutation] == atoms.numbers).all():
            rotations.append(to_cartesian @ rotation @ to_scaled)
            permutations.append(permutation)
    return Operations(np.array(rotations), np.array(permutations, dtype=np.int64))


def span_rank(vectors: FloatArray) -> int:
    """Dimension of the space that the rows span."""
    return int(np.linalg.matrix_rank(vectors, tol=RANK_TOLERANCE)) if len(vectors) else 0


def _wrapped(scaled: FloatArray) -> FloatArray:
    """Scaled coordinates in [0, 1)."""
    wrapped = scaled % 1.0
    wrapped[wrapped >= 1.0] = 0.0
    return wrapped
