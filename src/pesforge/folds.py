"""Splits of the data that never separate a group: structures of one parent, run or strain path stay together."""

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from pesforge.errors import DataError

IntArray = npt.NDArray[np.int64]


def group_members(groups: Sequence[Hashable]) -> dict[Hashable, IntArray]:
    """Indices of the structures of every group, groups in order of first appearance."""
    members: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    return {group: np.array(indices, dtype=np.int64) for group, indices in members.items()}


def group_folds(
    groups: Sequence[Hashable], n_folds: int, seed: int, *, families: Sequence[Hashable] | None = None
) -> list[IntArray]:
    """Held-out indices of each fold: rising, disjoint, together all structures, no group in two folds.

    Groups are dealt from large to small, in random order among equals, to the fold that holds the fewest structures of
    their family, then the fewest in all. No fold is empty.

    Args:
        groups: (S,) group of each structure.
        n_folds: number of folds, at least 2.
        seed: decides the order of groups of equal size.
        families: (S,) family of each structure; a group counts for its most frequent family. None: one family.

    Raises:
        DataError: there are fewer groups than folds, or fewer than two folds.
    """
    members = group_members(groups)
    if n_folds < 2 or len(members) < n_folds:
        raise DataError(
            f"{n_folds} folds cannot be made of {len(members)} groups: "
            "between 2 folds and as many folds as groups are possible. Lower the number of folds or sample more groups."
        )
    labels = [None] * len(groups) if families is None else list(families)
    order = np.random.default_rng(seed).permutation(len(members))
    shuffled = [list(members)[position] for position in order]
    family_of = {g: Counter(labels[i] for i in members[g]).most_common(1)[0][0] for g in shuffled}
    totals = np.zeros(n_folds, dtype=np.int64)
    per_family: dict[Hashable, IntArray] = {f: np.zeros(n_folds, dtype=np.int64) for f in family_of.values()}
    dealt: list[list[IntArray]] = [[] for _ in range(n_folds)]
    for group in sorted(shuffled, key=lambda g: -len(members[g])):
        counts = per_family[family_of[group]]
        fold = min(range(n_folds), key=lambda f: (counts[f], totals[f]))
        counts[fold] += len(members[group])
        totals[fold] += len(members[group])
        dealt[fold].append(members[group])
    return [np.sort(np.concatenate(parts)) for parts in dealt]


def check_split(groups: Sequence[Hashable], train: npt.ArrayLike, test: npt.ArrayLike) -> None:
    """Refuse a split that puts structures of one group on both sides.

    Args:
        groups: (S,) group of each structure.
        train: indices of the training structures.
        test: indices of the test structures.

    Raises:
        DataError: a group is separated; the message names it.
    """
    sides = [{groups[int(index)] for index in np.asarray(side)} for side in (train, test)]
    separated = sorted(str(group) for group in sides[0] & sides[1])
    if separated:
        raise DataError(
            f"the split separates {len(separated)} group(s): {', '.join(separated[:5])}. "
            "Put all structures of a group on one side, as pesforge.folds.group_folds does."
        )
