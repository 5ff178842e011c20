"""Copies: structures that are equal up to rotation, reflection, translation and the order of their atoms."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from ase import Atoms

from pesforge.pairs import find_pairs

FloatArray = npt.NDArray[np.float64]

REACH_ANG = 5.0
"""Pairs up to this distance make the fingerprint."""
TOLERANCE_ANG = 1e-3
"""Sorted distances of copies agree within this."""


def _fingerprint(atoms: Atoms) -> FloatArray:
    """Sorted distances of all pairs within `REACH_ANG`, periodic images included."""
    (distance,) = find_pairs(atoms, REACH_ANG, "d", both_ways=False)
    return np.sort(distance)


def _equal(first: FloatArray, second: FloatArray) -> bool:
    """Whether two fingerprints agree, pairs at the very end of the reach aside."""
    shared = min(len(first), len(second))
    rest = np.concatenate([first[shared:], second[shared:]])
    return bool(
        np.all(np.abs(first[:shared] - second[:shared]) <= TOLERANCE_ANG) and np.all(rest > REACH_ANG - TOLERANCE_ANG)
    )


def first_copies(frames: Sequence[Atoms]) -> list[int]:
    """For every structure the index of the first structure that it is a copy of, its own where there is none.

    Only structures of one composition and number of atoms are compared, by their sorted pair distances.

    Args:
        frames: S structures.
    """
    buckets: dict[tuple[bytes, bool], list[int]] = {}
    for index, atoms in enumerate(frames):
        buckets.setdefault((np.sort(atoms.numbers).tobytes(), bool(atoms.pbc.any())), []).append(index)
    first = list(range(len(frames)))
    for members in buckets.values():
        prints = [_fingerprint(frames[index]) for index in members]
        shared = min(len(found) for found in prints)
        mean = np.array([float(found[:shared].mean()) if shared else 0.0 for found in prints])
        order = np.argsort(mean, kind="stable")
        lower = np.searchsorted(mean[order], mean - TOLERANCE_ANG, side="left")
        upper = np.searchsorted(mean[order], mean + TOLERANCE_ANG, side="right")
        for place, index in enumerate(members):
            earlier = np.sort(order[lower[place] : upper[place]])
            for candidate in earlier[earlier < place]:
                if _equal(prints[candidate], prints[place]):
                    first[index] = first[members[candidate]]
                    break
    return first


def copies_between(train: Sequence[Atoms], test: Sequence[Atoms]) -> list[int]:
    """Indices of the test structures that are copies of a training structure."""
    first = first_copies([*train, *test])
    return [index for index in range(len(test)) if first[len(train) + index] < len(train)]
