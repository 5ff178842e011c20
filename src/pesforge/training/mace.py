"""Training of a message-passing network: on a GPU where there is one, within a given time, resumable."""

import hashlib
import math
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.plugins.environments import LightningEnvironment
from torch import Tensor, nn

from pesforge.potentials.mace import Device, pick_device, run_network
from pesforge.provenance import digest
from pesforge.representations.arrays import IntArray
from pesforge.training.callbacks import EpochBar, OnProgress, Record
from pesforge.training.config import LossConfig
from pesforge.training.data import EpochSampler
from pesforge.training.fit_network import CHECKPOINT, Epoch, calm_lightning, resumable
from pesforge.training.graph_data import GraphBatch, GraphData
from pesforge.training.loss import data_loss
from pesforge.training.mace_config import MaceTraining
from pesforge.training.module import RUN_KEY
from pesforge.training.network import Prediction

SPENT_KEY = "pesforge_seconds"
WARM_UP = 10
"""Steps after which the running mean counts half of what it was: the first parameters are soon forgotten."""


@dataclass(frozen=True)
class MaceRun:
    """What a training run leaves; `network` holds the parameters with the smallest validation loss.

    Attributes:
        network: the running mean of the parameters at the best epoch.
        best_epoch: their epoch; 0 is the start.
        epochs: epochs that were run.
        seconds: duration of the training, interruptions left out.
        stop_reason: `max_epochs`, `max_seconds`, `patience` or `not_finite`.
        history: validated epochs.
    """

    network: nn.Module
    best_epoch: int
    epochs: int
    seconds: float
    stop_reason: str
    history: tuple[Epoch, ...]


