"""Descriptors of whole structures in which distances compare them, and how many of a pool a labelled one stands for."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import cdist

from pesforge.errors import DataError
from pesforge.representations.arrays import FloatArray, IntArray
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


def standing(points: FloatArray, labelled: IntArray) -> FloatArray:
    """Shares (M,) of labelled structures in a fit: the square root of how many structures each stands for, mean 1.

    A structure stands for those that it is the nearest labelled one of. Chosen structures do not come as often as
    those they were chosen from, and where the model cannot follow all labels it follows the frequent ones; full counts
    would undo that and waste labels, the square root is the middle.

    Args:
        points: (T, K) of the pool, labelled structures among them.
        labelled: (M,) their places.

    Raises:
        DataError: nothing is labelled.

    Source: importance weights under covariate shift, H. Shimodaira, J. Stat. Plan. Inference 90, 227 (2000).
    """
    if not len(labelled):
        raise DataError("no structure is labelled: none can stand for others. Label some first.")
    nearest = cdist(points, points[labelled]).argmin(axis=1)
    root = np.sqrt(np.maximum(np.bincount(nearest, minlength=len(labelled)), 1))
    shares: FloatArray = root / root.mean()
    return shares
