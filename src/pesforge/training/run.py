"""A training run of the non-linear head on top of the linear potential."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pesforge.metrics import Residuals, errors
from pesforge.potentials.head import NeuralHead
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.projections import ProjectionSet
from pesforge.training.callbacks import OnProgress
from pesforge.training.config import TrainConfig
from pesforge.training.data import ProjectedData, Targets
from pesforge.training.fit_network import Epoch, train_network
from pesforge.training.module import HeadNetwork


@dataclass(frozen=True)
class RunResult:
    """What a training run leaves.

    Attributes:
        head: the parameters with the smallest validation loss; h = 0 when no epoch beats the linear potential.
        best_epoch: their epoch; 0 is the linear potential.
        epochs: epochs that were run.
        stop_reason: `max_epochs`, `patience` or `not_finite`.
        history: validated epochs.
        residuals: prediction minus label of the splits `train`, `validation` and `test`, in the order of their indices.
        linear_residuals: the same of the linear potential with the energy zero solved anew on the training structures.
    """

    head: NeuralHead
    best_epoch: int
    epochs: int
    stop_reason: str
    history: tuple[Epoch, ...]
    residuals: dict[str, Residuals]
    linear_residuals: dict[str, Residuals]

    def evidence(self) -> dict[str, Any]:
        """Builtin types for a JSON file: errors per split, of the linear potential too, and the history."""
        return {
            "best_epoch": self.best_epoch,
            "epochs": self.epochs,
            "stop_reason": self.stop_reason,
            "history": [
                {"epoch": row.epoch, "train_loss": row.train_loss, "validation_loss": row.validation_loss}
                for row in self.history
            ],
            "errors": {split: errors(residuals) for split, residuals in self.residuals.items()},
            "linear_errors": {split: errors(residuals) for split, residuals in self.linear_residuals.items()},
        }


def train_run(
    config: dict[str, Any],
    projections: ProjectionSet,
    targets: Targets,
    counts: FloatArray,
    *,
    train_index: IntArray,
    val_index: IntArray,
    test_index: IntArray,
    seed: int,
    folder: Path,
    on_progress: OnProgress | None = None,
    progress_bar: bool | None = None,
) -> RunResult:
    """The head trained on some structures, stopped by others and judged on a third set.

    Interrupted runs go on from `folder/checkpoints/last.ckpt`, provided that it is whole and was written with the same
    configuration, data, split and seed; otherwise they start anew. The checkpoint of a finished run is removed.

    Args:
        config: composed configuration.
        projections: P + 1 projections; the last one is the energy of the linear potential in eV per atom.
        targets: labels of all structures.
        counts: (S, Z) atoms per species.
        train_index: structures that are fitted; one that stands there twice counts twice, as in a bootstrap.
        val_index: structures that decide when to stop; of other groups than the fitted ones.
        test_index: structures that are held out; may be empty.
        seed: of the first parameters, of the order of batches and of the displacements of Reg-M.
        folder: holds `checkpoints/` and `logs/`.
        on_progress: called with epoch, last epoch and validation loss after each validation.
        progress_bar: show a progress bar on standard error; None: when that is a terminal.

    Raises:
        DataError: projections and labels do not belong together, or the splits overlap or are empty.
    """
    checked = TrainConfig.model_validate(config)
    data = ProjectedData(projections, targets, counts)

    def build(train: IntArray) -> HeadNetwork:
        return HeadNetwork(checked.model, *data.scaling(train))

    network, trained = train_network(
        checked,
        build,
        data,
        splits={"train": train_index, "validation": val_index, "test": test_index},
        seed=seed,
        folder=folder,
        on_progress=on_progress,
        progress_bar=progress_bar,
    )
    return RunResult(
        head=network.export(torch.from_numpy(trained.zeros)),
        best_epoch=trained.best_epoch,
        epochs=trained.epochs,
        stop_reason=trained.stop_reason,
        history=trained.history,
        residuals=trained.residuals,
        linear_residuals=trained.first_residuals,
    )
