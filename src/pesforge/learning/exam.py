"""The exam of a potential: its errors on structures that it never saw, and what it said of them beforehand."""

from typing import Any

import numpy as np

from pesforge.errors import DataError
from pesforge.metrics import TO_REPORTED, errors
from pesforge.potentials.linear import LinearProblem, residuals
from pesforge.potentials.normal import Weights
from pesforge.representations.design import Design
from pesforge.settings import Crossvalidate
from pesforge.uncertainty.calibration import calibrate
from pesforge.uncertainty.merit import Scored
from pesforge.uncertainty.variance import Labels, linear_left_out, linear_new

Row = dict[str, Any]
EXAMINED = ("energy", "force")
"""Kinds whose predicted errors are judged."""
ERRORS = ("energy_mae_mev_per_atom", "energy_rmse_mev_per_atom", "force_rmse_ev_per_ang", "stress_rmse_gpa")
OWN = ("calibration_error_percent", "standardised_largest")


def examine(labelled: Design, exam: Design, model: Crossvalidate) -> Row:
    """Figures of the fit to some labels on the exam.

    α is that of the evidence. The law of the errors is calibrated on the labels of the fit, every group left out, so
    that neither the fit nor its calibration sees the exam.

    Args:
        labelled: labels of the fit.
        exam: structures with labels, of groups that are not among the former.
        model: weights and prior of the linear model.

    Returns:
        `labels`, `functions`, `alpha`, `energy_mae_mev_per_atom`, `energy_rmse_mev_per_atom`, `force_rmse_ev_per_ang`,
        `stress_rmse_gpa`, and of `energy` and `force` each `…_calibration_error_percent` and `…_standardised_largest`,
        None where too few labels were left out to calibrate.

    Raises:
        DataError: the exam is empty or shares a group with the labels, or nothing can be fitted.
    """
    shared = sorted(set(labelled.groups) & set(exam.groups))
    if shared or not len(exam.ids):
        raise DataError(
            f"an exam needs structures of groups that no fit has seen; found {len(exam.ids)}, shared groups: "
            f"{', '.join(shared) or 'none'}. Label the exam again."
        )
    problem, weights = LinearProblem(labelled, prior_power=model.prior_power), Weights.of(model)
    alpha = problem.evidence(weights).alpha
    factor = problem.factorise(weights, alpha)
    found = errors(residuals(exam, factor.fit()))
    row: Row = {"labels": len(labelled.ids), "functions": len(labelled.degree), "alpha": alpha}
    row |= {key: found[key] for key in ERRORS}
    left_out, unseen = linear_left_out(problem, weights, alpha, labelled.groups), linear_new(factor, exam)
    for kind in EXAMINED:
        figures = _own_errors(kind, left_out[kind], unseen[kind])
        row |= {f"{kind}_{key}": figures[key] for key in OWN}
    return row


def _own_errors(kind: str, left_out: Labels, unseen: Labels) -> dict[str, float | None]:
    """What the potential says of its errors of one kind, judged on the exam; nothing where it cannot be calibrated."""
    try:
        law = calibrate(left_out)
    except DataError:
        return dict.fromkeys(OWN)
    return Scored.of(unseen, law).figures(TO_REPORTED[kind]) if np.size(unseen.error) else dict.fromkeys(OWN)
