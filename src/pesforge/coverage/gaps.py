"""Structures that fill the most empty bins, chosen greedily."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from pesforge.coverage.cloud import Cloud
from pesforge.errors import DataError
from pesforge.family_settings import Gaps
from pesforge.representations.arrays import BoolArray, IntArray
from pesforge.sampling.candidates import CandidateRange, candidate
from pesforge.sampling.measured import Measured


def choose(filled: BoolArray, times: IntArray, count: int) -> list[int]:
    """Indices of the chosen candidates, one after the other; a larger count keeps the first ones.

    Each is the one that fills the most bins that are empty so far; among equals, and when no candidate fills an empty
    bin any more, the one that fills the most bins that are filled once; then the first one.

    Args:
        filled: which bins each candidate fills, (C, B).
        times: how often each bin is filled already, (B,).
        count: how many, at most C.
    """
    matrix, times = filled.astype(np.int64), np.array(times, dtype=np.int64)
    chosen: list[int] = []
    for _ in range(count):
        worth = matrix @ ((len(times) + 1) * (times == 0) + (times == 1))
        worth[chosen] = -1
        chosen.append(int(worth.argmax()))
        times += matrix[chosen[-1]]
    return chosen


def fill_gaps(
    parent: Atoms,
    cloud: Cloud,
    others: Sequence[Atoms],
    settings: Gaps,
    ranges: CandidateRange,
    measured: Measured,
    seed: int,
) -> list[Atoms]:
    """The candidates that fill the most bins which other structures leave empty, best first.

    Args:
        parent: parent crystal.
        cloud: candidates of the study.
        others: structures of the other families.
        settings: how many, and which kinds of bins count.
        ranges: number and ranges of the candidates.
        measured: k_eff of every species.
        seed: seed of the study.

    Raises:
        DataError: fewer candidates than asked for keep the distances of the filter.
    """
    usable = np.flatnonzero(cloud.believed)
    if len(usable) < settings.count:
        raise DataError(
            f"{len(usable)} of {ranges.number} candidates keep the distances that `curate.min_distance_factor` asks "
            f"for, but `sample.gaps.count` is {settings.count}; raise `sample.candidates.number` or lower the count."
        )
    every = np.arange(cloud.filled.shape[1])
    columns = np.concatenate([every[cloud.bins.parts[kind]] for kind in settings.kinds])
    times = cloud.bins.filled(others)[:, columns].sum(axis=0)
    chosen = choose(cloud.filled[np.ix_(usable, columns)], times, settings.count)
    return [candidate(parent, ranges, measured, seed, int(usable[index])) for index in chosen]
