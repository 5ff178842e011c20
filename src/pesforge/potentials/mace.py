"""A trained message-passing network as a potential: evaluation in double precision, stored without any pickle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

import numpy as np
from ase import Atoms
from pydantic import ValidationError

from pesforge.errors import DataError
from pesforge.potentials.graphs import Graph, graph_of
from pesforge.potentials.mace_network import (
    MaceArchitecture,
    build_network,
    learned,
    load_learned,
    set_zeros,
    zeros_of,
)
from pesforge.potentials.model import knows_nothing
from pesforge.representations.arrays import FloatArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

PARAMETERS = "mace.safetensors"
Device = Literal["auto", "cpu", "cuda"]


def pick_device(wanted: Device) -> "torch.device":
    """The device of a run: for `auto` the GPU where there is one.

    Raises:
        DataError: a GPU is asked for, and PyTorch sees none.
    """
    import torch

    present = torch.cuda.is_available()
    if wanted == "cuda" and not present:
        raise DataError(
            "PyTorch sees no CUDA device. Leave `device` at auto, or install PyTorch with CUDA and its driver."
        )
    return torch.device("cuda" if wanted != "cpu" and present else "cpu")


def inputs(graph: Graph, n_species: int, device: "torch.device", dtype: "torch.dtype") -> "dict[str, Tensor]":
    """The tensors that the network reads."""
    import torch

    def real(array: FloatArray) -> "Tensor":
        return torch.as_tensor(array, dtype=dtype, device=device)

    elements = torch.as_tensor(graph.species, device=device)
    cells = real(graph.cells)
    structure = torch.as_tensor(graph.structure, device=device)
    shifts = real(graph.shifts)
    sender = torch.as_tensor(graph.sender, device=device)
    return {
        "positions": real(graph.positions),
        "node_attrs": torch.nn.functional.one_hot(elements, n_species).to(dtype),
        "edge_index": torch.stack([sender, torch.as_tensor(graph.receiver, device=device)]),
        "shifts": torch.einsum("es,esx->ex", shifts, cells[structure[sender]]),
        "unit_shifts": shifts,
        "cell": cells.reshape(-1, 3),
        "batch": structure,
        "ptr": torch.as_tensor(np.concatenate([[0], np.cumsum(graph.n_atoms)]), device=device),
    }


def run_network(network: "nn.Module", data: "dict[str, Tensor]", *, training: bool) -> "tuple[Tensor, Tensor, Tensor]":
    """Energies of atoms (n,) in eV, forces (n, 3) in eV/Å, and dE/dε (S, 6) in eV of every structure.

    Args:
        network: the network.
        data: what `inputs` gave.
        training: keep what a gradient of a loss on forces needs.
    """
    given = {**data, "positions": data["positions"].detach().clone()}
    found = network(given, training=training, compute_force=True, compute_virials=True)
    virials = -found["virials"]
    symmetric = (virials + virials.transpose(1, 2)) / 2
    rows, columns = (0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)
    return found["node_energy"].to(found["forces"].dtype), found["forces"], symmetric[:, rows, columns]


@dataclass(frozen=True, eq=False)
class MacePotential:
    """A message-passing network with its architecture.

    Attributes:
        architecture: everything but the numbers.
        network: of this architecture, in double precision.
        trained: precision of the training, `float32` or `float64`.
        device: where it is evaluated; `auto`: on a GPU where there is one.
    """

    architecture: MaceArchitecture
    network: "nn.Module" = field(repr=False)
    trained: str
    device: Device = "auto"
    kind: str = field(default="mace", init=False)

    @property
    def species(self) -> tuple[str, ...]:
        """Chemical symbols that have parameters."""
        return self.architecture.species

    @property
    def zeros(self) -> dict[str, float]:
        """Energy of every element in eV."""
        return zeros_of(self.network, self.species)

    @property
    def n_parameters(self) -> int:
        """Number of trained parameters."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    @cached_property
    def _placed(self) -> "torch.device":
        device = pick_device(self.device)
        self.network.to(device).requires_grad_(False).eval()
        return device

    def uncertainty(self, atoms: Atoms, *, forces: bool = False) -> NoReturn:
        """Refuse: one set of parameters by gradients says nothing of its own errors.

        Raises:
            DataError: always.
        """
        knows_nothing(self.kind)

    def evaluate(self, atoms: Atoms) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Energies of atoms (n,) in eV, forces (n, 3) in eV/Å, and stress (6,) in eV/Å³, NaN without a periodic cell.

        Raises:
            DataError: an element has no parameters, or atoms coincide.
        """
        import torch

        index = {symbol: number for number, symbol in enumerate(self.species)}
        graph = graph_of(atoms, index, self.architecture.cutoff_ang)
        data = inputs(graph, len(self.species), self._placed, torch.float64)
        energies, forces, virial = (
            part.detach().cpu().numpy() for part in run_network(self.network, data, training=False)
        )
        return energies, forces, virial[0] / graph.volumes[0]

    def facts(self) -> Mapping[str, Any]:
        """Plain values that head the model card."""
        return {
            "cutoff in Å": self.architecture.cutoff_ang,
            "interactions": self.architecture.layers,
            "reach in Å": self.architecture.layers * self.architecture.cutoff_ang,
            "channels": self.architecture.channels,
            "parameters": self.n_parameters,
            "precision": f"trained in {self.trained}, evaluated in float64",
            "energy zeros in eV": self.zeros,
        }

    def write(self, folder: Path) -> Mapping[str, Any]:
        """Write `mace.safetensors`; return what `read` needs beside it."""
        from safetensors.torch import save_file

        save_file(learned(self.network), folder / PARAMETERS)
        return {"architecture": self.architecture.model_dump(mode="json"), "trained": self.trained}

    @classmethod
    def read(cls, folder: Path, described: Mapping[str, Any]) -> Self:
        """The potential that `write` stored, from its file and from the values that it returned.

        Raises:
            DataError: mace-torch is not installed, or the parameters do not fit the architecture.
        """
        from safetensors.torch import load_file

        architecture = read_architecture(described["architecture"], str(folder))
        tensors = load_file(folder / PARAMETERS)
        return cls(architecture, restored(architecture, tensors, PARAMETERS), str(described["trained"]))


def read_architecture(values: Any, source: str) -> MaceArchitecture:
    """An architecture from plain values.

    Raises:
        DataError: a value is missing, unknown or out of range; the message names each.
    """
    try:
        return MaceArchitecture.model_validate(values)
    except ValidationError as error:
        mistakes = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False)]
        raise DataError(f"{source}: the architecture is not usable: {'; '.join(mistakes)}.") from error


def restored(architecture: MaceArchitecture, tensors: "Mapping[str, Tensor]", source: str) -> "nn.Module":
    """A network in double precision with stored parameters; its constants are computed, not read.

    Raises:
        DataError: the parameters do not fit the architecture.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        network = build_network(architecture, dict.fromkeys(architecture.species, 0.0), "float64")
    load_learned(network, tensors, source)
    return network


def shifted(potential: MacePotential, zeros: Mapping[str, float]) -> MacePotential:
    """The potential with other energies of its elements in eV; it owns a network of its own."""
    network = restored(potential.architecture, learned(potential.network), "network")
    set_zeros(network, zeros, potential.species)
    return MacePotential(potential.architecture, network, potential.trained, potential.device)
