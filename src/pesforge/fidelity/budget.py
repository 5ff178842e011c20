"""What labels of both levels cost, and how many of each a budget buys."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from pesforge.folds import group_members
from pesforge.representations.arrays import FloatArray, IntArray

ROUNDING = 1e-9
"""Share of a budget below which a price counts as paid."""


@dataclass(frozen=True)
class Purchase:
    """What a budget buys along an order of structures.

    Args:
        n_high: the first so many structures get a label of the high level.
        n_low: the first so many get one of the low level.
        seconds: what the labels cost.
    """

    n_high: int
    n_low: int
    seconds: float


def class_medians(seconds: FloatArray, classes: Sequence[Hashable]) -> FloatArray:
    """(S,) the median time of each structure's class, which a busy machine disturbs less than single times.

    Args:
        seconds: (S,) measured times in s.
        classes: (S,) structures that cost alike, such as family and number of atoms.
    """
    smoothed = np.empty(len(seconds))
    for members in group_members(classes).values():
        smoothed[members] = np.median(seconds[members])
    return smoothed


def _affordable(prices: FloatArray, budget: float) -> int:
    """How many of the first prices a budget pays."""
    return int(np.searchsorted(np.cumsum(prices), budget * (1 + ROUNDING), side="right"))


def one_level(prices: FloatArray, budget: float, *, high: bool) -> Purchase:
    """Labels of one level alone for as many structures as the budget pays.

    Args:
        prices: (S,) seconds per label, in the order of buying.
        budget: seconds.
        high: whether they are labels of the high level.
    """
    count = _affordable(prices, budget)
    return Purchase(count if high else 0, 0 if high else count, float(prices[:count].sum()))


def two_levels(high: FloatArray, low: FloatArray, budget: float, share: float) -> Purchase:
    """Labels of both levels: a share of the budget for high ones, the rest for low ones of these structures and more.

    Every structure with a high label has a low one. What is left when all structures have low labels goes into further
    high ones.

    Args:
        high: (S,) seconds per high label, in the order of buying.
        low: (S,) seconds per low label.
        budget: seconds.
        share: share of the budget for high labels.
    """
    n_high = _affordable(high, share * budget)
    while n_high and high[:n_high].sum() + low[:n_high].sum() > budget * (1 + ROUNDING):
        n_high -= 1
    n_low = _affordable(low, budget - high[:n_high].sum())
    if n_low == len(low):
        n_high = _affordable(high, budget - low.sum())
    return Purchase(n_high, n_low, float(high[:n_high].sum() + low[:n_low].sum()))


def group_order(groups: Sequence[Hashable], structures: IntArray, seed: int) -> IntArray:
    """Some structures in the order of buying: groups at random, the structures of a group together.

    Args:
        groups: (S,) group of every structure of the study.
        structures: indices of those that may be bought.
        seed: of the order.
    """
    members = group_members([groups[index] for index in structures])
    order = np.random.default_rng(seed).permutation(len(members))
    parts = list(members.values())
    return np.concatenate([structures[parts[position]] for position in order])
