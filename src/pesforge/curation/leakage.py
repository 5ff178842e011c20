"""Leakage: test structures that are all but copies of training structures."""

from dataclasses import dataclass

import numpy as np

from pesforge.curation.whitening import Whitening, nearest
from pesforge.representations.arrays import BoolArray, FloatArray, IntArray

COPY_SHARE = 1e-4
"""Training structures closer than this share of the median neighbour distance are copies and set no scale."""


@dataclass(frozen=True)
class LeakageReport:
    """Mahalanobis distance of every test structure to its nearest training structure.

    Args:
        threshold: quantile of the training set's own nearest-neighbour distances.
        test: (T,) indices of the test structures.
        nearest: (T,) index of the nearest training structure of each.
        distance: (T,) distance to it.
        shrinkage: regularisation of the covariance.
    """

    threshold: float
    test: IntArray
    nearest: IntArray
    distance: FloatArray
    shrinkage: float

    @property
    def flagged(self) -> BoolArray:
        """(T,) mask of the test structures at or under the threshold."""
        return self.distance <= self.threshold


def leakage(values: FloatArray, train: IntArray, test: IntArray, quantile: float) -> LeakageReport:
    """Distances of test structures to the training set, and the threshold under which they count as leaked.

    Descriptors are per-atom means of the invariants, whitened by the training set's mean and regularised covariance.
    A share of about `quantile` of honest test structures is flagged too if they are drawn like the training set.

    Args:
        values: (S, K) invariants of the structures, see `features`.
        train: indices of at least three training structures.
        test: indices of the test structures.
        quantile: quantile of the training set's nearest-neighbour distances that is the threshold.

    Raises:
        DataError: the training set has no spread.
    """
    whitening = Whitening.of(values[train])
    inside, outside = whitening.apply(values[train]), whitening.apply(values[test])
    own, _ = nearest(inside, inside, same=True)
    if np.median(own) > 0:
        own, _ = nearest(inside, inside, same=True, floor=COPY_SHARE * float(np.median(own)))
    distance, index = nearest(outside, inside)
    return LeakageReport(
        threshold=float(np.quantile(own[np.isfinite(own)], quantile)),
        test=np.asarray(test),
        nearest=np.asarray(train)[index],
        distance=distance,
        shrinkage=whitening.shrinkage,
    )
