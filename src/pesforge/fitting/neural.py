"""Fit of a non-linear head on the invariants of the linear potential, kept only where it beats that potential."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from pesforge.export import Potential
from pesforge.fitting.candidates import FitSettings
from pesforge.fitting.confidence import linear_own_errors
from pesforge.fitting.fit import FitResult, evaluate_frames
from pesforge.fitting.heads import Heads, NeuralOptions, Task
from pesforge.fitting.own_errors import own_errors
from pesforge.fitting.search import Say, choose
from pesforge.fitting.splits import families_of, groups_of, in_order, work_folder
from pesforge.fitting.summary import copies_in_test, fit_metadata, fit_metrics
from pesforge.folds import group_folds
from pesforge.metrics import Residuals, errors
from pesforge.potentials.linear import residuals
from pesforge.provenance import derive_seed

if TYPE_CHECKING:
    from pesforge.training.run import RunResult

CODE = ("dataset", "fitting", "representations", "potentials", "training", "uncertainty", "export")
MARGIN = 0.005
"""A head must lower the score by more than this to be kept."""


def fit_neural(
    frames: Sequence[Atoms],
    test_frames: Sequence[Atoms] | None,
    settings: FitSettings,
    *,
    say: Say,
    warnings: Sequence[str],
    options: NeuralOptions | None = None,
) -> FitResult:
    """The linear potential with a non-linear head on it, or without where the head does not predict better.

    Cutoff, basis, α and weights are those of the linear potential. In each groupwise fold the linear potential is
    fitted anew, heads of every width learn what it leaves when a group is left out, and some of the other groups stop
    them. The width with the lowest mean loss on these groups is taken; the held-out folds decide only whether the head
    is kept. It must predict better than the linear potential, and better than that with the energy zeros of the head.

    Args:
        frames: labelled training structures with groups.
        test_frames: labelled structures that are only predicted; None: no test.
        settings: the candidates of the linear potential, and the memory.
        say: takes lines of progress.
        warnings: what is odd about the data, kept in the metrics.
        options: of the head; None: the defaults.

    Raises:
        DataError: there are too few groups, an element of the test is new, or the memory is too small.
    """
    began = time.monotonic()
    options = options or NeuralOptions()
    notes = list(warnings)
    copies = copies_in_test(frames, test_frames, notes)
    parts = group_folds(
        groups_of(frames), options.folds, derive_seed(options.seed, "folds"), families=families_of(frames)
    )
    heads = Heads(frames, choose(frames, settings, say), settings, options)
    say(f"{len(heads.matrix.T)} principal projections of {heads.chosen.basis.n_functions} functions")
    with work_folder(options.work) as work:
        every = np.arange(len(frames))
        tasks = [heads.task(np.setdiff1d(every, held), held, work / f"fold-{n}") for n, held in enumerate(parts)]
        width, losses, runs = _width(heads, tasks, say)
        if options.members > 1:
            runs = [heads.ensemble(task, width) for task in tasks]
        found, shifted = (
            in_order(parts, [_mean(run, name) for run in runs]) for name in ("residuals", "linear_residuals")
        )
        linear = in_order(parts, [residuals(heads.design.select(task.held), task.fit) for task in tasks])
        better = _score(found) < min(_score(linear), _score(shifted)) - MARGIN
        calibration = own_errors(heads, parts, tasks, runs) if better else None
        final = heads.task(every, every[:0], work / "final")
        trained = None
        if better:
            say(f"training of {options.members} head(s) on all groups")
            trained = [heads.single(final, width)] if options.members == 1 else heads.ensemble(final, width)
    potential = heads.potential(final, trained)
    if calibration is not None:
        potential = replace(potential, calibrated=calibration[1])
    if not better:
        potential, told = _knowing(heads, potential)
        calibration = told, potential.calibrated
    splits = {"train": evaluate_frames(potential, frames), "cv": found if better else linear}
    if test_frames:
        splits["test"] = evaluate_frames(potential, test_frames)
    judged = {"linear": errors(linear), "neural": errors(found)}
    metrics = fit_metrics(
        splits,
        frames,
        test_frames,
        copies=copies,
        parameters=heads.chosen.basis.n_functions,
        choice=_choice(heads, width, losses, (judged["linear"], judged["neural"]), better=better),
        notes=notes,
        started=began,
    )
    metrics |= {f"cv_{name}": values for name, values in judged.items()}
    if calibration is not None:
        metrics["uncertainty"] = calibration[0]
    return FitResult(potential, fit_metadata(frames, metrics, CODE), metrics)


def _knowing(heads: Heads, potential: Potential) -> tuple[Potential, dict[str, Any]]:
    """The linear potential alone with what it knows of its own errors, and the evidence of that."""
    chosen = heads.chosen
    factor = chosen.problem.factorise(chosen.weights, chosen.alpha, chosen.mask)
    posterior, calibrated, told = linear_own_errors(chosen, factor)
    return replace(potential, posterior=posterior, calibrated=calibrated).knowing(heads.frames), told


def _width(heads: Heads, tasks: Sequence[Task], say: Say) -> "tuple[int, dict[int, float], list[list[RunResult]]]":
    """The width with the lowest validation loss, the losses of all widths, and the runs of the best, one per fold."""
    losses: dict[int, float] = {}
    kept: dict[int, list[list[RunResult]]] = {}
    for width in heads.options.widths:
        runs = [heads.single(task, width) for task in tasks]
        losses[width] = float(np.mean([min(row.validation_loss for row in run.history) for run in runs]))
        kept[width] = [[run] for run in runs]
        say(f"heads of {heads.options.depth} × {width} neurons: mean loss {losses[width]:.5g} on the stopping groups")
    best = min(losses, key=lambda width: (losses[width], width))
    return best, losses, kept[best]


def _mean(runs: "Sequence[RunResult]", name: str) -> Residuals:
    """Residuals of the mean prediction of several heads on the held-out structures.

    Args:
        runs: of the heads.
        name: `residuals`, or `linear_residuals`: without the heads, but with the energy zeros that go with them.
    """
    parts = [getattr(run, name)["test"] for run in runs]
    return Residuals(
        energy=np.mean([part.energy for part in parts], axis=0),
        forces=np.mean([part.forces for part in parts], axis=0),
        stress=np.mean([part.stress for part in parts], axis=0),
        n_atoms=parts[0].n_atoms,
    )


def _score(found: Residuals) -> float:
    """Sum of the logarithms of the RMSE of energy (meV/atom) and force (eV/Å)."""
    values = errors(found)
    both = (values["energy_rmse_mev_per_atom"], values["force_rmse_ev_per_ang"])
    return float(sum(np.log(max(value or 0.0, np.finfo(np.float64).tiny)) for value in both))


def _choice(
    heads: Heads,
    width: int,
    losses: Mapping[int, float],
    judged: tuple[Mapping[str, float | None], Mapping[str, float | None]],
    *,
    better: bool,
) -> dict[str, Any]:
    chosen, options = heads.chosen, heads.options
    linear, neural = (
        f"{found['energy_rmse_mev_per_atom']:.2f} meV/atom and {found['force_rmse_ev_per_ang']:.4f} eV/Å"
        for found in judged
    )
    kept = (
        "The head is kept."
        if better
        else "The head does not predict better: the linear potential alone is kept, and its errors stand under `cv`."
    )
    heads_text = "A head" if options.members == 1 else f"An ensemble of {options.members} heads"
    text = (
        f"Linear potential of {chosen.basis.n_functions} functions at {chosen.basis.cutoff_ang:g} Å, alpha "
        f"{chosen.alpha:g}, chosen by leave-group-out. {heads_text} of {options.depth} × {width} neurons on "
        f"{heads.matrix.shape[1]} principal projections: widths {', '.join(map(str, losses))} tried, lowest loss on "
        "groups that stop the "
        f"training. On the held-out groups of {options.folds} folds the linear potential errs by {linear} (RMSE), with "
        f"the head by {neural}. {kept} Test data took no part."
    )
    return {
        "cutoff_ang": chosen.basis.cutoff_ang,
        "n_functions": chosen.basis.n_functions,
        "alpha": chosen.alpha,
        "w_energy": chosen.weights.energy,
        "w_force": chosen.weights.force,
        "w_stress": chosen.weights.stress,
        "projections": heads.matrix.shape[1],
        "width": width,
        "depth": options.depth,
        "members": options.members if better else 0,
        "dropout": options.dropout,
        "seed": options.seed,
        "validation_loss": {str(key): value for key, value in losses.items()},
        "head_kept": better,
        "text": text,
        "tried": list(chosen.tried),
    }
