"""Folds keep groups whole, are balanced and repeatable; a split that separates a group is refused."""

import numpy as np
import pytest

from pesforge.errors import DataError
from pesforge.folds import check_split, group_folds

GROUPS = [f"run{index // 4}" for index in range(24)] + [f"single{index}" for index in range(16)]
FAMILIES = ["md"] * 24 + ["strain"] * 16


def test_folds_partition_the_structures_and_keep_groups_whole():
    folds = group_folds(GROUPS, 4, seed=3, families=FAMILIES)
    np.testing.assert_array_equal(np.sort(np.concatenate(folds)), np.arange(40))
    for test in folds:
        check_split(GROUPS, np.setdiff1d(np.arange(40), test), test)


def test_folds_are_balanced_in_all_and_in_each_family():
    folds = group_folds(GROUPS, 4, seed=3, families=FAMILIES)
    assert max(len(fold) for fold in folds) - min(len(fold) for fold in folds) <= 4
    assert [sum(FAMILIES[i] == "strain" for i in fold) for fold in folds] == [4, 4, 4, 4]


def test_folds_depend_on_the_seed_alone():
    first, again, other = (group_folds(GROUPS, 4, seed=seed) for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any(len(a) != len(b) or (a != b).any() for a, b in zip(first, other, strict=True))


def test_no_fold_is_empty_when_every_family_has_one_group():
    folds = group_folds(list("abc"), 3, seed=0, families=list("xyz"))
    assert sorted(len(fold) for fold in folds) == [1, 1, 1]


def test_more_folds_than_groups_are_refused():
    with pytest.raises(DataError, match="5 folds cannot be made of 4 groups"):
        group_folds(list("abcd"), 5, seed=0)


def test_a_split_that_separates_a_group_is_refused_by_name():
    with pytest.raises(DataError, match="run2"):
        check_split(GROUPS, [0, 1, 2, 3, 8, 9], [10, 11])
