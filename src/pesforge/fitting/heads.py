"""Non-linear heads on the projections of a chosen linear potential: their options, tasks and training."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from ase import Atoms
from pydantic import Field

from pesforge.errors import DataError
from pesforge.export import Potential
from pesforge.fitting.candidates import FitSettings
from pesforge.fitting.search import Chosen
from pesforge.fitting.splits import families_of, groups_of, hold_out
from pesforge.potentials.ensemble import HeadEnsemble
from pesforge.potentials.head import NeuralHead
from pesforge.potentials.normal import LinearFit
from pesforge.provenance import derive_seed
from pesforge.representations.arrays import IntArray
from pesforge.representations.design import describe
from pesforge.representations.principal import principal_projections
from pesforge.representations.projections import ProjectionSet, project_all
from pesforge.settings import Count, Crossvalidate, Fraction, Positive, Section
from pesforge.training.members import bootstrap

if TYPE_CHECKING:
    from pesforge.training.data import Targets
    from pesforge.training.run import RunResult

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
    heteroscedastic: bool = Field(
        False, description="let the noise that calibrates the uncertainty depend on the projections of the atoms"
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
class Task:
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


class Heads:
    """Trains heads on the projections of one chosen linear potential."""

    def __init__(self, frames: Sequence[Atoms], chosen: Chosen, settings: FitSettings, options: NeuralOptions) -> None:
        self.frames, self.chosen, self.options = frames, chosen, options
        self.design, self.prior = describe(frames, chosen.basis), Crossvalidate(prior_power=settings.prior_power)
        scale = chosen.problem.scale[: len(chosen.mask)][chosen.mask]
        count = min(options.projections, _affordable(frames, chosen, settings))
        self.matrix = principal_projections(frames, chosen.basis, scale, count)
        self.projections: ProjectionSet = project_all(frames, chosen.basis, self.matrix)
        self.groups, self.families = groups_of(frames), families_of(frames)

    def task(self, seen: IntArray, held: IntArray, folder: Path) -> Task:
        """The linear potential of the seen structures, and what it leaves to learn."""
        from pesforge.training.data import Targets
        from pesforge.training.stages import Split, fit_linear, head_labels

        chosen, design = self.chosen, self.design
        every = np.ones(chosen.basis.n_functions, dtype=np.bool_)
        fit, left_out = fit_linear(
            design,
            seen,
            chosen.weights,
            model=self.prior,
            alpha=chosen.alpha,
            columns=every,
        )
        split = Split(train=seen, validation=np.empty(0, dtype=np.int64), test=held)
        labels = head_labels(design, split, fit, left_out)
        targets = Targets(labels.energy * design.n_atoms, labels.forces, labels.stress)
        return Task(seen, held, fit, targets, folder)

    def train(self, task: Task, width: int, train: IntArray, validation: IntArray, member: int) -> "RunResult":
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

    def single(self, task: Task, width: int) -> "RunResult":
        """The head of most of the seen groups; the others stop it."""
        train, validation = hold_out(
            [self.frames[s] for s in task.seen], self.options.validation_fraction, self.options.seed
        )
        return self.train(task, width, task.seen[train], task.seen[validation], 0)

    def ensemble(self, task: Task, width: int) -> "list[RunResult]":
        """Heads of bootstrap samples of the seen groups; the groups that a sample has missed stop it."""
        groups, runs = [self.groups[s] for s in task.seen], []
        for number in range(self.options.members):
            drawn, missed = bootstrap(groups, np.random.default_rng([self.options.seed, number]))
            runs.append(self.train(task, width, task.seen[drawn], task.seen[missed], number))
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

    def potential(self, task: Task, runs: "Sequence[RunResult] | None") -> Potential:
        """The linear potential of a task, with the heads on it if there are any."""
        chosen = self.chosen
        if runs is None:
            zeros = dict(zip(chosen.basis.species, task.fit.zeros.tolist(), strict=True))
            return Potential("ace-linear", chosen.basis, task.fit.coefficients, zeros)
        head = runs[0].head if len(runs) == 1 else HeadEnsemble(tuple(run.head for run in runs))
        return self.with_head(task, head)

    def with_head(self, task: Task, head: NeuralHead | HeadEnsemble) -> Potential:
        """The linear potential of a task with a head on it."""
        chosen = self.chosen
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
