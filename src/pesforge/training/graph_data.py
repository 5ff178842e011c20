"""Labelled graphs as batches of whole structures: what a message-passing network is trained on."""

import hashlib
from collections.abc import Sequence
from dataclasses import fields
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pesforge.potentials.graphs import Graph, joined
from pesforge.potentials.mace import inputs
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.training.data import Targets


class GraphBatch(NamedTuple):
    """Some structures (B structures, n atoms); energies are without those of the elements.

    Args:
        data: what the network reads.
        structure: (n,) structure of this batch.
        n_atoms, inverse_volume: (B,); 0 in place of 1/V where there is no volume.
        counts: (B, Z) atoms per species.
        energy: (B,) eV.
        forces: (n, 3) eV/Å.
        stress, has_stress: (B, 6) eV/Å³, and which components carry a label; 0 where they do not.
        emphasis: (B, 3) weights of energy, forces and stress beside those of the loss.
    """

    data: dict[str, Tensor]
    structure: Tensor
    n_atoms: Tensor
    inverse_volume: Tensor
    counts: Tensor
    energy: Tensor
    forces: Tensor
    stress: Tensor
    has_stress: Tensor
    emphasis: Tensor


class GraphData(Dataset[GraphBatch]):
    """All structures; an item is the batch of an array of structure numbers.

    Energies of elements are taken off in double precision before anything is rounded.

    Args:
        graphs: one per structure.
        targets: labels of all structures.
        zeros: (Z,) energies of the elements in eV.
        precision: of the tensors, `float64` or `float32`.
    """

    def __init__(self, graphs: Sequence[Graph], targets: Targets, zeros: FloatArray, precision: str) -> None:
        self.graphs, self.dtype = graphs, getattr(torch, precision)
        self.n_atoms = np.array([int(graph.n_atoms.sum()) for graph in graphs], dtype=np.int64)
        self.counts = np.array([np.bincount(graph.species, minlength=len(zeros)) for graph in graphs], dtype=np.float64)
        self.energy = targets.energy - self.counts @ zeros
        self.forces = np.split(targets.forces.reshape(-1, 3), np.cumsum(self.n_atoms)[:-1])
        volumes = np.concatenate([graph.volumes for graph in graphs])
        periodic = np.isfinite(volumes) & (volumes > 0)
        self.inverse_volume = np.where(periodic, 1.0 / np.where(periodic, volumes, 1.0), 0.0)
        stress = targets.stress.reshape(-1, 6)
        self.has_stress = np.isfinite(stress) & periodic[:, None]
        self.stress = np.where(self.has_stress, stress, 0.0)
        self.emphasis = targets.all_emphasis
        self.fingerprint = _fingerprint(graphs, targets, zeros)

    def __len__(self) -> int:
        return len(self.graphs)

    def __getitem__(self, structures: IntArray) -> GraphBatch:
        """The batch of the structures with these numbers, in this order."""

        def real(array: FloatArray) -> Tensor:
            return torch.as_tensor(array, dtype=self.dtype)

        graph = joined([self.graphs[index] for index in structures])
        return GraphBatch(
            data=inputs(graph, self.counts.shape[1], torch.device("cpu"), self.dtype),
            structure=torch.from_numpy(graph.structure),
            n_atoms=torch.as_tensor(self.n_atoms[structures], dtype=self.dtype),
            inverse_volume=real(self.inverse_volume[structures]),
            counts=real(self.counts[structures]),
            energy=real(self.energy[structures]),
            forces=real(np.concatenate([self.forces[index] for index in structures])),
            stress=real(self.stress[structures]),
            has_stress=torch.from_numpy(self.has_stress[structures]),
            emphasis=real(self.emphasis[structures]),
        )


def _fingerprint(graphs: Sequence[Graph], targets: Targets, zeros: FloatArray) -> str:
    """Digest of all numbers that training sees."""
    content = hashlib.sha256()
    arrays = [getattr(graph, field.name) for graph in graphs for field in fields(graph)]
    for array in (*arrays, targets.energy, targets.forces, targets.stress, targets.all_emphasis, zeros):
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()
