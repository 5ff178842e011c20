"""The trainable head, and the Lightning module of any network."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from pesforge.potentials.head import NeuralHead, neuron_masks
from pesforge.representations.arrays import FloatArray
from pesforge.training.config import ModelConfig, RunConfig
from pesforge.training.data import Batch
from pesforge.training.loss import (
    data_loss,
    mollified_gradient,
    mollifier_samples,
    predict,
    weighted_residuals,
    zero_solver,
)
from pesforge.training.marquardt import LevenbergMarquardt
from pesforge.training.network import LabelledBatch, Network, Prediction

RUN_KEY = "pesforge_run"


class HeadNetwork(Network):
    """Trainable twin of `NeuralHead`; starts at h = 0, so training starts exactly at the linear potential.

    There is no bias after the last layer: the energy zero is solved, not trained. The derivative by the projections is
    written out, so that one backward pass through it gives the gradient of a loss on forces.

    Args:
        config: width, depth, activation, linear term.
        mean, scale: (P,) of the projections in the training structures.
    """

    def __init__(self, config: ModelConfig, mean: FloatArray, scale: FloatArray) -> None:
        super().__init__()
        self.activation, self.dropout = config.activation, config.dropout
        self.masks: list[Tensor] = []
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.from_numpy(mean.astype(np.float64)))
        self.register_buffer("scale", torch.from_numpy(scale.astype(np.float64)))
        widths = [len(mean), *[config.width] * config.depth]
        self.hidden = nn.ModuleList(nn.Linear(before, after, dtype=torch.float64) for before, after in pairwise(widths))
        self.output = nn.Parameter(torch.zeros(config.width if config.depth else 0, dtype=torch.float64))
        trainable = config.linear or not config.depth
        self.linear = nn.Parameter(torch.zeros(len(mean), dtype=torch.float64), requires_grad=trainable)

    @property
    def _layers(self) -> list[nn.Linear]:
        return cast(list[nn.Linear], list(self.hidden))

    def _activate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.activation == "tanh":
            value = torch.tanh(x)
            return value, 1.0 - value.square()
        gate = torch.sigmoid(x)
        return x * gate, gate * (1.0 + x * (1.0 - gate))

    def forward(self, rho: Tensor) -> tuple[Tensor, Tensor]:
        """Energies per atom (…, n) in eV and their derivatives (…, n, P) by the projections (…, n, P)."""
        z = (rho - self.mean) / self.scale
        energies = z @ self.linear
        gradient = self.linear.expand(z.shape)
        if len(self.hidden):
            x, slopes = z, []
            for number, layer in enumerate(self._layers):
                x, slope = self._activate(layer(x))
                if self.masks:
                    x, slope = x * self.masks[number], slope * self.masks[number]
                slopes.append(slope)
            energies = energies + x @ self.output
            back = self.output.expand(x.shape)
            for layer, slope in zip(reversed(self._layers), reversed(slopes), strict=True):
                back = (back * slope) @ layer.weight
            gradient = gradient + back
        return energies, gradient / self.scale

    def predict(self, batch: Batch) -> Prediction:
        """What the head adds to the linear potential."""
        return predict(self, batch)

    def energies(self, batch: Batch) -> Tensor:
        """Energies (B,) in eV that the head adds to the linear potential."""
        energies, _ = self(batch.rho)
        return torch.zeros_like(batch.energy).index_add(0, batch.structure, energies)

    def mollified_gradient(self, batch: Batch, displacements: Tensor) -> Tensor:
        """Reg-M of the head, see `pesforge.training.loss.mollified_gradient`."""
        return mollified_gradient(self, batch, displacements)

    @contextmanager
    def thinned(self, rng: np.random.Generator) -> Iterator[None]:
        """Leave out neurons at random until the block ends: the same ones for all atoms, so that the head stays one."""
        if self.dropout:
            widths = [layer.out_features for layer in self._layers]
            self.masks = [torch.from_numpy(mask) for mask in neuron_masks(widths, self.dropout, rng)]
        try:
            yield
        finally:
            self.masks = []

    def export(self, zeros: Tensor) -> NeuralHead:
        """The same function in numpy, with the energy zeros (Z,) in eV."""

        def array(tensor: Tensor) -> FloatArray:
            return tensor.detach().numpy().copy()

        return NeuralHead(
            mean=array(self.mean),
            scale=array(self.scale),
            linear=array(self.linear),
            weights=tuple(array(layer.weight) for layer in self._layers),
            biases=tuple(array(layer.bias) for layer in self._layers),
            output=array(self.output),
            zeros=array(zeros),
            activation=self.activation,
        )


class PotentialModule(pl.LightningModule):
    """Training of a network: loss, energy zero, optimiser, learning rate.

    With the optimiser `marquardt` an epoch is one step on all training structures, and the energy zeros follow the
    parameters within the step (variable projection).

    Args:
        network: what is trained.
        config: composed configuration.
        train: all training structures, from which the energy zero is solved before every epoch and every validation.
        seed: of the displacements of Reg-M.
        run: digest of everything that decides the run; kept in its checkpoints.
    """

    def __init__(self, network: Network, config: RunConfig, train: LabelledBatch, seed: int, run: str) -> None:
        super().__init__()
        self.network, self.config, self.seed, self.run = network, config, seed, run
        self.train_batch = train
        self.solver = zero_solver(train)
        self.losses: dict[int, float] = {}
        self.zeros: Tensor
        self.register_buffer("zeros", torch.zeros(train.counts.shape[1], dtype=torch.float64))
        self.solve_zeros()

    @torch.no_grad()
    def solve_zeros(self, energies: Tensor | None = None) -> None:
        """Set the energy zeros to the least-squares solution on the training structures.

        Args:
            energies: (B,) of the network for these structures; None: they are computed.
        """
        batch = self.train_batch
        found = self.network.energies(batch) if energies is None else energies
        self.zeros.copy_(self.solver @ ((batch.energy - found) / batch.n_atoms))

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """The batch as it is: training runs on the CPU."""
        return batch

    def on_train_epoch_start(self) -> None:
        self.losses = {}
        self.solve_zeros()

    def on_validation_epoch_start(self) -> None:
        self.solve_zeros()

    def training_step(self, batch: LabelledBatch, batch_idx: int) -> Tensor:
        with self.network.thinned(np.random.default_rng([self.seed, self.global_step, 1])):
            return self._step(batch, batch_idx)

    def _step(self, batch: LabelledBatch, batch_idx: int) -> Tensor:
        loss_config = self.config.loss
        loss = data_loss(self.network.predict(batch), batch, self.zeros, loss_config)
        if loss_config.lambda_m > 0:
            rng = np.random.default_rng([self.seed, self.global_step])
            shape = (loss_config.samples, *batch.forces.shape)
            moves = mollifier_samples(loss_config.kernel, loss_config.width_ang, shape, rng)
            loss = loss + loss_config.lambda_m * self.network.mollified_gradient(batch, torch.from_numpy(moves))
        self.losses[batch_idx] = len(batch.n_atoms) * loss.item()
        return loss

    def residuals(self) -> Tensor:
        """Residuals (R,) of training structures and parameters; their squares sum up to the loss with its L2 term.

        The energy zeros are solved for the present parameters.
        """
        batch, decay = self.train_batch, self.config.optimizer.weight_decay
        prediction = self.network.predict(batch)
        self.solve_zeros(prediction.energy)
        parts = weighted_residuals(prediction, batch, self.zeros, self.config.loss)
        return torch.cat([*parts, *((0.5 * decay) ** 0.5 * parameter.flatten() for parameter in self._trainable())])

    def validation_step(self, batch: LabelledBatch, batch_idx: int) -> None:
        loss = data_loss(self.network.predict(batch), batch, self.zeros, self.config.loss)
        self.log("val_loss", loss, batch_size=len(batch.n_atoms), prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        """Log the mean training loss of the epoch: a call of `log` in every step would cost as much as the step."""
        self.log("train_loss", sum(self.losses.values()) / len(self.train_batch.n_atoms))

    def on_train_epoch_end(self) -> None:
        """Step the plateau schedule before the checkpoint of this epoch is written; Lightning would step it after."""
        scheduler = self.lr_schedulers()
        validated = (self.current_epoch + 1) % int(self.trainer.check_val_every_n_epoch or 1) == 0
        if isinstance(scheduler, ReduceLROnPlateau) and validated:
            scheduler.step(float(self.trainer.callback_metrics["val_loss"]))

    def lr_scheduler_step(self, scheduler: Any, metric: Any | None) -> None:
        if not isinstance(scheduler, ReduceLROnPlateau):
            super().lr_scheduler_step(scheduler, metric)

    def configure_optimizers(self) -> Any:
        options = self.config.optimizer
        if options.name == "marquardt":
            return LevenbergMarquardt(self._trainable(), self.residuals)
        chosen = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[options.name]
        optimizer = chosen(self._trainable(), lr=options.learning_rate, weight_decay=options.weight_decay, fused=True)
        if options.schedule == "plateau":
            plateau = ReduceLROnPlateau(
                optimizer,
                factor=0.5,
                patience=options.plateau_patience,
                min_lr=options.final_fraction * options.learning_rate,
            )
            return {
                "optimizer": optimizer,
                "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss", "strict": False},
            }
        final, epochs = options.final_fraction, self.config.trainer.max_epochs

        def cosine(epoch: int) -> float:
            return final + (1.0 - final) * (1.0 + math.cos(math.pi * min(epoch / epochs, 1.0))) / 2.0

        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": LambdaLR(optimizer, cosine), "interval": "epoch"}}

    def _trainable(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[RUN_KEY] = self.run
