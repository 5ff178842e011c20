"""The training of any network: trains, resumes after an interruption, and evaluates the best parameters."""

import logging
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from pytorch_lightning.plugins.environments import LightningEnvironment

from pesforge.errors import DataError
from pesforge.metrics import Residuals
from pesforge.provenance import digest
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.training.callbacks import EpochBar, OnProgress, Record
from pesforge.training.config import RunConfig
from pesforge.training.data import LabelledData, loader
from pesforge.training.loss import data_loss
from pesforge.training.module import RUN_KEY, PotentialModule
from pesforge.training.network import Network

CHECKPOINT = Path("checkpoints/last.ckpt")
EVALUATION_BATCH = 256
N = TypeVar("N", bound=Network)
CHATTY = ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "lightning.fabric")


@dataclass(frozen=True)
class Epoch:
    """Losses of a validated epoch; epoch 0 is the start, which has no training loss."""

    epoch: int
    train_loss: float | None
    validation_loss: float


@dataclass(frozen=True)
class Trained:
    """What the training of any network leaves; the network itself holds the best parameters.

    Attributes:
        zeros: (Z,) energy zeros in eV.
        best_epoch: epoch of the smallest validation loss; 0 is the start.
        epochs: epochs that were run.
        stop_reason: `max_epochs`, `patience` or `not_finite`.
        history: validated epochs.
        residuals: prediction minus label of every split, in the order of its indices.
        first_residuals: the same before the training.
    """

    zeros: FloatArray
    best_epoch: int
    epochs: int
    stop_reason: str
    history: tuple[Epoch, ...]
    residuals: dict[str, Residuals]
    first_residuals: dict[str, Residuals]


def train_network(
    config: RunConfig,
    build: Callable[[IntArray], N],
    data: LabelledData,
    *,
    splits: Mapping[str, IntArray],
    seed: int,
    folder: Path,
    on_progress: OnProgress | None = None,
    progress_bar: bool | None = None,
) -> tuple[N, Trained]:
    """A network trained on some structures and stopped by others; an interrupted run goes on.

    It does so from `folder/checkpoints/last.ckpt`, provided that it is whole and was written with the same
    configuration, data, split and seed; otherwise it starts anew. The checkpoint of a finished run is removed.

    Args:
        config: configuration.
        build: makes the network from the numbers of the training structures, after the random numbers are seeded.
        data: all structures.
        splits: numbers of the structures for `train`, `validation` and, perhaps empty, `test`.
        seed: of the first parameters, of the order of batches and of the displacements of Reg-M.
        folder: holds `checkpoints/` and `logs/`.
        on_progress: called with epoch, last epoch and validation loss after each validation.
        progress_bar: show a progress bar on standard error; None: when that is a terminal.

    Raises:
        DataError: the splits overlap or are empty.
    """
    parts = {name: np.asarray(index, dtype=np.int64) for name, index in splits.items()}
    _check_splits(parts, len(data))
    indices = {name: index.tolist() for name, index in parts.items()}
    run = digest({"config": config.model_dump(), "seed": seed, "data": data.fingerprint, "splits": indices}, 32)
    whole = config.optimizer.name == "marquardt"
    with calm_lightning():
        pl.seed_everything(seed, workers=True, verbose=False)
        network = build(parts["train"])
        module = PotentialModule(network, config, data[parts["train"]], seed, run)
        first = {name: evaluate(module, data, index) for name, index in parts.items()}
        shown = sys.stderr.isatty() if progress_bar is None else progress_bar
        start = _validation_loss(module, data, parts["validation"])
        record = Record(start, module.state_dict(), on_progress)
        trainer, stopping = _trainer(config, folder, record, progress_bar=shown)
        resumed = resumable(folder / CHECKPOINT, run)
        if resumed is None:
            for stale in ("checkpoints", "logs"):
                shutil.rmtree(folder / stale, ignore_errors=True)
        size = len(parts["train"]) if whole else config.trainer.batch_size
        trainer.fit(
            module,
            loader(data, parts["train"], size, None if whole else seed),
            loader(data, parts["validation"], EVALUATION_BATCH, None),
            ckpt_path=resumed,
            weights_only=True,
        )
        module.load_state_dict(record.best_state)
        module.solve_zeros()
        trained = Trained(
            zeros=module.zeros.numpy().copy(),
            best_epoch=record.best_epoch,
            epochs=trainer.current_epoch,
            stop_reason=_stop_reason(trainer, stopping, record),
            history=tuple(Epoch(*row) for row in record.rows),
            residuals={name: evaluate(module, data, index) for name, index in parts.items()},
            first_residuals=first,
        )
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return network, trained


