"""Pairs of a moving structure, kept from step to step until an atom may have come within the cutoff unseen."""

from functools import cached_property

import numpy as np
from ase import Atoms

from pesforge.representations.arrays import BoolArray, FloatArray, IntArray
from pesforge.representations.fused import STEPS
from pesforge.representations.fused_tables import PairTables
from pesforge.representations.lanes import WIDTH
from pesforge.representations.neighbours import check_structure, raw_pairs

SKIN_ANG = 0.5
"""Reach of kept pairs beyond the cutoff. A vibrating crystal takes the same time per step from 0.3 to 1.2 Å."""
_SLACK_ANG = 1e-9
"""Room for rounding where displacements are compared with the skin."""


class PairList:
    """The pairs of one structure that moves; another structure is seen and its pairs are found anew.

    Pairs were found within r_c + skin of positions r in a cell h. Now the positions are r F + u in a cell h F, with F
    the change of the cell. No pair can be missing as long as σ (r_c + skin) - 2 max |u| ≥ r_c, with σ the smallest
    singular value of F.

    Args:
        skin_ang: reach beyond the cutoff in Å; 0 for structures that are evaluated once.
    """

    def __init__(self, skin_ang: float = SKIN_ANG) -> None:
        self.skin_ang = skin_ang
        self.n_found = 0
        """How often pairs were found anew."""
        self._cutoff_ang = float("nan")
        self._n_segments = 0
        self._species: IntArray = np.zeros(0, dtype=np.int64)
        self._pbc: BoolArray = np.zeros(3, dtype=np.bool_)
        self._cell: FloatArray = np.eye(3)
        self._positions: FloatArray = np.zeros((0, 3))
        self._tables: PairTables | None = None

    @cached_property
    def shorter(self) -> "PairList":
        """Pairs of the same structure within a shorter cutoff, kept beside these."""
        return PairList(self.skin_ang)

    def tables(self, atoms: Atoms, species: IntArray, *, n_segments: int, cutoff_ang: float) -> PairTables:
        """Pairs for the kernel, at least all of those within the cutoff.

        Args:
            atoms: the structure; cells smaller than the cutoff and positions outside of the cell are allowed.
            species: species index of every atom, shape (n,).
            n_segments: 1 if neighbours of all species stand together, else the number of species.
            cutoff_ang: cutoff radius in Å.

        Raises:
            DataError: no atoms, not finite, periodic without volume, or two atoms at one point.
        """
        kept = self._kept(atoms, species, n_segments, cutoff_ang)
        if kept is not None:
            return kept
        self._tables = None
        check_structure(atoms)
        self._tables = _found(atoms, species, n_segments, cutoff_ang + self.skin_ang)
        self._cutoff_ang, self._n_segments = cutoff_ang, n_segments
        self._species, self._pbc = species.copy(), atoms.pbc.copy()
        self._cell, self._positions = _whole_cell(atoms), atoms.positions.copy()
        self.n_found += 1
        return self._tables

    def _kept(self, atoms: Atoms, species: IntArray, n_segments: int, cutoff_ang: float) -> PairTables | None:
        """The pairs found before, moved to the present cell; None if they do not do."""
        if self._tables is None or (cutoff_ang, n_segments) != (self._cutoff_ang, self._n_segments):
            return None
        if not np.array_equal(species, self._species) or not np.array_equal(atoms.pbc, self._pbc):
            return None
        cell, positions = _whole_cell(atoms), self._positions
        same = np.array_equal(cell, self._cell)
        reach = self._cutoff_ang + self.skin_ang
        if not same:
            if not np.isfinite(cell).all():
                return None
            change = np.linalg.solve(self._cell, cell)
            reach *= np.linalg.svd(change, compute_uv=False)[-1]
            positions = positions @ change
        moved = atoms.positions - positions
        farthest = np.sqrt(np.einsum("nx,nx->n", moved, moved).max())
        if not reach - 2 * farthest >= self._cutoff_ang + _SLACK_ANG:
            return None
        return self._tables if same else self._tables._replace(shift=self._tables.shift @ change)


def _whole_cell(atoms: Atoms) -> FloatArray:
    """Vectors of the periodic directions, made a basis of space by others, shape (3, 3)."""
    if not atoms.pbc.any():
        return np.eye(3)
    if atoms.pbc.all():
        return np.array(atoms.cell.array)
    cell = atoms.cell.copy()
    cell[~atoms.pbc] = 0.0
    return np.array(cell.complete().array)


def _found(atoms: Atoms, species: IntArray, n_segments: int, reach_ang: float) -> PairTables:
    centre, neighbour, shift, _ = raw_pairs(atoms, reach_ang)
    segment = centre if n_segments == 1 else centre * n_segments + species[neighbour]
    order = np.argsort(segment, kind="stable")
    counts = np.bincount(segment, minlength=len(atoms) * n_segments)
    counts_of_atom = counts.reshape(len(atoms), n_segments)
    lane, block_species = _blocks(species, counts_of_atom.sum(axis=1))
    most = np.where(lane[:, :, None] < 0, 0, counts_of_atom[lane]).max(axis=1)
    return PairTables(
        first=np.concatenate([[0], np.cumsum(counts)]),
        neighbour=neighbour[order],
        shift=(shift @ atoms.cell.array)[order],
        lane=lane,
        block_species=block_species,
        max_steps=int((STEPS * -(-most // STEPS)).sum(axis=1).max()),
    )


def _blocks(species: IntArray, n_pairs: IntArray) -> tuple[IntArray, IntArray]:
    """Blocks (B, WIDTH) of atoms of one species, -1 where there is none, and their species (B,).

    Atoms with about as many pairs stand together, so that few lanes wait for others.
    """
    lanes, kinds = [], []
    for kind in np.unique(species):
        members = np.flatnonzero(species == kind)
        members = members[np.argsort(n_pairs[members], kind="stable")]
        blocks = np.full((-(-len(members) // WIDTH), WIDTH), -1, dtype=np.int64)
        blocks.ravel()[: len(members)] = members
        lanes.append(blocks)
        kinds.append(np.full(len(blocks), kind, dtype=np.int64))
    return np.concatenate(lanes), np.concatenate(kinds)
