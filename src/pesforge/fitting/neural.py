"""Fit of a non-linear head on the invariants of the linear potential, kept only where it beats that potential."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from ase import Atoms
from pydantic import Field

from pesforge.errors import DataError
from pesforge.export import Potential
from pesforge.fitting.candidates import FitSettings
from pesforge.fitting.fit import FitResult, evaluate_frames
from pesforge.fitting.search import Chosen, Say, choose
from pesforge.fitting.splits import families_of, groups_of, hold_out, in_order, work_folder
from pesforge.fitting.summary import copies_in_test, fit_metadata, fit_metrics
from pesforge.folds import group_folds, group_members
from pesforge.metrics import Residuals, errors
from pesforge.potentials.ensemble import HeadEnsemble
from pesforge.potentials.linear import residuals
from pesforge.potentials.normal import LinearFit
from pesforge.provenance import derive_seed
from pesforge.representations.arrays import IntArray
from pesforge.representations.principal import principal_projections
from pesforge.representations.projections import ProjectionSet, project_all
from pesforge.settings import Count, Crossvalidate, Fraction, Positive, Section

if TYPE_CHECKING:
    from pesforge.training.data import Targets
    from pesforge.training.run import RunResult

CODE = ("dataset", "fitting", "representations", "potentials", "training", "export")
MARGIN = 0.005
"""A head must lower the score by more than this to be kept."""
FEWEST_PROJECTIONS = 4
BYTES = 8
PATIENCE = 6
"""Validations without improvement that end the training of a head."""
COPIES = 3
"""Copies of the projections that training holds at once."""


class NeuralOptions(Section):
    """Options of a non-linear head on the invariants."""

    projections: Annotated[int, Field(ge=1, le=256)] = Field(
        16, description="most principal projections of the invariants that the head sees"
    )
    widths: Annotated[tuple[Count, ...], Field(min_length=1)] = Field(
        (16, 32), description="neurons per hidden layer that are tried, separated by commas"
    )
    depth: Annotated[int, Field(ge=1, le=6)] = Field(2, description="hidden layers")
    members: Count = Field(1, description="heads; from 2 on an ensemble, each on a bootstrap sample of the groups")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="probability that a neuron is left out of a training step"
    )
    folds: Annotated[int, Field(ge=2)] = Field(3, description="groupwise folds that judge the head")
    epochs: Count = Field(120, description="longest training of a head in epochs")
    batch_size: Count = Field(16, description="structures per step")
    learning_rate: Positive = Field(0.002, le=1, description="first learning rate")
    weight_decay: Annotated[float, Field(ge=0)] = Field(1e-6, description="L2 term of the loss")
    validation_fraction: Fraction = Field(0.2, description="share of the groups that decide when to stop")
    seed: Annotated[int, Field(ge=0)] = Field(
        0, description="of first parameters, of groups and of the order of batches"
    )
    work: Path | None = Field(None, description="folder of checkpoints, from which an interrupted fit goes on")


@dataclass(frozen=True)
class _Task:
    """What heads are trained on: the labels that one linear potential leaves.

    Args:
        seen: structures that fit and stop.
        held: structures that judge; may be empty.
        fit: linear potential of the seen structures.
        targets: labels of all structures.
        folder: of checkpoints.
    """

    seen: IntArray
    held: IntArray
    fit: LinearFit
    targets: "Targets"
    folder: Path


class _Heads:
    """Trains heads on the projections of one chosen linear potential."""

    def __init__(self, frames: Sequence[Atoms], chosen: Chosen, settings: FitSettings, options: NeuralOptions) -> None:
        self.frames, self.chosen, self.options = frames, chosen, options
        self.design, self.prior = chosen.problem.design, Crossvalidate(prior_power=settings.prior_power)
        scale = chosen.problem.scale[: chosen.basis.n_functions] * chosen.mask
        count = min(options.projections, _affordable(frames, chosen, settings))
        self.matrix = principal_projections(frames, chosen.basis, scale, count)
        self.projections: ProjectionSet = project_all(frames, chosen.basis, self.matrix)
        self.groups, self.families = groups_of(frames), families_of(frames)

    def task(self, seen: IntArray, held: IntArray, folder: Path) -> _Task:
        """The linear potential of the seen structures, and what it leaves to learn."""
        from pesforge.training.data import Targets
        from pesforge.training.stages import Split, fit_linear, head_labels

        chosen, design = self.chosen, self.design
        fit, left_out = fit_linear(
            design, seen, chosen.weights, model=self.prior, alpha=chosen.alpha, columns=chosen.mask
        )
        split = Split(train=seen, validation=np.empty(0, dtype=np.int64), test=held)
        labels = head_labels(design, split, fit, left_out)
        targets = Targets(labels.energy * design.n_atoms, labels.forces, labels.stress)
        return _Task(seen, held, fit, targets, folder)

    def train(self, task: _Task, width: int, train: IntArray, validation: IntArray, member: int) -> "RunResult":
        """One trained head."""
        from pesforge.training.run import train_run
        from pesforge.training.stages import with_linear_column

        return train_run(
            self.config(width),
            with_linear_column(self.projections),
            task.targets,
            self.design.counts,
            train_index=train,
            val_index=validation,
            test_index=task.held,
            seed=derive_seed(self.options.seed, "head", member),
            folder=task.folder / f"{width}-{member}",
            progress_bar=False,
        )

    def single(self, task: _Task, width: int) -> "RunResult":
        """The head of most of the seen groups; the others stop it."""
        train, validation = hold_out(
            [self.frames[s] for s in task.seen], self.options.validation_fraction, self.options.seed
        )
        return self.train(task, width, task.seen[train], task.seen[validation], 0)

    def ensemble(self, task: _Task, width: int) -> "list[RunResult]":
        """Heads of bootstrap samples of the seen groups; the groups that a sample has missed stop it."""
        members = group_members([self.groups[s] for s in task.seen])
        names = list(members)
        runs = []
        for number in range(self.options.members):
            rng = np.random.default_rng([self.options.seed, number])
            drawn = rng.integers(len(names), size=len(names))
            while len(set(drawn.tolist())) == len(names):
                drawn = rng.integers(len(names), size=len(names))
            missed = [members[name] for index, name in enumerate(names) if index not in drawn]
            train = np.concatenate([members[names[index]] for index in drawn])
            runs.append(self.train(task, width, task.seen[train], task.seen[np.concatenate(missed)], number))
        return runs

    def config(self, width: int) -> dict[str, Any]:
        """Training configuration; the loss is that of the linear potential, sums being turned into means."""
        options, weights, design = self.options, self.chosen.weights, self.design
        components = len(design.y_forces)
        labelled = int(np.isfinite(design.y_stress).sum())
        return {
            "model": {
                "width": width,
                "depth": options.depth,
                "activation": "silu",
                "linear": True,
                "dropout": options.dropout,
            },
            "loss": {
                "w_energy": weights.energy * len(design.ids) / components,
                "w_force": weights.force,
                "w_stress": weights.stress * labelled / components,
                "lambda_m": 0.0,
                "kernel": "gaussian",
                "width_ang": 0.05,
                "samples": 1,
            },
            "optimizer": {
                "name": "adam",
                "learning_rate": options.learning_rate,
                "weight_decay": options.weight_decay,
                "schedule": "cosine",
                "final_fraction": 0.01,
                "plateau_patience": 5,
            },
            "trainer": {
                "max_epochs": options.epochs,
                "batch_size": options.batch_size,
                "validate_every": min(5, options.epochs),
                "patience": PATIENCE,
                "gradient_clip": 10.0,
                "validation_fraction": options.validation_fraction,
            },
        }

    def potential(self, task: _Task, runs: "Sequence[RunResult] | None") -> Potential:
        """The linear potential of a task, with the heads on it if there are any."""
        chosen = self.chosen
        if runs is None:
            zeros = dict(zip(chosen.basis.species, task.fit.zeros.tolist(), strict=True))
            return Potential("ace-linear", chosen.basis, task.fit.coefficients, zeros)
        head = runs[0].head if len(runs) == 1 else HeadEnsemble(tuple(run.head for run in runs))
        zeros = dict(zip(chosen.basis.species, (task.fit.zeros + head.zeros).tolist(), strict=True))
        offset = np.zeros(head.n_inputs)
        return Potential("ace-neural", chosen.basis, task.fit.coefficients, zeros, head, self.matrix, offset)


def _affordable(frames: Sequence[Atoms], chosen: Chosen, settings: FitSettings) -> int:
    """Number of projections whose derivatives fit into the memory.

    Raises:
        DataError: too few of them do.
    """
    sample = frames[:: max(1, len(frames) // 16)]
    one = project_all(sample, chosen.basis, np.ones((chosen.basis.n_functions, 1)))
    share = sum(len(atoms) for atoms in frames) / len(one.rho)
    bytes_each = COPIES * BYTES * share * (one.gradient.size + one.strain.size + one.rho.size)
    count = int(settings.memory_bytes / bytes_each)
    if count < FEWEST_PROJECTIONS:
        raise DataError(
            f"the head needs {FEWEST_PROJECTIONS} projections of all training structures, {bytes_each / 1e9:.1f} GB "
            f"each; {settings.memory_bytes / 1e9:g} GB are allowed. Fit fewer structures, or the model ace."
        )
    return count


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
    heads = _Heads(frames, choose(frames, settings, say), settings, options)
    say(f"{len(heads.matrix.T)} principal projections of {heads.chosen.mask.sum()} functions")
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
        final = heads.task(every, every[:0], work / "final")
        trained = None
        if better:
            say(f"training of {options.members} head(s) on all groups")
            trained = [heads.single(final, width)] if options.members == 1 else heads.ensemble(final, width)
    potential = heads.potential(final, trained)
    splits = {"train": evaluate_frames(potential, frames), "cv": found if better else linear}
    if test_frames:
        splits["test"] = evaluate_frames(potential, test_frames)
    judged = {"linear": errors(linear), "neural": errors(found)}
    metrics = fit_metrics(
        splits,
        frames,
        test_frames,
        copies=copies,
        parameters=int(heads.chosen.mask.sum()),
        choice=_choice(heads, width, losses, (judged["linear"], judged["neural"]), better=better),
        notes=notes,
        started=began,
    )
    metrics |= {f"cv_{name}": values for name, values in judged.items()}
    return FitResult(potential, fit_metadata(frames, metrics, CODE), metrics)


def _width(heads: _Heads, tasks: Sequence[_Task], say: Say) -> "tuple[int, dict[int, float], list[list[RunResult]]]":
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
    heads: _Heads,
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
        f"Linear potential of {chosen.mask.sum()} functions at {chosen.basis.cutoff_ang:g} Å, alpha {chosen.alpha:g}, "
        f"chosen by leave-group-out. {heads_text} of {options.depth} × {width} neurons on {heads.matrix.shape[1]} "
        f"principal projections: widths {', '.join(map(str, losses))} tried, lowest loss on groups that stop the "
        f"training. On the held-out groups of {options.folds} folds the linear potential errs by {linear} (RMSE), with "
        f"the head by {neural}. {kept} Test data took no part."
    )
    return {
        "cutoff_ang": chosen.basis.cutoff_ang,
        "n_functions": int(chosen.mask.sum()),
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