class MaceModule(pl.LightningModule):
    """Training of a network, and the running mean of its parameters, which is what validation judges.

    Args:
        network: what is trained.
        average: network of the same architecture; its parameters become those of `network`.
        settings: of the training.
        steps: optimisation steps of the longest run.
        run: digest of everything that decides the run; kept in its checkpoints.
    """

    def __init__(self, network: nn.Module, average: nn.Module, settings: MaceTraining, steps: int, run: str) -> None:
        super().__init__()
        self.network, self.average, self.settings, self.steps, self.run = network, average, settings, steps, run
        self.average.load_state_dict(self.network.state_dict())
        self.average.requires_grad_(False)
        self.loss = LossConfig(
            w_energy=settings.w_energy,
            w_force=settings.w_force,
            w_stress=settings.w_stress,
            lambda_m=0.0,
            kernel="gaussian",
            width_ang=1.0,
            samples=1,
        )
        self.spent, self.losses, self.seen = 0.0, list[Tensor](), 0
        self.out_of_time = False

    def predict(self, network: nn.Module, batch: GraphBatch, *, training: bool) -> Prediction:
        """Energies, forces and stresses of a batch, without the energies of the elements."""
        energies, forces, virial = run_network(network, batch.data, training=training)
        return Prediction(
            energy=torch.zeros_like(batch.energy).index_add(0, batch.structure, energies),
            forces=forces,
            stress=virial * batch.inverse_volume[:, None],
        )

    def data_loss(self, network: nn.Module, batch: Any, *, training: bool) -> Tensor:
        """The loss of a batch."""
        prediction = self.predict(network, batch, training=training)
        return data_loss(prediction, batch, batch.counts.new_zeros(batch.counts.shape[1]), self.loss)

    def on_train_start(self) -> None:
        self.began = time.monotonic() - self.spent

    def on_train_epoch_start(self) -> None:
        self.losses, self.seen = [], 0

    def on_train_batch_start(self, batch: GraphBatch, batch_idx: int) -> None:
        """Set the learning rate of the step: it follows the epochs or the clock, whichever is ahead."""
        progress = self.global_step / self.steps
        if self.settings.max_seconds is not None:
            progress = max(progress, self.spent / self.settings.max_seconds)
        final = self.settings.final_fraction
        factor = final + (1.0 - final) * (1.0 + math.cos(math.pi * min(progress, 1.0))) / 2.0
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.settings.learning_rate * factor

    def training_step(self, batch: GraphBatch, batch_idx: int) -> Tensor:
        loss = self.data_loss(self.network, batch, training=True)
        self.losses.append(loss.detach() * len(batch.n_atoms))
        self.seen += len(batch.n_atoms)
        return loss

    @torch.no_grad()
    def on_train_batch_end(self, outputs: Any, batch: GraphBatch, batch_idx: int) -> None:
        decay = min(self.settings.average, self.global_step / (WARM_UP + self.global_step))
        for kept, moved in zip(self.average.parameters(), self.network.parameters(), strict=True):
            kept.lerp_(moved, 1.0 - decay)
        self.spent = time.monotonic() - self.began
        if self.settings.max_seconds is not None and self.spent >= self.settings.max_seconds:
            self.out_of_time = True
            self.trainer.should_stop = True

    def validation_step(self, batch: GraphBatch, batch_idx: int) -> None:
        with torch.enable_grad():
            loss = self.data_loss(self.average, batch, training=False).detach()
        self.log("val_loss", loss, batch_size=len(batch.n_atoms), prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        self.log("train_loss", torch.stack(self.losses).sum() / self.seen)

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.network.parameters(), lr=self.settings.learning_rate, amsgrad=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[RUN_KEY], checkpoint[SPENT_KEY] = self.run, self.spent

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.spent = float(checkpoint[SPENT_KEY])


def train_mace(
    build: Callable[[], nn.Module],
    data: GraphData,
    settings: MaceTraining,
    *,
    train: IntArray,
    validation: IntArray,
    folder: Path,
    device: Device = "auto",
    on_progress: OnProgress | None = None,
) -> MaceRun:
    """A network trained on some structures and stopped by others.

    An interrupted run goes on from `folder/checkpoints/last.ckpt`, provided that it is whole and was written with the
    same settings, data and split. On a CPU the same seed gives the same numbers, unless the clock ends the run.

    Args:
        build: makes the network, of the precision of `settings`; the random numbers are seeded before.
        data: all structures.
        settings: of the training.
        train: structures that are fitted.
        validation: structures of other groups that decide when to stop.
        folder: holds `checkpoints/` and `logs/`.
        device: `auto`: a GPU where there is one.
        on_progress: called with epoch, last epoch and validation loss after each epoch.

    Raises:
        DataError: a GPU is asked for and there is none.
    """
    place = pick_device(device)
    indices = {"train": train.tolist(), "validation": validation.tolist()}
    with calm_lightning():
        pl.seed_everything(settings.seed, workers=True, verbose=False)
        network = build()
        known = {"settings": settings.model_dump(), "data": data.fingerprint, "splits": indices}
        run = digest({**known, "start": _fingerprint(network)}, 32)
        batches = -(-len(train) // settings.batch_size)
        module = MaceModule(network, build(), settings, batches * settings.epochs, run)
        loss = _loss_of(module.to(place), data, validation)
        record = Record(loss, module.state_dict(), on_progress)
        resumed = resumable(folder / CHECKPOINT, run)
        if resumed is None:
            for stale in ("checkpoints", "logs"):
                shutil.rmtree(folder / stale, ignore_errors=True)
        trainer, stopping = _trainer(settings, folder, record, place)
        trainer.fit(
            module,
            _loader(data, train, settings.batch_size, settings.seed),
            _loader(data, validation, settings.batch_size, None),
            ckpt_path=resumed,
            weights_only=True,
        )
        module.load_state_dict(record.best_state)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return MaceRun(
        network=module.average.cpu(),
        best_epoch=record.best_epoch,
        epochs=trainer.current_epoch,
        seconds=module.spent,
        stop_reason=_stop_reason(module, trainer, stopping, record),
        history=tuple(Epoch(*row) for row in record.rows),
    )


def _fingerprint(network: nn.Module) -> str:
    """Digest of the parameters."""
    content = hashlib.sha256()
    for tensor in network.state_dict().values():
        content.update(tensor.detach().cpu().numpy().tobytes())
    return content.hexdigest()


def _loss_of(module: MaceModule, data: GraphData, structures: IntArray) -> float:
    """Validation loss of the present parameters, averaged as Lightning averages it."""
    total = 0.0
    for chosen in EpochSampler(structures, module.settings.batch_size, None):
        batch = module.transfer_batch_to_device(data[chosen], module.device, 0)
        total += len(chosen) * float(module.data_loss(module.average, batch, training=False).detach())
    return total / len(structures)


def _loader(data: GraphData, structures: IntArray, size: int, seed: int | None) -> Any:
    sampler = EpochSampler(structures, size, seed)
    return torch.utils.data.DataLoader(data, batch_size=None, sampler=sampler)


def _trainer(
    settings: MaceTraining, folder: Path, record: Record, place: torch.device
) -> tuple[pl.Trainer, EarlyStopping]:
    stopping = EarlyStopping("val_loss", patience=settings.patience, check_finite=True)
    keeping = ModelCheckpoint(
        folder / CHECKPOINT.parent,
        filename=CHECKPOINT.stem,
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    callbacks: list[Callback] = [record, stopping, keeping]
    if sys.stderr.isatty():
        callbacks.append(EpochBar())
    trainer = pl.Trainer(
        accelerator="gpu" if place.type == "cuda" else "cpu",
        devices=1,
        plugins=[LightningEnvironment()],
        logger=[CSVLogger(folder / "logs", name="csv")],
        callbacks=callbacks,
        max_epochs=settings.epochs,
        gradient_clip_val=settings.gradient_clip,
        deterministic=place.type == "cpu",
        inference_mode=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )
    return trainer, stopping


def _stop_reason(module: MaceModule, trainer: pl.Trainer, stopping: EarlyStopping, record: Record) -> str:
    if not np.isfinite(record.rows[-1][2]):
        return "not_finite"
    if module.out_of_time:
        return "max_seconds"
    return "patience" if stopping.stopped_epoch and trainer.should_stop else "max_epochs"
