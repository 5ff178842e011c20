"""Several non-linear heads on one linear potential: their mean is the prediction, their spread an uncertainty."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pesforge.errors import DataError
from pesforge.potentials.head import NeuralHead
from pesforge.representations.arrays import FloatArray

STEM = "head_{}"


@dataclass(frozen=True)
class HeadEnsemble:
    """The mean of several heads.

    Attributes:
        members: heads of the same projections, two at least.

    Raises:
        DataError: there are fewer, or they take different projections.
    """

    members: tuple[NeuralHead, ...]

    def __post_init__(self) -> None:
        sizes = {(head.n_inputs, len(head.zeros)) for head in self.members}
        if len(self.members) < 2 or len(sizes) > 1:
            raise DataError("an ensemble needs two heads at least, all of the same projections and species.")

    @property
    def n_inputs(self) -> int:
        """Number P of projections."""
        return self.members[0].n_inputs

    @property
    def zeros(self) -> FloatArray:
        """(Z,) mean energy zero per species in eV."""
        return np.mean([head.zeros for head in self.members], axis=0)

    def energies_and_gradient(self, rho: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean energy correction per atom (n,) in eV and its derivative (n, P) by the projections.

        Args:
            rho: (n, P) projections of the invariants of each atom, unscaled.

        Raises:
            DataError: the number of projections is another one.
        """
        parts = [head.energies_and_gradient(rho) for head in self.members]
        return np.mean([energies for energies, _ in parts], axis=0), np.mean([slope for _, slope in parts], axis=0)

    def save(self, folder: Path) -> None:
        """Write `head_0.safetensors`, `head_0.json`, `head_1…` into `folder`, atomically each."""
        for number, head in enumerate(self.members):
            head.save(folder, STEM.format(number))

    @classmethod
    def load(cls, folder: Path, count: int) -> "HeadEnsemble":
        """The ensemble of `count` heads that `save` wrote into `folder`.

        Raises:
            DataError: a file is missing or damaged.
        """
        return cls(tuple(NeuralHead.load(folder, STEM.format(number)) for number in range(count)))
