"""Descriptors of whole structures in which distances compare them."""

from collections.abc import Sequence

import numpy as np

from pesforge.representations.arrays import FloatArray
from pesforge.representations.design import Design


def standardised(designs: Sequence[Design]) -> FloatArray:
    """Mean invariants per atom over their standard deviation, (T, K), of all structures of some designs together.

    A function that is the same for all structures is 0.
    """
    means = np.concatenate([design.energy / design.n_atoms[:, None] for design in designs])
    means -= means.mean(axis=0)
    spread = means.std(axis=0)
    points: FloatArray = np.divide(means, spread, out=np.zeros_like(means), where=spread > 0)
    return points
