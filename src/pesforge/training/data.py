"""Cached projections as tensors: batches of whole structures, labels as residuals of the linear potential."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from pesforge.errors import DataError
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.projections import ProjectionSet


@dataclass(frozen=True)
class Targets:
    """Labels of S structures with N atoms in all.

    Attributes:
        energy: (S,) total energies in eV.
        forces: (3 N,) in eV/Å, atom-major x, y, z.
        stress: (6 S,) in eV/Å³, ASE's sign and order; NaN where there is none.
        emphasis: (S, 3) weights of the energy, forces and stress of each structure beside those of the loss; None: 1.
    """

    energy: FloatArray
    forces: FloatArray
    stress: FloatArray
    emphasis: FloatArray | None = None

    @property
    def all_emphasis(self) -> FloatArray:
        """(S, 3) weights of the energy, forces and stress of each structure."""
        return np.ones((len(self.energy), 3)) if self.emphasis is None else self.emphasis


class Batch(NamedTuple):
    """Some structures (B structures, n atoms, e edges, P projections); labels are residuals of the linear potential.

    Args:
        rho: (n, P) projections.
        gradient: (e, 3, P) derivative of the projections of `centre` by the position of `neighbour`.
        centre, neighbour: (e,) atoms of this batch.
        strain: (n, 6, P) derivative of the projections by the strain of the cell.
        structure: (n,) structure of this batch.
        n_atoms, inverse_volume: (B,); 0 in place of 1/V where there is no volume.
        counts: (B, Z) atoms per species.
        energy: (B,) eV.
        forces: (n, 3) eV/Å.
        stress, has_stress: (B, 6) eV/Å³, and which components carry a label; 0 where they do not.
        emphasis: (B, 3) weights of energy, forces and stress beside those of the loss.
    """

    rho: Tensor
    gradient: Tensor
    centre: Tensor
    neighbour: Tensor
    strain: Tensor
    structure: Tensor
    n_atoms: Tensor
    inverse_volume: Tensor
    counts: Tensor
    energy: Tensor
    forces: Tensor
    stress: Tensor
    has_stress: Tensor
    emphasis: Tensor


class LabelledData(Protocol):
    """Labelled structures whose items are batches: of an array of structure numbers."""

    @property
    def n_atoms(self) -> IntArray:
        """(S,) atoms per structure."""

    @property
    def fingerprint(self) -> str:
        """Digest of all numbers that training sees."""

    def __len__(self) -> int: ...

    def __getitem__(self, structures: IntArray) -> Any: ...


class ProjectedData(Dataset[Batch]):
    """All structures of a study, seen by the head; an item is the batch of an array of structure numbers.

    The last projection is the energy of the linear potential in eV per atom. Its energies, forces and stresses are
    subtracted from the labels once, so the head learns what the linear potential leaves.

    Args:
        projections: P + 1 projections of S structures.
        targets: labels.
        counts: (S, Z) atoms per species.

    Raises:
        DataError: lengths do not belong together, or an energy or force is not finite.
    """

    def __init__(self, projections: ProjectionSet, targets: Targets, counts: FloatArray) -> None:
        _check(projections, targets, counts)
        self.projections = projections
        self.n_atoms = np.diff(projections.atom_offsets)
        self.counts = np.asarray(counts, dtype=np.float64)
        volumes = projections.volumes
        periodic = np.isfinite(volumes) & (volumes > 0)
        self.inverse_volume = np.where(periodic, 1.0 / np.where(periodic, volumes, 1.0), 0.0)
        self.energy = targets.energy - _scattered(projections.structure, projections.rho[:, -1], len(volumes))
        pull = _scattered(projections.neighbour, projections.gradient[:, :, -1], len(projections.rho))
        self.forces = np.split(targets.forces.reshape(-1, 3) + pull, projections.atom_offsets[1:-1])
        virial = _scattered(projections.structure, projections.strain[:, :, -1], len(volumes))
        stress = targets.stress.reshape(-1, 6) - virial * self.inverse_volume[:, None]
        self.has_stress = np.isfinite(stress) & periodic[:, None]
        self.stress = np.where(self.has_stress, stress, 0.0)
        self.emphasis = targets.all_emphasis
        self.fingerprint = _fingerprint(projections, targets, self.counts)

    def __len__(self) -> int:
        return len(self.n_atoms)

    def __getitem__(self, structures: IntArray) -> Batch:
        """The batch of the structures with these numbers, in this order."""
        part = self.projections.select(structures)
        return Batch(
            rho=torch.from_numpy(part.rho[:, :-1]),
            gradient=torch.from_numpy(np.ascontiguousarray(part.gradient[:, :, :-1])),
            centre=torch.from_numpy(part.centre),
            neighbour=torch.from_numpy(part.neighbour),
            strain=torch.from_numpy(part.strain[:, :, :-1]),
            structure=torch.from_numpy(part.structure),
            n_atoms=torch.from_numpy(self.n_atoms[structures].astype(np.float64)),
            inverse_volume=torch.from_numpy(self.inverse_volume[structures]),
            counts=torch.from_numpy(self.counts[structures]),
            energy=torch.from_numpy(self.energy[structures]),
            forces=torch.from_numpy(np.concatenate([self.forces[s] for s in structures])),
            stress=torch.from_numpy(self.stress[structures]),
            has_stress=torch.from_numpy(self.has_stress[structures]),
            emphasis=torch.from_numpy(self.emphasis[structures]),
        )

    def scaling(self, structures: IntArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation (P,) of the projections over the atoms of some structures.

        A projection that does not vary there gets the scale 1.
        """
        rho = self.projections.select(structures).rho[:, :-1]
        mean, scale = rho.mean(axis=0), rho.std(axis=0)
        varies = scale > 1e-10 * max(float(scale.max()), float(np.abs(mean).max()))
        return mean, np.where(varies, scale, 1.0)


