"""The exam of a potential: its structures, its errors on them, and what it said of these beforehand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.fields import GROUP
from pesforge.metrics import TO_REPORTED, errors
from pesforge.potentials.linear import LinearProblem, residuals
from pesforge.potentials.normal import Weights
from pesforge.provenance import derive_seed
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


@dataclass(frozen=True)
class Sitting:
    """What a round adds to the exam.

    Args:
        frames: structures of the runs that came to their end, in the order of the runs.
        missing: groups that the exam still lacks: the guard stopped their runs.
    """

    frames: list[Atoms]
    missing: list[str]


def shares(groups: Sequence[str], test: int) -> dict[str, int]:
    """How many structures of the exam each run gives: `test` of them, as even as can be, the first ones more."""
    each, more = divmod(test, len(groups))
    return {group: each + (place < more) for place, group in enumerate(groups)}


def sit(frames: Sequence[Atoms], runs: Sequence[Mapping[str, Any]], share: Mapping[str, int], seed: int) -> Sitting:
    """Structures of the exam: of every run that came to its end as many as its share, at random.

    A run that the guard stopped before it had given all that was asked for gives none: its states are those of the part
    of the motion that the draft could bear, and would make the exam easier than the motion is. A later draft runs it
    again.

    Args:
        frames: states of the runs.
        runs: evidence of each run: `group`, `requested`, `given` and `stopped`.
        share: structures of the exam by group.
        seed: of the draw.
    """
    chosen: list[Atoms] = []
    missing: list[str] = []
    for run in runs:
        group = run["group"]
        own = [frame for frame in frames if frame.info[GROUP] == group]
        whole = run["stopped"] is None or run["given"] >= run["requested"]
        if not whole or len(own) < share[group]:
            missing.append(group)
            continue
        order = np.random.default_rng(derive_seed(seed, group)).permutation(len(own))
        chosen.extend(own[index] for index in np.sort(order[: share[group]]))
    return Sitting(chosen, missing)


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
