"""Classical potentials as trainable networks: bonds as tensors, and one formula shared with the stored potential."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
import torch
from ase import Atoms
from torch import Tensor, nn

from pesforge.potentials.bonds import Bonds
from pesforge.potentials.classical import ClassicalPotential, Form
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.training.network import Network, Prediction

KEPT_BATCHES = 4
"""Batches that stay joined: a run asks for the same whole training and validation sets in every epoch."""
VOIGT = [0, 4, 8, 5, 2, 1]
"""Places of xx, yy, zz, yz, xz, xy among the nine components of a tensor."""
INDICES = ("first", "second", "long", "side")


class TorchFunctions:
    """The functions of `pesforge.potentials.bonds.Functions` in torch."""

    exp, log, log1p = staticmethod(torch.exp), staticmethod(torch.log), staticmethod(torch.log1p)
    sqrt, abs, sign = staticmethod(torch.sqrt), staticmethod(torch.abs), staticmethod(torch.sign)

    @staticmethod
    def clip(x: Tensor, low: float | None, high: float | None) -> Tensor:
        """`x` held within limits; None: no limit."""
        return torch.clip(x, low, high)

    @staticmethod
    def numbers(count: int) -> Tensor:
        """(count,) 0.0, 1.0, …, count − 1."""
        return torch.arange(count, dtype=torch.float64)

    @staticmethod
    def total(values: Tensor, index: Tensor, size: int) -> Tensor:
        """Sums (size, …) of the rows of `values` that share an index."""
        return values.new_zeros(size, *values.shape[1:]).index_add(0, index, values)


class BondBatch(NamedTuple):
    """Some structures (B structures, n atoms) with their bonds; labels are whole energies, forces and stresses.

    Args:
        bonds: of all structures together.
        vector: (P, 3) bonds in Å.
        bond_counts: (B,) bonds of every structure.
        structure: (n,) structure of this batch.
        n_atoms, inverse_volume: (B,); 0 in place of 1/V where there is no volume.
        counts: (B, Z) atoms per species.
        energy: (B,) eV.
        forces: (n, 3) eV/Å.
        stress, has_stress: (B, 6) eV/Å³, and which components carry a label; 0 where they do not.
        emphasis: (B, 3) weights of energy, forces and stress beside those of the loss: 1.
    """

    bonds: Bonds
    vector: Tensor
    bond_counts: list[int]
    structure: Tensor
    n_atoms: Tensor
    inverse_volume: Tensor
    counts: Tensor
    energy: Tensor
    forces: Tensor
    stress: Tensor
    has_stress: Tensor
    emphasis: Tensor


class BondData:
    """Labelled structures as bonds, found once; an item is the batch of an array of structure numbers.

    Args:
        frames: structures with energy, forces and perhaps stress in their calculators.
        form: functional form, which finds bonds and angles.

    Raises:
        DataError: an element has no parameters, or atoms coincide.
    """

    def __init__(self, frames: Sequence[Atoms], form: Form) -> None:
        self.bonds = [form.bonds(atoms) for atoms in frames]
        self.n_atoms = np.array([len(atoms) for atoms in frames], dtype=np.int64)
        periodic = [bool(atoms.pbc.all()) for atoms in frames]
        self.inverse_volume = np.array(
            [1.0 / atoms.get_volume() if flag else 0.0 for atoms, flag in zip(frames, periodic, strict=True)]
        )
        self.counts = np.array([found.atom_species.sum(axis=0) for found in self.bonds])
        labels = [atoms.calc.results for atoms in frames]
        self.energy = np.array([found["energy"] for found in labels])
        self.forces = [np.asarray(found["forces"], dtype=np.float64) for found in labels]
        self.has_stress = np.array([["stress" in found] * 6 for found in labels])
        self.stress = np.array([found.get("stress", np.zeros(6)) for found in labels], dtype=np.float64)
        self.fingerprint = self._fingerprint()
        self._batches: OrderedDict[bytes, BondBatch] = OrderedDict()

    def _fingerprint(self) -> str:
        content = hashlib.sha256()
        distances = [array for found in self.bonds for array in (found.first, found.distance, *found.constants)]
        for array in (*distances, self.energy, *self.forces, self.stress, self.counts):
            content.update(np.ascontiguousarray(array).tobytes())
        return content.hexdigest()

    def __len__(self) -> int:
        return len(self.n_atoms)

    def __getitem__(self, structures: IntArray) -> BondBatch:
        """The batch of the structures with these numbers, in this order."""
        key = np.asarray(structures, dtype=np.int64).tobytes()
        if key not in self._batches:
            self._batches[key] = self._batch(structures)
        self._batches.move_to_end(key)
        while len(self._batches) > KEPT_BATCHES:
            self._batches.popitem(last=False)
        return self._batches[key]

    def _batch(self, structures: IntArray) -> BondBatch:
        sizes = self.n_atoms[structures]
        bonds = joined([self.bonds[s] for s in structures])
        return BondBatch(
            bonds=bonds,
            vector=bonds.unit * bonds.distance[:, None],
            bond_counts=[len(self.bonds[s].first) for s in structures],
            structure=torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes)),
            n_atoms=torch.from_numpy(sizes.astype(np.float64)),
            inverse_volume=torch.from_numpy(self.inverse_volume[structures]),
            counts=torch.from_numpy(self.counts[structures]),
            energy=torch.from_numpy(self.energy[structures]),
            forces=torch.from_numpy(np.concatenate([self.forces[s] for s in structures])),
            stress=torch.from_numpy(self.stress[structures]),
            has_stress=torch.from_numpy(self.has_stress[structures]),
            emphasis=torch.ones(len(sizes), 3, dtype=torch.float64),
        )


def joined(parts: Sequence[Bonds]) -> Bonds:
    """The bonds of several structures in numpy as those of one set of atoms in torch."""
    atoms = np.cumsum([0, *(len(part.atom_species) for part in parts)])
    pairs = np.cumsum([0, *(len(part.first) for part in parts)])
    starts = {"first": atoms, "second": atoms, "long": pairs, "side": pairs}
    values: dict[str, Any] = {}
    for name in (field.name for field in fields(Bonds)):
        if name == "constants":
            continue
        arrays = [getattr(part, name) for part in parts]
        if name in INDICES:
            arrays = [array + start for array, start in zip(arrays, starts[name], strict=False)]
        values[name] = torch.from_numpy(np.concatenate(arrays))
    columns = zip(*(part.constants for part in parts), strict=True)
    return Bonds(**values, constants=tuple(torch.from_numpy(np.concatenate(column)) for column in columns))


class ClassicalNetwork(Network):
    """A functional form with trainable parameters.

    Args:
        form: functional form.
        start: first values of its parameters.
    """

    def __init__(self, form: Form, start: Mapping[str, FloatArray]) -> None:
        super().__init__()
        self.form = form
        self.values = nn.ParameterDict(
            {name: nn.Parameter(torch.from_numpy(np.array(array, dtype=np.float64))) for name, array in start.items()}
        )

    def predict(self, batch: BondBatch) -> Prediction:
        """Energies, forces and stresses of a batch, without the energy zeros."""
        bonds, size = batch.bonds, len(batch.n_atoms)
        energies, pulls = self.form.energies(TorchFunctions(), dict(self.values.items()), bonds)
        zero = pulls.new_zeros(len(batch.structure), 3)
        stress = pulls.new_zeros(size, 6)
        if batch.has_stress.any():
            parts = zip(pulls.split(batch.bond_counts), batch.vector.split(batch.bond_counts), strict=True)
            virial = torch.stack([pull.T @ vector for pull, vector in parts])
            symmetric = ((virial + virial.mT) / 2.0).reshape(size, 9)
            stress = symmetric[:, VOIGT] * batch.inverse_volume[:, None]
        return Prediction(
            energy=energies.new_zeros(size).index_add(0, batch.structure, energies),
            forces=zero.index_add(0, bonds.first, pulls) - zero.index_add(0, bonds.second, pulls),
            stress=stress,
        )

    def export(self, zeros: Mapping[str, float]) -> ClassicalPotential:
        """The potential with the present parameters and the given energy zeros in eV."""
        values = {name: value.detach().numpy().copy() for name, value in self.values.items()}
        return ClassicalPotential(self.form, values, dict(zeros))