def _scattered(index: IntArray, values: FloatArray, size: int) -> FloatArray:
    """Sums of the rows of `values` that share an index, (size, …)."""
    total = torch.zeros(size, *values.shape[1:], dtype=torch.float64)
    return np.asarray(total.index_add(0, torch.tensor(index), torch.tensor(values)).numpy())


def _fingerprint(projections: ProjectionSet, targets: Targets, counts: FloatArray) -> str:
    """Digest of all numbers that training sees."""
    content = hashlib.sha256()
    arrays = [getattr(projections, field.name) for field in fields(projections)]
    for array in (*arrays, targets.energy, targets.forces, targets.stress, targets.all_emphasis, counts):
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()


def _check(projections: ProjectionSet, targets: Targets, counts: FloatArray) -> None:
    """Raise DataError where projections, labels and counts do not belong together."""
    size, atoms = len(projections.volumes), len(projections.rho)
    expected = {"energy": (size,), "forces": (3 * atoms,), "stress": (6 * size,), "counts": (size, counts.shape[-1])}
    found = {name: getattr(targets, name).shape for name in ("energy", "forces", "stress")} | {"counts": counts.shape}
    wrong = [
        f"{name} has shape {found[name]} instead of {shape}" for name, shape in expected.items() if found[name] != shape
    ]
    if projections.rho.shape[1] < 2:
        wrong.append("there must be at least one projection besides the linear potential")
    wrong += [
        f"{name} labels are not all finite"
        for name in ("energy", "forces")
        if not np.all(np.isfinite(getattr(targets, name)))
    ]
    if wrong:
        raise DataError(
            f"projections and labels do not belong together: {'; '.join(wrong)}. Describe the labels again."
        )


class EpochSampler(Sampler[IntArray]):
    """Batches of structures in an order that depends on the seed and the epoch alone, so that a resumed run repeats it.

    Args:
        structures: (T,) numbers of the structures.
        batch_size: structures per batch; the batches of an epoch differ by one structure at most.
        seed: None keeps the order.
    """

    def __init__(self, structures: IntArray, batch_size: int, seed: int | None) -> None:
        self.structures, self.seed, self.epoch = structures, seed, 0
        self.batches = -(-len(structures) // batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[IntArray]:
        order = self.structures
        if self.seed is not None:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(order)
        yield from np.array_split(order, self.batches)


def loader(data: LabelledData, structures: IntArray, batch_size: int, seed: int | None) -> DataLoader[Any]:
    """Batches of some structures, shuffled in every epoch when a seed is given."""
    return DataLoader(cast(Dataset[Any], data), batch_size=None, sampler=EpochSampler(structures, batch_size, seed))
