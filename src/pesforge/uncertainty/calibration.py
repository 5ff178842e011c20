"""Calibration: the law of the errors of one kind from errors left out, by the likelihood and by their own quantiles."""

import numpy as np
import scipy.optimize

from pesforge.errors import DataError
from pesforge.potentials.normal import KINDS, Factor
from pesforge.representations.arrays import FloatArray
from pesforge.uncertainty.law import MOST_DOF, Law, log_density
from pesforge.uncertainty.variance import Labels

FEWEST = 8
"""Errors below which nothing can be fitted: three numbers are."""
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.68, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
"""Levels whose quantiles may be bent to what was observed."""
ENOUGH = 8
"""Errors on both sides of a level that are needed for its quantile to be taken from them and not from t."""
PER_STRUCTURE = 10
"""Errors of one structure are alike: more than so many of them do not count for `ENOUGH`."""
LEAST = 1e-4
"""Noise and scale below this share of the error are not told apart from zero."""
LEAST_DOF = 2.5
"""Below it the standard deviation says little about where errors lie; the quantiles are bent instead."""
STARTS = ((-0.7, -0.7), (-4.0, 0.0), (0.0, -4.0))
"""Logarithms of noise and scale, in units of the error, from which the likelihood is climbed: both alike, one alone."""


def raw_laws(factor: Factor) -> dict[str, Law]:
    """Per kind the law of the posterior without any calibration: Gaussian, and misfit is taken for noise.

    The noise of a label of weight 1 is the one that maximises the evidence at the α of the fit: σ² = E_D / (N − γ),
    with the weighted squares E_D = Σ w e² of N residuals and γ = P − α tr H⁻¹ directions that the labels decide.

    Args:
        factor: factorised normal equations.

    Source: D. J. C. MacKay, Neural Computation 4, 415 (1992).
    """
    vector = factor.vector
    inverse = factor.half(np.eye(len(vector)))
    decided = len(vector) - factor.alpha * float(np.sum(inverse**2))
    misfit = factor.weighted_squares - float(vector @ factor.right) - factor.alpha * float(vector @ vector)
    rounding = np.finfo(np.float64).eps * factor.weighted_squares
    noise = float(np.sqrt(max(misfit, rounding) / max(factor.n_rows - decided, 1.0)))
    weights = {kind: factor.weights.of_kind(kind) for kind in KINDS}
    return {kind: Law(noise / np.sqrt(weight) if weight else 0.0, noise) for kind, weight in weights.items()}


def calibrate(labels: Labels, *, heavy_tails: bool = True, bend: bool = True) -> Law:
    """The law of the largest likelihood, its quantiles bent to those of the errors where there are enough of them.

    Args:
        labels: errors that the model has not seen with their variances.
        heavy_tails: whether ν is fitted; else the law is Gaussian.
        bend: whether quantiles are bent.

    Raises:
        DataError: there are too few errors, or all of them vanish.
    """
    rms = float(np.sqrt(np.mean(labels.error**2))) if len(labels.error) else 0.0
    if len(labels.error) < FEWEST or rms == 0:
        raise DataError(
            f"{len(labels.error)} errors with a root mean square of {rms:g} cannot be calibrated on; {FEWEST} that do "
            "not vanish are needed. Add labels."
        )
    unit = max(float(np.mean(labels.spread)), np.finfo(np.float64).tiny)
    shape = max(float(np.mean(labels.noise)), np.finfo(np.float64).tiny)
    bounds = [(np.log(LEAST), np.log(100.0))] * 2 + [(np.log(LEAST_DOF - 2.0), np.log(MOST_DOF))] * heavy_tails
    error, noise, spread = labels.error / rms, labels.noise / shape, labels.spread / unit

    def loss(place: FloatArray) -> float:
        width = np.sqrt(np.exp(2.0 * place[0]) * noise + np.exp(2.0 * place[1]) * spread)
        dof = 2.0 + float(np.exp(place[2])) if heavy_tails else np.inf
        return -float(np.mean(log_density(error, width, dof)))

    places = [np.append(shift, [1.0] * heavy_tails) for shift in STARTS]
    found = [scipy.optimize.minimize(loss, place, bounds=bounds, method="L-BFGS-B") for place in places]
    best = min(found, key=lambda result: float(result.fun)).x
    dof = 2.0 + float(np.exp(best[2])) if heavy_tails else np.inf
    plain = Law(
        float(np.exp(best[0])) * rms / np.sqrt(shape),
        float(np.exp(best[1])) * rms / np.sqrt(unit),
        np.inf if dof > MOST_DOF else dof,
    )
    return _bent(plain, labels) if bend else plain


def _bent(plain: Law, labels: Labels) -> Law:
    """The law with its quantiles where enough errors of enough structures lie on both sides of them."""
    ratio = np.sort(np.abs(labels.error) / plain.width(labels))
    count = min(len(ratio), PER_STRUCTURE * len(np.unique(labels.owner)))
    levels = [level for level in LEVELS if count * min(level, 1.0 - level) >= ENOUGH]
    if not levels:
        return plain
    # The rank (n + 1) p of a quantile holds a new error with the probability p exactly where errors are exchangeable.
    ranks = np.clip((len(ratio) + 1) * np.array(levels) - 1, 0, len(ratio) - 1)
    observed = np.interp(ranks, np.arange(len(ratio)), ratio)
    knots = np.array([plain.quantile(level) for level in levels])
    rising = np.concatenate([[True], np.diff(observed) > 0]) & (observed > 0)
    return Law(plain.noise, plain.scale, plain.dof, tuple(knots[rising].tolist()), tuple(observed[rising].tolist()))
