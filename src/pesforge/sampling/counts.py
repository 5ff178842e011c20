"""Sharing out a number of structures."""

from collections.abc import Iterator, Sequence

import numpy as np

from pesforge.provenance import derive_seed


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


def thermal_draws(
    words: Sequence[str], temperatures_k: Sequence[float], count: int, seed: int
) -> Iterator[tuple[str, float, int]]:
    """Name, temperature in K and seed of every structure of a family whose displacements are those of temperatures.

    The number at each temperature goes with T: displacements grow as √T, and hot structures cover more of space. Name
    and seed depend on the seed of the study, the temperature and the number there alone, so that a larger `count`
    keeps them.

    Args:
        words: family, and what else tells its structures apart.
        temperatures_k: temperatures in K.
        count: structures in all.
        seed: seed of the study.
    """
    for temperature, there in zip(temperatures_k, largest_remainder(temperatures_k, count), strict=True):
        for number in range(there):
            name = f"{'-'.join(words)}-{temperature:g}K-{number:04d}"
            yield name, temperature, derive_seed(seed, *words, f"{temperature:g}", number)


def halvings(count: int) -> list[float]:
    """Numbers 0, 1/2, 1/4, 3/4, 1/8, … in [0, 1) that fill it evenly; a larger `count` keeps the first ones.

    Args:
        count: how many.

    Source: J. G. van der Corput, Proc. Kon. Ned. Akad. Wet. 38, 813 (1935), base 2.
    """
    return [sum((number >> bit & 1) / 2 ** (bit + 1) for bit in range(number.bit_length())) for number in range(count)]


def symmetric_halvings(count: int) -> list[float]:
    """Numbers 0, 1, −1, 1/2, −1/2, 1/4, −1/4, … that fill [−1, 1] evenly; a larger `count` keeps the first ones.

    Args:
        count: how many.
    """
    sizes = [1.0, *halvings(count)[1:]]
    return [0.0, *(sign * size for size in sizes for sign in (1, -1))][:count]
