"""One training run of any network: trains, resumes after an interruption, and evaluates the best parameters."""

import logging
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from pytorch_lightning.plugins.environments import LightningEnvironment

from pesforge.errors import DataError
from pesforge.metrics import Residuals, errors
from pesforge.potentials.head import NeuralHead
from pesforge.provenance import digest
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.projections import ProjectionSet
from pesforge.training.callbacks import EpochBar, OnProgress, Record
from pesforge.training.config import RunConfig, TrainConfig
from pesforge.training.data import LabelledData, ProjectedData, Targets, loader
from pesforge.training.loss import data_loss
from pesforge.training.module import RUN_KEY, HeadNetwork, PotentialModule
from pesforge.training.network import Network

CHECKPOINT = Path("checkpoints/last.ckpt")
EVALUATION_BATCH = 256
N = TypeVar("N", bound=Network)
CHATTY = ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "lightning.fabric")


@dataclass(frozen=True)
class Epoch:
    """Losses of a validated epoch; epoch 0 is the linear potential, which has no training loss here."""

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
    """A network trained on some structures and stopped by others; interrupted runs go on, see `train_run`.

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
    with _calm_lightning():
        pl.seed_everything(seed, workers=True, verbose=False)
        network = build(parts["train"])
        module = PotentialModule(network, config, data[parts["train"]], seed, run)
        first = {name: evaluate(module, data, index) for name, index in parts.items()}
        shown = sys.stderr.isatty() if progress_bar is None else progress_bar
        start = _validation_loss(module, data, parts["validation"])
        record = Record(start, module.state_dict(), on_progress)
        trainer, stopping = _trainer(config, folder, record, progress_bar=shown)
        resumed = _resumable(folder / CHECKPOINT, run)
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


def _resumable(path: Path, run: str) -> Path | None:
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
def _calm_lightning() -> Iterator[None]:
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
