"""Fits of the classical potentials: the candidate that group folds choose, trained from several starts."""

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.fields import GROUP
from pesforge.fitting.candidates import FitSettings
from pesforge.fitting.fit import FitResult, evaluate_frames
from pesforge.fitting.search import Say
from pesforge.fitting.starts import CANDIDATES, Candidate
from pesforge.fitting.summary import copies_in_test, fit_metadata, fit_metrics
from pesforge.fitting.workshop import FOLDS, Effort, Fitted, Workshop
from pesforge.metrics import Residuals, errors

CODE = ("dataset", "fitting", "representations", "potentials", "training", "export")
FOLD_EFFORT = Effort(work=1.2e6, trial_work=5e5, trial_epochs=8, epochs=12)
FINAL_EFFORT = Effort(work=5e6, trial_work=1e6, trial_epochs=12, epochs=30)


def _score(found: Residuals) -> float:
    values = errors(found)
    kinds = (values["energy_rmse_mev_per_atom"], values["force_rmse_ev_per_ang"])
    return float(sum(np.log(max(value or 0.0, np.finfo(np.float64).tiny)) for value in kinds))


def _quiet(_: str) -> None:
    """Say nothing."""


def fit_classical(
    kind: str,
    frames: Sequence[Atoms],
    test_frames: Sequence[Atoms] | None,
    settings: FitSettings,
    *,
    say: Say = _quiet,
    warnings: Sequence[str] = (),
    effort: Effort = FINAL_EFFORT,
    fold_effort: Effort = FOLD_EFFORT,
) -> FitResult:
    """The classical potential that group folds of the training data choose, with its errors.

    Args:
        kind: `pair`, `eam` or `tersoff`.
        frames: labelled training structures as `pesforge.dataset.read_dataset` gives them.
        test_frames: labelled structures that are only predicted; None: no test.
        settings: gives the cutoffs.
        say: takes lines of progress.
        warnings: what is odd about the data, kept in the metrics.
        effort: what the last training may cost.
        fold_effort: what a training within the folds may cost.

    Raises:
        DataError: a test structure holds an element that training does not, or nothing can be fitted.
    """
    started = time.monotonic()
    notes = list(warnings)
    copies = copies_in_test(frames, test_frames, notes)
    if len({str(atoms.info[GROUP]) for atoms in frames}) < 3:
        raise DataError("the training structures need three groups at least, to fit, to stop and to judge. Add some.")
    tried: list[dict[str, Any]] = []
    best: tuple[float, Workshop, Residuals] | None = None
    with tempfile.TemporaryDirectory() as folder:
        for candidate in CANDIDATES[kind](frames, settings):
            workshop = Workshop(candidate, frames, Path(folder))
            found = workshop.left_out(fold_effort)
            score, values = _score(found), errors(found)
            tried.append({"candidate": candidate.name, "score": score, **values})
            say(
                f"{kind}, {candidate.name}: {values['energy_rmse_mev_per_atom']:.2f} meV/atom, "
                f"{values['force_rmse_ev_per_ang']:.4f} eV/Å left out"
            )
            if np.isfinite(score) and (best is None or score < best[0]):
                best = score, workshop, found
        if best is None:
            raise DataError(f"no candidate of the form {kind} gives finite energies and forces on these structures.")
        score, chosen, held_out = best
        fitted = chosen.train(np.arange(len(frames)), effort)
    choice = _choice(chosen.candidate, fitted, score, tried, len(frames))
    residuals = {"train": evaluate_frames(fitted.potential, frames), "cv": held_out}
    if test_frames:
        residuals["test"] = evaluate_frames(fitted.potential, test_frames)
    metrics = fit_metrics(
        residuals,
        frames,
        test_frames,
        copies=copies,
        parameters=fitted.potential.n_parameters,
        choice=choice,
        notes=notes,
        started=started,
    )
    return FitResult(fitted.potential, fit_metadata(frames, metrics, CODE), metrics)


def _choice(
    chosen: Candidate, fitted: Fitted, score: float, tried: Sequence[dict[str, Any]], n_frames: int
) -> dict[str, Any]:
    """What was chosen and why."""
    potential = fitted.potential
    text = (
        f"{potential.kind}: {chosen.name}, {potential.n_parameters} parameters and {len(potential.zeros)} energy "
        f"zeros; lowest sum of the logarithms of energy and force RMSE of {len(tried)} candidates, left out by "
        f"{FOLDS} group folds. Root weights by the residuals of a trial: energy {fitted.root_energy:.3g}, force 1, "
        f"stress {fitted.root_stress:.3g}. {fitted.n_used} of {n_frames} structures were used for the last training. "
        "Test data took no part."
    )
    return {
        **potential.form.to_dict(),
        "w_energy": fitted.root_energy**2,
        "w_force": 1.0,
        "w_stress": fitted.root_stress**2,
        "score": score,
        "text": text,
        "tried": list(tried),
        "history": fitted.history,
    }


fit_pair: Callable[..., FitResult] = partial(fit_classical, "pair")
fit_eam: Callable[..., FitResult] = partial(fit_classical, "eam")
fit_tersoff: Callable[..., FitResult] = partial(fit_classical, "tersoff")
