"""Training of a candidate of the classical potentials on any of the structures, from several starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.fields import FAMILY, GROUP
from pesforge.fitting.fit import evaluate_frames
from pesforge.fitting.starts import Candidate
from pesforge.folds import group_folds
from pesforge.metrics import Residuals
from pesforge.potentials.classical import ClassicalPotential
from pesforge.representations.arrays import FloatArray, IntArray

FOLDS = 3
ANGLE = 2
"""Cost of an angle over that of a bond."""
COUNTED_PARAMETERS = 10
"""A form of fewer parameters is not given more structures."""
FEWEST = 6
"""Structures of a training at least: fewer energies than that say nothing about the weight of energies."""
VALIDATION_FOLDS = 10
"""One of so many folds of the training structures decides when to stop."""
SEED = 0
ROOT_WEIGHTS = (40.0, 30.0)
"""Energy (per eV/atom) and stress (per eV/Å³) beside force (per eV/Å), before squaring, of the trial of starts."""
TRIAL_DECAY, DECAY = 1e-3, 1e-5
"""L2 terms: splines and density of an embedded atom can stand in for one another, and without a firm hand at first the
training creeps along such valleys."""
ROOT_LIMITS = (5.0, 320.0)
"""Limits of the weights that the residuals of the trial give."""


@dataclass(frozen=True)
class Effort:
    """How much a training may cost.

    Args:
        work: most terms times parameters, an angle counting as two bonds; structures beyond that are left out, every
            family by its share.
        trial_work: the same while starts are compared.
        trial_epochs: steps of every start.
        epochs: most steps of the training that follows.
    """

    work: float
    trial_work: float
    trial_epochs: int
    epochs: int


@dataclass(frozen=True)
class Fitted:
    """A trained potential.

    Args:
        potential: with the parameters of the smallest validation loss.
        history: loss of the training and validation structures per step.
        n_used: structures that were fitted, those that decided when to stop included.
        root_energy, root_stress: weights before squaring.
    """

    potential: ClassicalPotential
    history: list[dict[str, Any]]
    n_used: int
    root_energy: float
    root_stress: float


def spread(families: Sequence[str], sizes: Sequence[int], most: float, seed: int) -> IntArray:
    """Numbers of structures that cost at most `most` together, at least six, every family by its share.

    Args:
        families: (S,) family of each structure.
        sizes: (S,) cost of each.
        most: largest sum of costs.
        seed: of the order within a family.
    """
    rng = np.random.default_rng(seed)
    rank = np.empty(len(families))
    for family in dict.fromkeys(families):
        members = np.flatnonzero([name == family for name in families])
        rank[members] = (rng.permutation(len(members)) + 0.5) / len(members)
    order = np.argsort(rank, kind="stable")
    count = int(np.searchsorted(np.cumsum(np.asarray(sizes)[order]), most, side="right"))
    return np.sort(order[: max(count, FEWEST)])


def train_config(root_energy: float, root_stress: float, epochs: int, weight_decay: float = DECAY) -> Any:
    """The training configuration of a classical potential.

    Args:
        root_energy, root_stress: weights before squaring, per eV/atom and per eV/Å³; that of forces is 1.
        epochs: most steps.
        weight_decay: L2 term.
    """
    from pesforge.training.config import RunConfig

    return RunConfig.model_validate(
        {
            "loss": {
                "w_energy": root_energy**2,
                "w_force": 1.0,
                "w_stress": root_stress**2,
                "lambda_m": 0.0,
                "kernel": "gaussian",
                "width_ang": 0.05,
                "samples": 1,
            },
            "optimizer": {
                "name": "marquardt",
                "learning_rate": 1.0,
                "weight_decay": weight_decay,
                "schedule": "cosine",
                "final_fraction": 1.0,
                "plateau_patience": 1,
            },
            "trainer": {
                "max_epochs": epochs,
                "batch_size": 1,
                "validate_every": 1,
                "patience": 6,
                "gradient_clip": 1.0,
                "validation_fraction": 0.1,
            },
        }
    )


def _balanced(found: Residuals) -> tuple[float, float]:
    """Weights of energy and stress that make their squared residuals as large as those of the forces."""
    force = float(np.sqrt(np.mean(found.forces**2)))
    stress = found.stress[~np.isnan(found.stress)]
    energy = float(np.sqrt(np.mean(found.energy**2)))
    roots = [force / max(size, 1e-12) for size in (energy, float(np.sqrt(np.mean(stress**2))) if len(stress) else 1.0)]
    low, high = ROOT_LIMITS
    return min(max(roots[0], low), high), min(max(roots[1], low), high)


class Workshop:
    """Trains a candidate on any of the structures; bonds are found once.

    Args:
        candidate: functional form and starts.
        frames: labelled structures with family and group.
        folder: place of checkpoints and logs.
    """

    def __init__(self, candidate: Candidate, frames: Sequence[Atoms], folder: Path) -> None:
        from pesforge.training.classical import BondData

        self.candidate, self.frames, self.folder = candidate, frames, folder
        self.groups = [str(atoms.info[GROUP]) for atoms in frames]
        self.families = [str(atoms.info[FAMILY]) for atoms in frames]
        self.data = BondData(frames, candidate.form)

    def train(self, structures: IntArray, effort: Effort) -> Fitted:
        """A potential trained on some of the structures, from the start that a trial prefers.

        The trial weighs kinds of labels by fixed numbers; the training weighs them by the inverse variance that the
        best trial left on them, as the maximum of the likelihood of independent normal errors asks for.

        Args:
            structures: their numbers.
            effort: what it may cost.

        Raises:
            DataError: all structures are of one group, or no start leads to finite errors.
        """
        form = self.candidate.form
        few = self._spread(structures, effort.trial_work)
        trials = [
            self._run(start, few, train_config(*ROOT_WEIGHTS, effort.trial_epochs, TRIAL_DECAY))
            for start in self.candidate.starts
        ]
        losses = [min(row.validation_loss for row in trained.history) for _, trained in trials]
        best = int(np.argmin(np.nan_to_num(losses, nan=np.inf)))
        if not np.isfinite(losses[best]):
            raise DataError(f"{form.kind}, {self.candidate.name}: no start leads to finite energies and forces.")
        network, trained = trials[best]
        roots = _balanced(trained.residuals["train"])
        many = self._spread(structures, effort.work)
        start = {name: value.detach().numpy() for name, value in network.values.items()}
        network, trained = self._run(start, many, train_config(*roots, effort.epochs))
        zeros = dict(zip(form.species, trained.zeros.tolist(), strict=True))
        history = [
            {"epoch": row.epoch, "train_loss": row.train_loss, "validation_loss": row.validation_loss}
            for row in trained.history
        ]
        return Fitted(network.export(zeros), history, len(many), *roots)

    def _spread(self, structures: IntArray, most: float) -> IntArray:
        parameters = max(sum(value.size for value in self.candidate.starts[0].values()), COUNTED_PARAMETERS)
        terms = [len(self.data.bonds[s].first) + ANGLE * len(self.data.bonds[s].long) for s in structures]
        sizes = [parameters * count for count in terms]
        return structures[spread([self.families[s] for s in structures], sizes, most, SEED)]

    def _run(self, start: Mapping[str, FloatArray], structures: IntArray, config: Any) -> tuple[Any, Any]:
        """The trained network and what its training left; one of ten folds of the structures decides when to stop."""
        from pesforge.training.classical import ClassicalNetwork
        from pesforge.training.fit_network import train_network

        groups = [self.groups[s] for s in structures]
        families = [self.families[s] for s in structures]
        stopping = group_folds(groups, min(VALIDATION_FOLDS, len(set(groups))), SEED, families=families)[0]
        return train_network(
            config,
            lambda _: ClassicalNetwork(self.candidate.form, start),
            self.data,
            splits={
                "train": np.delete(structures, stopping),
                "validation": structures[stopping],
                "test": np.zeros(0, dtype=np.int64),
            },
            seed=SEED,
            folder=self.folder,
            progress_bar=False,
        )

    def left_out(self, effort: Effort) -> Residuals:
        """Prediction minus label of every structure by the potential of the other group folds."""
        folds = group_folds(self.groups, min(FOLDS, len(set(self.groups))), SEED, families=self.families)
        every, parts = np.arange(len(self.frames)), []
        for held in folds:
            fitted = self.train(np.setdiff1d(every, held), effort)
            parts.append(evaluate_frames(fitted.potential, [self.frames[s] for s in held]))
        joined = Residuals(
            np.concatenate([part.energy for part in parts]),
            np.concatenate([part.forces for part in parts]),
            np.concatenate([part.stress for part in parts]),
            np.concatenate([part.n_atoms for part in parts]),
        )
        return joined.select(np.argsort(np.concatenate(folds)))
