"""Evidence of the linear potential: the prior precision under which the labels are most likely."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from pesforge.potentials.normal import Factor

MAX_EVIDENCE_STEPS = 1000
EVIDENCE_TOLERANCE = 1e-8
EVIDENCE_RANGE = (1e-10, 1e10)
"""α outside this range says nothing that its bound does not say."""
PRECISION_MARGIN = 10.0
"""The smallest α over the rounding error of the largest eigenvalue."""


@dataclass(frozen=True)
class Evidence:
    """α that maximises the marginal likelihood with the ratio of weights held fixed.

    Args:
        alpha: prior precision in the units of the fit.
        noise: standard deviation of a residual of weight 1; a label kind of weight w has noise / sqrt(w).
        effective_parameters: γ, the number of directions that the data decide.
        converged: whether the fixed point was reached.
    """

    alpha: float
    noise: float
    effective_parameters: float
    converged: bool


def evidence_of(factor: Factor) -> Evidence:
    """α by MacKay's fixed point α ← γ E_D / ((N − γ) |v|²), the common noise being re-estimated at each step.

    The ratio of the weights is held fixed: the evidence takes misfit for noise and would spoil it. Neither α nor the
    misfit falls below what double precision can tell of the largest eigenvalue and of the squared labels.

    Args:
        factor: normal equations with the weights, at any α.

    Source: D. J. C. MacKay, Neural Computation 4, 415 (1992).
    """
    spectrum, directions = scipy.linalg.eigh(factor.normal, driver="evd", check_finite=False)
    spectrum = np.maximum(spectrum - factor.alpha, 0.0)
    projected = directions.T @ factor.right
    precision = float(np.finfo(np.float64).eps)
    least_alpha = max(EVIDENCE_RANGE[0], PRECISION_MARGIN * precision * float(spectrum.max()))
    least_misfit = max(precision * factor.weighted_squares, 1e-300)
    alpha, converged = 1.0, False
    for _ in range(MAX_EVIDENCE_STEPS):
        vector = projected / (spectrum + alpha)
        gamma = float(np.sum(spectrum / (spectrum + alpha)))
        misfit = factor.weighted_squares - 2 * vector @ projected + vector @ (spectrum * vector)
        variance = max(float(misfit), least_misfit) / max(factor.n_rows - gamma, 1e-12)
        updated = float(np.clip(gamma * variance / max(float(vector @ vector), 1e-300), least_alpha, EVIDENCE_RANGE[1]))
        converged = abs(np.log(updated / alpha)) < EVIDENCE_TOLERANCE
        alpha = updated
        if converged:
            break
    return Evidence(alpha, float(np.sqrt(variance)), gamma, bool(converged))
