"""Radial functions: orthonormal combinations of spherical Bessel functions that end smoothly at the cutoff."""

from functools import lru_cache

import numpy as np

from pesforge.representations.arrays import FloatArray


@lru_cache(maxsize=64)
def _coefficients(count: int, cutoff_ang: float) -> FloatArray:
    """Coefficients of g_n over sin(qπr/r_c)/(qπr/r_c), q = 1 … count + 1; shape (count, count + 1)."""
    n = np.arange(count, dtype=float)
    scale = np.sqrt(2.0) * np.pi / cutoff_ang**1.5 * (n + 1) * (n + 2) / np.hypot(n + 1, n + 2)
    scale[1::2] *= -1.0
    table = np.zeros((count, count + 1))
    rows = np.arange(count)
    table[rows, rows] = scale
    table[rows, rows + 1] = scale
    weight = 1.0
    for i in range(1, count):
        overlap = i**2 * (i + 2) ** 2 / (4.0 * (i + 1) ** 4 + 1.0)
        next_weight = 1.0 - overlap / weight
        table[i] = (table[i] + np.sqrt(overlap / weight) * table[i - 1]) / np.sqrt(next_weight)
        weight = next_weight
    table.setflags(write=False)
    return table


def spherical_bessel(distance: FloatArray, count: int, cutoff_ang: float) -> tuple[FloatArray, FloatArray]:
    """Values and derivatives by r of the radial functions g_0 … g_{count-1}, each of shape (count, P).

    The functions are orthonormal, ∫ g_n g_m r² dr = δ_nm on [0, r_c], and vanish at r_c together with their first
    and second derivatives. Every function is independent of `count`, so a smaller set is a part of a larger one.

    Args:
        distance: distances in Å, each above 0 and not above the cutoff, shape (P,).
        count: number of functions.
        cutoff_ang: cutoff radius r_c in Å.

    Source: Kocer, Mason, Erturk, AIP Advances 10, 015021 (2020), l = 0; named SBessel in the PACE code.
    """
    waves = np.arange(1, count + 2) * np.pi / cutoff_ang
    phase = waves[:, None] * distance
    sinc = np.sin(phase) / phase
    slope = (np.cos(phase) - sinc) / distance
    table = _coefficients(count, cutoff_ang)
    return table @ sinc, table @ slope
