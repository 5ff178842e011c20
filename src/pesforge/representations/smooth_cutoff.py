"""The smooth step that lets a neighbour vanish at the cutoff."""

import numpy as np

from pesforge.representations.arrays import FloatArray

ONSET = 0.7
"""Share of the cutoff radius from which on a neighbour fades."""


def smooth_cutoff(distance: FloatArray, cutoff_ang: float, onset_ang: float | None = None) -> FloatArray:
    """S(x) = 1 − 10x³ + 15x⁴ − 6x⁵ with x = (r − r_on)/(r_c − r_on): 1 up to r_on, 0 from r_c on, twice differentiable.

    Args:
        distance: distances in Å.
        cutoff_ang: r_c in Å.
        onset_ang: r_on in Å, below r_c; None: 0.7 r_c.
    """
    onset = ONSET * cutoff_ang if onset_ang is None else onset_ang
    x = np.clip((distance - onset) / (cutoff_ang - onset), 0.0, 1.0)
    return np.asarray(1 - x**3 * (10 - 15 * x + 6 * x**2))
