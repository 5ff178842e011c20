"""Descriptor space in which distances have a meaning: standardised, or whitened by a training set's covariance."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from pesforge.errors import DataError
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.design import Design

SPREAD_FLOOR = 1e-10
"""A feature whose spread is below this share of its largest value is constant up to rounding."""

MIN_SHRINKAGE = 1e-6
"""Least weight of the unit matrix: keeps the Cholesky factor exact to ten digits in float64."""

DISTANCE_BLOCK = 1024
MOST_DISTANCES = 8_000_000
"""Distances that are held at once: 64 MB, however many structures there are."""

ROUNDING = 8 * np.finfo(np.float64).eps
"""Times the number of features and |a|² + |b|², more than |a|² + |b|² − 2 a·b can be wrong by."""


def features(design: Design) -> FloatArray:
    """Mean of the invariants per atom, (S, K): the same for every rotated, translated or repeated copy."""
    return design.energy / design.n_atoms[:, None]


def spread(values: FloatArray) -> FloatArray:
    """Standard deviation of each feature over the structures, (K,); exactly 0 where it is rounding noise."""
    deviation: FloatArray = values.std(axis=0)
    deviation[deviation <= SPREAD_FLOOR * np.abs(values).max(axis=0)] = 0.0
    return deviation


@dataclass(frozen=True)
class Whitening:
    """Map to a space where the training set has mean 0 and, up to shrinkage, unit covariance.

    Features are divided by their spread; their correlation matrix R is regularised to (1 − γ) R + γ I with the
    intensity γ of Ledoit and Wolf (J. Multivar. Anal. 88, 365, 2004), so that it has a Cholesky factor even for fewer
    structures than functions. Constant features are left out.

    Args:
        mean: (K,) training mean.
        deviation: (K,) training spread, 0 for constant features.
        cholesky: lower factor over the features that vary.
        shrinkage: γ.
    """

    mean: FloatArray
    deviation: FloatArray
    cholesky: FloatArray
    shrinkage: float

    @classmethod
    def of(cls, training: FloatArray) -> "Whitening":
        """The whitening of a training set (S, K).

        Raises:
            DataError: there are fewer than two structures or they do not differ.
        """
        if len(training) < 2:
            raise DataError(f"{len(training)} structure(s) have no covariance: at least 2 are needed.")
        mean, deviation = training.mean(axis=0), spread(training)
        if not deviation.any():
            raise DataError("all structures have the same descriptors: there is nothing to measure distances by.")
        varying = deviation > 0
        standard = (training - mean)[:, varying] / deviation[varying]
        count, size = standard.shape
        correlation = standard.T @ standard / count
        norms = np.sum(standard**2, axis=1)
        quadratic = np.sum((standard @ correlation) * standard, axis=1)
        square = float(np.sum(correlation**2))
        to_unit = square - size
        sampling = float(np.sum(norms**2 - 2 * quadratic + square)) / count**2
        shrinkage = 1.0 if to_unit <= 0 else float(np.clip(sampling / to_unit, MIN_SHRINKAGE, 1.0))
        regular = (1 - shrinkage) * correlation + shrinkage * np.eye(size)
        return cls(mean, deviation, scipy.linalg.cholesky(regular, lower=True), shrinkage)

    def apply(self, values: FloatArray) -> FloatArray:
        """Whitened features (S, D): Euclidean distances between them are Mahalanobis distances."""
        varying = self.deviation > 0
        standard = (values - self.mean)[:, varying] / self.deviation[varying]
        whitened: FloatArray = scipy.linalg.solve_triangular(self.cholesky, standard.T, lower=True).T
        return whitened


def nearest(
    points: FloatArray, others: FloatArray, *, same: bool = False, floor: float = 0.0
) -> tuple[FloatArray, IntArray]:
    """Distance (S,) of each point to the nearest other one, and that one's index (S,).

    Args:
        points: (S, D).
        others: (T, D).
        same: `points` and `others` are one set; a point is not its own neighbour.
        floor: pairs closer than this do not count.
    """
    squares = np.einsum("td,td->t", others, others)
    distances, indices = np.full(len(points), np.inf), np.zeros(len(points), dtype=np.int64)
    size = max(1, min(DISTANCE_BLOCK, MOST_DISTANCES // max(len(others), 1)))
    for start in range(0, len(points), size):
        block = points[start : start + size]
        rows, places = _candidates(block, others, squares, floor, start if same else None)
        found = _between(block, others, rows, places)
        found[found < floor] = np.inf
        order = np.lexsort((places, found, rows))
        owners, first = np.unique(rows[order], return_index=True)
        distances[start + owners], indices[start + owners] = found[order][first], places[order][first]
    return distances, indices


def _candidates(
    block: FloatArray, others: FloatArray, squares: FloatArray, floor: float, own: int | None
) -> tuple[IntArray, IntArray]:
    """Pairs of a block (B, D) and others (T, D), one of which is the nearest that counts of its point.

    |a − b|² = |a|² + |b|² − 2 a·b is one product of matrices, but rounds; every pair is taken that rounding could have
    made the nearest.

    Args:
        block: points.
        others: points.
        squares: (T,) |b|².
        floor: pairs closer than this do not count.
        own: place of the block's first point among the others; None: it is not there.
    """
    lengths = np.einsum("bd,bd->b", block, block)
    slack = (ROUNDING * block.shape[1] * (lengths + squares.max(initial=0.0)))[:, None]
    square = block @ others.T
    square *= -2.0
    square += lengths[:, None]
    square += squares
    if own is not None:
        rows = np.arange(len(block))
        square[rows, own + rows] = np.inf
    square[square < floor**2 - slack] = np.inf
    counting = square if not floor else np.where(square > floor**2 + slack, square, np.inf)
    nearest = counting.min(axis=1, keepdims=True, initial=np.inf)
    rows, places = np.nonzero((square <= nearest + 2 * slack) & np.isfinite(square))
    return rows.astype(np.int64), places.astype(np.int64)


def _between(block: FloatArray, others: FloatArray, rows: IntArray, places: IntArray) -> FloatArray:
    """Distances (P,) of pairs, a part at a time: of many copies there are many pairs."""
    size = max(1, MOST_DISTANCES // max(block.shape[1], 1))
    parts = [np.empty(0)]
    for start in range(0, len(rows), size):
        gap = block[rows[start : start + size]] - others[places[start : start + size]]
        parts.append(np.sqrt(np.einsum("pd,pd->p", gap, gap)))
    return np.concatenate(parts)
