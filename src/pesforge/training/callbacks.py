"""What happens beside the training: the record of a run and its progress bar."""

import sys
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.callbacks.progress.tqdm_progress import Tqdm
from torch import Tensor

OnProgress = Callable[[int, int, float], None]


class Record(Callback):
    """Losses of the validated epochs and the best parameters; survives an interruption inside the checkpoint."""

    def __init__(self, start: float, untrained: dict[str, Tensor], on_progress: OnProgress | None) -> None:
        self.rows: list[tuple[int, float | None, float]] = [(0, None, start)]
        self.best_epoch, self.best_loss, self.best_state = 0, start, copied(untrained)
        self.on_progress = on_progress

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        if epoch % int(trainer.check_val_every_n_epoch or 1):
            return
        metrics = trainer.callback_metrics
        loss = float(metrics["val_loss"])
        self.rows.append((epoch, float(metrics["train_loss"]), loss))
        if loss < self.best_loss:
            self.best_epoch, self.best_loss, self.best_state = epoch, loss, copied(pl_module.state_dict())
        if self.on_progress is not None:
            self.on_progress(epoch, int(trainer.max_epochs or 0), loss)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "epoch": self.best_epoch, "loss": self.best_loss, "state": self.best_state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = [tuple(row) for row in state_dict["rows"]]
        self.best_epoch, self.best_loss = state_dict["epoch"], state_dict["loss"]
        self.best_state = state_dict["state"]


def copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}


class EpochBar(Callback):
    """A progress bar over the epochs on standard error, with the last validation loss."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.bar = Tqdm(
            total=trainer.max_epochs,
            initial=trainer.current_epoch,
            desc="train",
            unit="epoch",
            file=sys.stderr,
            mininterval=0.5,
            dynamic_ncols=True,
        )

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if "val_loss" in trainer.callback_metrics:
            self.bar.set_postfix(validation_loss=f"{float(trainer.callback_metrics['val_loss']):.4g}", refresh=False)
        self.bar.update()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if hasattr(self, "bar"):
            self.bar.close()