@torch.no_grad()
def evaluate(module: PotentialModule, data: LabelledData, structures: IntArray) -> Residuals:
    """Prediction minus label of some structures, energy zeros included."""
    energy, forces, stress = [], [], []
    for start in range(0, len(structures), EVALUATION_BATCH):
        batch = data[structures[start : start + EVALUATION_BATCH]]
        prediction = module.network.predict(batch)
        shifted = prediction.energy + batch.counts @ module.zeros - batch.energy
        energy.append((shifted / batch.n_atoms).numpy())
        forces.append((prediction.forces - batch.forces).numpy().ravel())
        difference = (prediction.stress - batch.stress).numpy()
        stress.append(np.where(batch.has_stress.numpy(), difference, np.nan).ravel())
    empty = [np.zeros(0)]
    return Residuals(
        energy=np.concatenate(energy or empty),
        forces=np.concatenate(forces or empty),
        stress=np.concatenate(stress or empty),
        n_atoms=data.n_atoms[structures],
    )


@torch.no_grad()
def _validation_loss(module: PotentialModule, data: LabelledData, structures: IntArray) -> float:
    """Validation loss of the present parameters, averaged as Lightning averages it."""
    total = 0.0
    for chosen in loader(data, structures, EVALUATION_BATCH, None).sampler:
        batch = data[chosen]
        total += len(chosen) * float(data_loss(module.network.predict(batch), batch, module.zeros, module.config.loss))
    return total / len(structures)


def _check_splits(splits: dict[str, IntArray], size: int) -> None:
    for name, index in splits.items():
        if len(index) == 0 and name != "test":
            raise DataError(f"the {name} split is empty; sample more groups or lower the number of folds.")
        if len(index) and (index.min() < 0 or index.max() >= size):
            raise DataError(f"the {name} split names structures outside 0…{size - 1}.")
    every = np.concatenate([np.unique(index) for index in splits.values()])
    if len(np.unique(every)) != len(every):
        raise DataError("the training, validation and test splits overlap; a structure may stand in one of them only.")


def _trainer(
    config: RunConfig, folder: Path, record: Record, *, progress_bar: bool
) -> tuple[pl.Trainer, EarlyStopping]:
    """The Lightning trainer of a run, and its early stopping."""
    every = min(config.trainer.validate_every, config.trainer.max_epochs)
    stopping = EarlyStopping("val_loss", patience=config.trainer.patience, check_finite=True)
    keeping = ModelCheckpoint(
        folder / CHECKPOINT.parent,
        filename=CHECKPOINT.stem,
        every_n_epochs=every,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    callbacks: list[Callback] = [record, stopping, keeping]
    if progress_bar:
        callbacks.append(EpochBar())
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        plugins=[LightningEnvironment()],
        logger=[
            CSVLogger(folder / "logs", name="csv"),
            TensorBoardLogger(folder / "logs", name="tensorboard"),
        ],
        callbacks=callbacks,
        max_epochs=config.trainer.max_epochs,
        check_val_every_n_epoch=every,
        gradient_clip_val=None if config.optimizer.name == "marquardt" else config.trainer.gradient_clip,
        deterministic=True,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )
    return trainer, stopping


def resumable(path: Path, run: str) -> Path | None:
    """The checkpoint, when it is whole and belongs to this run."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a torn file fails in many ways, and each of them means: start anew
        return None
    return path if isinstance(content, dict) and content.get(RUN_KEY) == run else None


def _stop_reason(trainer: pl.Trainer, stopping: EarlyStopping, record: Record) -> str:
    if not np.isfinite(record.rows[-1][2]):
        return "not_finite"
    return "patience" if stopping.stopped_epoch and trainer.should_stop else "max_epochs"


@contextmanager
def calm_lightning() -> Iterator[None]:
    """One thread, and Lightning without its remarks; the global state is put back afterwards."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    levels = {name: logging.getLogger(name).level for name in CHATTY}
    torch.set_num_threads(1)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
