"""What the Lightning module trains: any network that predicts energies, forces and stresses of a batch."""

from abc import abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor, nn

from pesforge.errors import SettingsError


class Prediction(NamedTuple):
    """Energy (B,) eV, forces (n, 3) eV/Å, stress (B, 6) eV/Å³, without the energy zeros."""

    energy: Tensor
    forces: Tensor
    stress: Tensor


class LabelledBatch(Protocol):
    """Labels of B structures with n atoms in all; what a network needs beside them is its own matter."""

    @property
    def structure(self) -> Tensor:
        """(n,) structure of every atom."""

    @property
    def n_atoms(self) -> Tensor:
        """(B,) atoms per structure."""

    @property
    def counts(self) -> Tensor:
        """(B, Z) atoms per species."""

    @property
    def energy(self) -> Tensor:
        """(B,) eV."""

    @property
    def forces(self) -> Tensor:
        """(n, 3) eV/Å."""

    @property
    def stress(self) -> Tensor:
        """(B, 6) eV/Å³; 0 where there is no label."""

    @property
    def has_stress(self) -> Tensor:
        """(B, 6) which components carry a label."""

    @property
    def emphasis(self) -> Tensor:
        """(B, 3) weights of energy, forces and stress beside those of the loss."""


class Network(nn.Module):
    """A potential with trainable parameters and without energy zeros, which are solved."""

    @abstractmethod
    def predict(self, batch: Any) -> Prediction:
        """Energies, forces and stresses of a batch of the network's own kind."""

    def energies(self, batch: Any) -> Tensor:
        """Energies (B,) in eV alone."""
        return self.predict(batch).energy

    def mollified_gradient(self, batch: Any, displacements: Tensor) -> Tensor:
        """The regulariser Reg-M in (eV/Å)².

        Raises:
            SettingsError: the network has none.
        """
        raise SettingsError(f"{type(self).__name__} has no mollified gradient; set `loss.lambda_m` to 0.")

    def thinned(self, rng: np.random.Generator) -> AbstractContextManager[None]:
        """A block in which neurons are left out at random; without dropout it changes nothing.

        Args:
            rng: source of randomness.
        """
        return nullcontext()
