"""The fit of a set of labelled structures: the chosen candidate, its potential and all of its errors."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.export import Potential
from pesforge.fields import FAMILY
from pesforge.fitting.ace_options import AceOptions
from pesforge.fitting.candidates import FitSettings
from pesforge.fitting.confidence import linear_own_errors
from pesforge.fitting.evaluation import evaluate_frames
from pesforge.fitting.left_out import by_family as by_family_left_out
from pesforge.fitting.left_out import by_group, of_training
from pesforge.fitting.repulsion import repulsion_for, with_repulsion, without_repulsion
from pesforge.fitting.search import Chosen, Say, choose
from pesforge.fitting.summary import copies_in_test, fit_metadata, fit_metrics
from pesforge.metrics import Residuals, by_family, errors
from pesforge.potentials.evidence import evidence_of
from pesforge.potentials.model import Model
from pesforge.potentials.normal import Factor

CODE = ("dataset", "fitting", "representations", "potentials", "uncertainty", "export")


@dataclass(frozen=True)
class FitResult:
    """A fitted potential.

    Args:
        potential: the chosen candidate, fitted to all training structures.
        metadata: its origin, for `model.json` and the model card; it depends on the training data alone.
        metrics: errors in training, left out, in the test; the choice; the time.
    """

    potential: Model
    metadata: dict[str, Any]
    metrics: dict[str, Any]


@dataclass(frozen=True)
class Solved:
    """The potential of a choice, and what it predicts for structures that it has not seen.

    Args:
        potential: fitted to all training structures.
        train: residuals of the structures that it was fitted to.
        left_out: residuals of every structure without its group.
        method: how they were found.
        without_family: residuals of every structure without its family; None: not given.
        evidence: α that the evidence would take, see `_by_evidence`.
        uncertainty: what it says of its own errors, before and after calibration.
        notes: what is odd.
    """

    potential: Potential
    train: Residuals
    left_out: Residuals
    method: str
    without_family: Residuals | None
    evidence: Mapping[str, Any]
    uncertainty: Mapping[str, Any]
    notes: tuple[str, ...]

    def metrics(self, frames: Sequence[Atoms]) -> dict[str, Any]:
        """What the metrics hold besides errors in training, left out by group, and in the test."""
        metrics: dict[str, Any] = {
            "cv_method": self.method,
            "evidence": self.evidence,
            "uncertainty": self.uncertainty,
        }
        if self.without_family is not None:
            rows = by_family(self.without_family, [str(atoms.info[FAMILY]) for atoms in frames])
            metrics["cv_leave_family_out"] = {**errors(self.without_family), "by_family": rows}
        return metrics


def solve(chosen: Chosen) -> Solved:
    """The potential of a choice with its left-out errors.

    Raises:
        DataError: the normal equations cannot be factorised.
    """
    factor = chosen.problem.factorise(chosen.weights, chosen.alpha, chosen.mask)
    left_out, method = by_group(chosen, factor)
    solution = factor.fit()
    posterior, calibrated, uncertainty = linear_own_errors(chosen, factor)
    potential = replace(chosen.potential(solution, posterior), calibrated=calibrated).knowing(chosen.problem.frames)
    train = of_training(chosen, solution, potential)
    without_family: Residuals | None = None
    notes: tuple[str, ...] = ()
    try:
        without_family = by_family_left_out(chosen)
    except DataError as error:
        notes = (f"errors without a whole family are not given: {error}",)
    return Solved(potential, train, left_out, method, without_family, _by_evidence(chosen, factor), uncertainty, notes)


def _quiet(_: str) -> None:
    """Say nothing."""


def fit(
    frames: Sequence[Atoms],
    test_frames: Sequence[Atoms] | None,
    settings: FitSettings,
    *,
    say: Say = _quiet,
    warnings: Sequence[str] = (),
    options: AceOptions | None = None,
) -> FitResult:
    """The potential that leave-group-out on the training data chooses, with its errors.

    Args:
        frames: labelled training structures as `pesforge.dataset.read_dataset` gives them.
        test_frames: labelled structures that are only predicted; None: no test.
        settings: the candidates.
        say: takes lines of progress.
        warnings: what is odd about the data, kept in the metrics.
        options: of the potential; None: the defaults.

    Raises:
        DataError: a test structure holds an element that training does not, or nothing can be fitted.
    """
    started = time.monotonic()
    notes = list(warnings)
    copies = copies_in_test(frames, test_frames, notes)
    baseline = repulsion_for(frames) if options is not None and options.zbl else None
    chosen = choose(frames if baseline is None else without_repulsion(frames, baseline), settings, say)
    solved = solve(chosen)
    potential = replace(solved.potential, baseline=baseline)
    found = {"train": solved.train, "cv": solved.left_out}
    if test_frames:
        found["test"] = evaluate_frames(potential, test_frames)
    notes += solved.notes
    choice = describe_choice(chosen, solved.evidence)
    if baseline is not None:
        choice = with_repulsion(choice, potential, baseline, notes)
    metrics = fit_metrics(
        found,
        frames,
        test_frames,
        copies=copies,
        parameters=potential.basis.n_functions,
        choice=choice,
        notes=notes,
        started=started,
    )
    metrics |= solved.metrics(frames)
    return FitResult(potential, fit_metadata(frames, metrics, CODE), metrics)


def _by_evidence(chosen: Chosen, factor: Factor) -> dict[str, Any]:
    """α that the evidence takes with the chosen functions and weights; errors of folds at this α, None if it fails."""
    found = evidence_of(factor)
    energy, force = None, None
    try:
        held_out = chosen.problem.held_out(chosen.weights, found.alpha, chosen.mask)
        energy, force = 1e3 * float(np.mean(np.abs(held_out.energy))), held_out.force_rms
    except DataError:
        pass
    return {**asdict(found), "cv_energy_mae_mev_per_atom": energy, "cv_force_rmse_ev_per_ang": force}


def describe_choice(chosen: Chosen, evidence: Mapping[str, Any]) -> dict[str, Any]:
    """What was chosen and why: plain values, the text for people and every point that was tried."""
    problem, basis = chosen.problem, chosen.basis
    alphas = [point["alpha"] for point in chosen.tried]
    reach = [part.cutoff_ang for part in basis.parts]
    text = (
        f"{basis.n_functions} functions at {_spoken(reach)} Å, alpha {chosen.alpha:g}, weights of squared residuals "
        f"energy {chosen.weights.energy:g}, force 1, stress {chosen.weights.stress:g}: lowest product of energy error "
        f"(mean of MAE and RMSE) and force RMSE of {len(chosen.tried)} points (alpha {min(alphas):g} to "
        f"{max(alphas):g}), groups "
        f"being left out in {len(problem.folds)} folds. A small basis chose the cutoff. Test data took no part. The "
        f"largest basis tried has {problem.basis.n_functions} functions, as {chosen.limit} allows. The evidence would "
        f"take alpha {evidence['alpha']:.1e}"
        + (
            f" ({evidence['cv_energy_mae_mev_per_atom']:.2f} meV/atom, {evidence['cv_force_rmse_ev_per_ang']:.4f} eV/Å "
            "RMSE in the folds)."
            if evidence["cv_force_rmse_ev_per_ang"] is not None
            else ", at which the normal equations of the folds cannot be solved."
        )
    )
    return {
        "cutoffs_ang": reach,
        "max_degree": [list(part.max_degree) for part in basis.parts],
        "n_functions": basis.n_functions,
        "alpha": chosen.alpha,
        "w_energy": chosen.weights.energy,
        "w_force": chosen.weights.force,
        "w_stress": chosen.weights.stress,
        "score": chosen.score,
        "text": text,
        "pareto": _front(chosen.tried),
        "tried": list(chosen.tried),
    }


def _spoken(cutoffs: Sequence[float]) -> str:
    plural = "s" if len(cutoffs) > 1 else ""
    return f"cutoff{plural} of " + " and ".join(f"{cutoff:g}" for cutoff in cutoffs)


def _front(tried: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The points whose energy and force errors no other point beats both, by rising energy error."""
    scored = [point for point in tried if point["score"] is not None]
    front: list[dict[str, Any]] = []
    for point in sorted(scored, key=lambda point: (point["energy_mae_mev_per_atom"], point["force_rmse_ev_per_ang"])):
        if not front or point["force_rmse_ev_per_ang"] < front[-1]["force_rmse_ev_per_ang"]:
            front.append(point)
    return front
