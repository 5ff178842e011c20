"""Costs add up, purchases stay within their budget, orders and seeds are reproducible."""

from itertools import pairwise

import numpy as np
import pytest

from pesforge.fidelity.budget import class_medians, group_order, one_level, two_levels

PRICES = np.random.default_rng(1).uniform(8, 12, 60)
LOW = PRICES / 5


@pytest.mark.parametrize("budget", [0.0, 15.0, 55.0, 130.0, 400.0, 5000.0])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.99])
def test_two_levels_spend_the_budget_and_no_more(budget, share):
    bought = two_levels(PRICES, LOW, budget, share)
    assert bought.seconds == pytest.approx(PRICES[: bought.n_high].sum() + LOW[: bought.n_low].sum())
    assert bought.seconds <= budget + 1e-6
    assert bought.n_high <= bought.n_low
    if bought.n_low < len(LOW):
        assert budget - bought.seconds < LOW[bought.n_low]
    elif bought.n_high < len(PRICES):
        assert budget - bought.seconds < PRICES[bought.n_high]


def test_the_share_of_the_high_level_is_kept():
    bought = two_levels(PRICES, LOW, 100.0, 0.5)
    assert PRICES[: bought.n_high].sum() <= 50.0 < PRICES[: bought.n_high + 1].sum()


def test_money_left_after_all_low_labels_buys_high_ones():
    everything = LOW.sum()
    bought = two_levels(PRICES, LOW, everything + 300.0, 0.01)
    assert bought.n_low == 60
    assert PRICES[: bought.n_high].sum() <= 300.0 < PRICES[: bought.n_high + 1].sum()


def test_one_level_spends_the_budget_and_no_more():
    bought = one_level(PRICES, 100.0, high=True)
    assert bought.n_low == 0
    assert PRICES[: bought.n_high].sum() <= 100.0 < PRICES[: bought.n_high + 1].sum()
    assert one_level(PRICES, np.inf, high=False).n_low == 60


def test_medians_replace_single_times_and_keep_classes_apart():
    found = class_medians(np.array([1.0, 9.0, 1.2, 30.0, 31.0]), ["a", "a", "a", "b", "b"])
    assert found.tolist() == [1.2, 1.2, 1.2, 30.5, 30.5]


def test_groups_are_bought_one_after_the_other():
    groups = [f"g{i // 3}" for i in range(30)]
    structures = np.arange(3, 27)
    order = group_order(groups, structures, 5)
    assert sorted(order) == structures.tolist()
    named = [groups[i] for i in order]
    assert sum(a != b for a, b in pairwise(named)) == 7
    assert np.array_equal(order, group_order(groups, structures, 5))
    assert not np.array_equal(order, group_order(groups, structures, 6))
