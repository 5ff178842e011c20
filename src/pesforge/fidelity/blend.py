"""Blended labels in weighted least squares, and the bias, variance and mean squared error of the estimate.

A structure has the label y_L of the low level and, where c = 1, also y_H of the high one. The fit takes
y = y_L + c λ (y_H − y_L) with weights w = 1/(Var η + α c Δ²), η being the noise of the blend and Δ² the square of the
difference of bias between the levels. This weight never lets go of labels of the low level alone; a second trust τ,
w = 1/(Var η + τ Δ²) where c = 0, may. With τ = 0 the weight is the published one.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from pesforge.fidelity.equations import Equations
from pesforge.fidelity.rows import HIGH, LOW
from pesforge.potentials.normal import KINDS, Weights, cholesky_factor
from pesforge.representations.arrays import FloatArray, IntArray

N_CLASSES = 2 * len(KINDS)
"""Kinds of labels at the low level alone, then at both levels."""


@dataclass(frozen=True)
class Noise:
    """What is known of the labels of both levels, per kind in `KINDS`; each of shape (3,).

    Args:
        low_variance: variance of the noise of a low label; what no function of the fit can follow is noise as well.
        high_variance: the same of a high label.
        correlation: correlation of the two on one structure, between 0 and 1.
        gap_squared: mean square of the difference of bias between the levels that functions of the fit can follow.
    """

    low_variance: FloatArray
    high_variance: FloatArray
    correlation: FloatArray
    gap_squared: FloatArray

    def blended(self, lam: float) -> FloatArray:
        """(6,) variance of the noise of the blended labels of each class; λ counts where both levels are there."""
        both = (
            (1 - lam) ** 2 * self.low_variance
            + lam**2 * self.high_variance
            + 2 * lam * (1 - lam) * self.correlation * np.sqrt(self.low_variance * self.high_variance)
        )
        return np.concatenate([self.low_variance, both])


@dataclass(frozen=True)
class BlendPoint:
    """One choice of a blend.

    Args:
        lam: λ, share of the high label where there is one.
        trust: α, how much the bias between the levels takes weight from structures with both labels.
        low_trust: τ, how much it takes from structures with the low label alone.
        prior: prior precision of the fit.
    """

    lam: float
    trust: float
    low_trust: float
    prior: float


def class_weights(noise: Noise, weights: Weights, point: BlendPoint) -> FloatArray:
    """(6,) weights of the classes; the heavier class of each kind has the weight of its kind in the study.

    The formulas decide how labels of one kind weigh against each other. The weights of the kinds stay those of the
    study, and so does the meaning of the prior precision.

    Args:
        noise: of the labels.
        weights: weights of the kinds.
        point: λ, α and τ.
    """
    distrust = np.concatenate([point.low_trust * noise.gap_squared, point.trust * noise.gap_squared])
    relative = 1.0 / (noise.blended(point.lam) + distrust).reshape(2, -1)
    kinds = np.array([weights.of_kind(kind) for kind in KINDS])
    scaled: FloatArray = (kinds * relative / relative.max(axis=0)).ravel()
    return scaled


def mixing(lam: float) -> FloatArray:
    """(6, 2, 1) shares of the low and the high label in the blended one, per class."""
    mix = np.zeros((N_CLASSES, 2, 1))
    mix[: len(KINDS), LOW] = 1.0
    mix[len(KINDS) :, LOW], mix[len(KINDS) :, HIGH] = 1.0 - lam, lam
    return mix


@dataclass(frozen=True)
class Moments:
    """Mean square of the bias and variance of an estimate, per kind of label; both (3,), NaN where no row is."""

    bias_squared: FloatArray
    variance: FloatArray

    @property
    def mse(self) -> FloatArray:
        """(3,) mean squared error of the estimate; that of a new label is larger by its noise."""
        return self.bias_squared + self.variance


def moments(
    equations: Equations,
    point: BlendPoint,
    *,
    weights: FloatArray,
    low_bias: FloatArray,
    truth: FloatArray,
    noise: Noise,
    at: FloatArray,
    kind: IntArray,
) -> Moments:
    """Bias and variance of the blended fit, with the high level as the truth (b_H = 0).

    With H = Σ w x xᵀ + α₀ the estimate v = H⁻¹ Σ w x y has the bias H⁻¹ (Σ w x (1 − c λ) b_L − α₀ v₀), whose last part
    is the shrinkage by the prior, and the covariance H⁻¹ (Σ w² Var η x xᵀ) H⁻¹.

    Args:
        equations: rows of all structures, N_CLASSES classes.
        point: λ and the prior precision α₀.
        weights: (6,) weights of the classes.
        low_bias: (R,) bias b_L of the low label of each row.
        truth: (P,) coefficients v₀ of the high level.
        noise: of the labels.
        at: (E, P) scaled rows where the estimate is wanted.
        kind: (E,) their kinds.
    """
    cholesky = cholesky_factor(equations.normal(weights, point.prior), point.prior)
    share = mixing(point.lam)[:, LOW, 0]
    pull = equations.matrix.T @ ((weights * share)[equations.label_class] * low_bias) - point.prior * truth
    shift = scipy.linalg.cho_solve((cholesky, True), pull, check_finite=False)
    spread = np.tensordot(weights**2 * noise.blended(point.lam), equations.grams, axes=1)
    half = scipy.linalg.cho_solve((cholesky, True), at.T, check_finite=False)
    squares = (at @ shift) ** 2
    variances = np.einsum("pe,pe->e", half, spread @ half)
    return Moments(by_kind(squares, kind), by_kind(variances, kind))


def by_kind(values: FloatArray, kind: IntArray) -> FloatArray:
    """(3,) means of values (E,) over the rows of each kind (E,); NaN where no row is of it."""
    counts = np.bincount(kind, minlength=len(KINDS))
    sums = np.bincount(kind, weights=values, minlength=len(KINDS))
    return np.divide(sums, counts, out=np.full(len(KINDS), np.nan), where=counts > 0)
