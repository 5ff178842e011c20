"""Learning curves: the fits of all rounds, by choice and at random, on one exam."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pesforge.errors import DataError
from pesforge.learning.exam import examine
from pesforge.representations.design import Design
from pesforge.settings import Crossvalidate

Row = dict[str, Any]


def learning_curve(
    labelled: Design,
    exam: Design,
    first: Sequence[str],
    picks: Sequence[Sequence[str]],
    controls: Sequence[Sequence[Sequence[str]]],
    model: Crossvalidate,
) -> list[Row]:
    """Figures of the fits before the first round and after each, with the picks and with each random draw instead.

    The exam is the same for all: that of the last round. Structures without a believed label are left out.

    Args:
        labelled: all labels of the study, its picks and its controls.
        exam: structures with labels, of groups that are not among the former.
        first: ids of the labels before the first round.
        picks: ids by round.
        controls: ids by draw and round.
        model: weights and prior of the linear model.

    Returns:
        rows `round`, `active` and `random` (by draw): figures of `pesforge.learning.exam.examine`. Before the first
        round all are the same.

    Raises:
        DataError: the exam shares a group with the labels, or nothing can be fitted.
    """
    place = {name: index for index, name in enumerate(labelled.ids)}
    if missing := sorted({*first} - {*place}):
        raise DataError(f"no rows of the labels {', '.join(missing[:5])} of the first round. Describe them again.")
    known: dict[frozenset[int], Row] = {}

    def judged(arm: Sequence[Sequence[str]], rounds: int) -> Row:
        names = [*first, *(name for chosen in arm[:rounds] for name in chosen)]
        indices = sorted({place[name] for name in names if name in place})
        key = frozenset(indices)
        if key not in known:
            known[key] = examine(labelled.select(np.array(indices)), exam, model)
        return known[key]

    return [
        {"round": rounds, "active": judged(picks, rounds), "random": [judged(draw, rounds) for draw in controls]}
        for rounds in range(len(picks) + 1)
    ]
