"""Sharing out a number of structures."""

from collections.abc import Sequence

import numpy as np


def largest_remainder(weights: Sequence[float], total: int) -> list[int]:
    """Whole numbers in proportion to the weights that add up to `total` (method of the largest remainder).

    Equal remainders are served from the first weight on.

    Args:
        weights: positive numbers.
        total: sum of the result.
    """
    shares = total * np.asarray(weights, dtype=float) / float(np.sum(weights))
    counts = np.floor(shares + 1e-9).astype(int)
    order = np.argsort(-(shares - counts), kind="stable")
    counts[order[: total - counts.sum()]] += 1
    return [int(count) for count in counts]
