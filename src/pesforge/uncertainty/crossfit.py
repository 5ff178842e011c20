"""Calibration judged on groups that it has not seen: fitted on some folds of groups, judged on the rest, over all."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pesforge.errors import DataError
from pesforge.folds import check_split, group_folds
from pesforge.representations.arrays import IntArray
from pesforge.uncertainty.calibration import FEWEST, calibrate
from pesforge.uncertainty.law import Law
from pesforge.uncertainty.merit import Scored
from pesforge.uncertainty.variance import Labels

FOLDS = 5


@dataclass(frozen=True)
class Judged:
    """One kind of labels before and after calibration, on the same errors.

    Attributes:
        labels: the errors.
        first: law before calibration.
        law: calibrated on all groups: what is used from now on.
        before: errors judged by `first`.
        after: errors judged by the law that was calibrated without their fold of groups.
    """

    labels: Labels
    first: Law
    law: Law
    before: Scored
    after: Scored


def judge(
    kinds: Mapping[str, Labels],
    first: Mapping[str, Law],
    groups: Sequence[Hashable],
    *,
    seed: int,
    families: Sequence[Hashable] | None = None,
    folds: int = FOLDS,
    shaped: Callable[[IntArray], Mapping[str, Labels]] | None = None,
    heavy_tails: bool = True,
    bend: bool = True,
) -> dict[str, Judged]:
    """Per kind, coverage before calibration and after, every group being judged by a calibration that has not seen it.

    Args:
        kinds: errors of structures by models that have not seen their groups.
        first: laws before calibration.
        groups: (S,) group of each structure.
        seed: of the folds.
        families: (S,) of each structure, which are dealt evenly to the folds; None: one.
        folds: of groups; at most as many as there are groups.
        shaped: gives the labels with shapes of the noise that some structures alone have taught; None: as in `kinds`.
        heavy_tails: whether degrees of freedom are fitted.
        bend: whether quantiles are bent.

    Returns:
        The kinds that have enough errors in every fold's complement.

    Raises:
        DataError: there are fewer than two groups.
    """
    parts = group_folds(groups, min(folds, len(set(groups))), seed, families=families)
    every = np.arange(len(groups))
    found = {}
    for kind, labels in kinds.items():
        seen = [np.setdiff1d(every, part) for part in parts]
        if any(len(labels.select(structures).error) < FEWEST for structures in seen) or not labels.error.any():
            continue
        scored = []
        for structures, part in zip(seen, parts, strict=True):
            check_split(groups, structures, part)
            own = labels if shaped is None else shaped(structures)[kind]
            law = calibrate(own.select(structures), heavy_tails=heavy_tails, bend=bend)
            scored.append(Scored.of(own.select(part), law))
        whole = calibrate(labels if shaped is None else shaped(every)[kind], heavy_tails=heavy_tails, bend=bend)
        found[kind] = Judged(labels, first[kind], whole, Scored.of(labels, first[kind]), Scored.joined(scored))
    if not found:
        raise DataError(f"no kind of label has the {FEWEST} errors that a calibration needs in every fold. Add labels.")
    return found
