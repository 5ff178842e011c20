"""A network that predicts forces themselves, not as a gradient: the model for which the penalties are there.

    F_i = Σ_c w_c(invariants of i) V_ic,    V_ic = Σ_j φ_k(r_ij) (r_j - r_i) / r_ij over neighbours j of species z

with channels c = (z, k). The weights see the receiving atom alone, so pairs do not pull alike on both ends: the net
force, the net torque and the work along a closed loop are not zero. Energies come from the same invariants and their
derivatives are not the forces. Forces turn with the structure, and everything is smooth up to the second derivative.
It is a control for the checks and for the penalties, and no potential to use.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from torch import Tensor, nn

from pesforge.errors import DataError
from pesforge.representations.arrays import FloatArray
from pesforge.representations.neighbours import check_structure, raw_pairs
from pesforge.training.conservation import net_force_penalty, net_torque_penalty


@dataclass(frozen=True)
class DirectSettings:
    """The network and its training.

    Attributes:
        species: chemical symbols.
        cutoff_ang: reach in Å.
        n_radial: radial functions per neighbour species.
        width: neurons of each of two hidden layers.
        epochs: steps of Adam on all structures, with a rate that falls to zero along a cosine.
        learning_rate: its first rate.
        w_energy: weight of the mean squared energy error per (eV/atom)²; that of force components has 1.
        lambda_force: weight of the net-force penalty.
        lambda_torque: weight of the net-torque penalty.
    """

    species: tuple[str, ...]
    cutoff_ang: float = 4.0
    n_radial: int = 6
    width: int = 24
    epochs: int = 400
    learning_rate: float = 0.01
    w_energy: float = 1.0
    lambda_force: float = 0.0
    lambda_torque: float = 0.0


class PairSums(NamedTuple):
    """Pair sums of n atoms: vectors (n, C, 3), and invariants (n, I) of them, of densities and of the element."""

    vectors: FloatArray
    invariants: FloatArray


def pair_sums(atoms: Atoms, settings: DirectSettings) -> PairSums:
    """Pair sums of a structure: radial functions sin(kπr/r_c)/r, times a cutoff that is smooth to second order.

    Raises:
        DataError: an element is not among the species, or atoms coincide.
    """
    strange = sorted(set(atoms.get_chemical_symbols()) - set(settings.species))
    if strange:
        raise DataError(f"no network for {', '.join(strange)}: it knows {', '.join(settings.species)} only.")
    species = np.array([settings.species.index(symbol) for symbol in atoms.get_chemical_symbols()])
    check_structure(atoms)
    centre, neighbour, _, vector = raw_pairs(atoms, settings.cutoff_ang)
    distance = np.linalg.norm(vector, axis=1)
    x = distance / settings.cutoff_ang
    cutoff = 1.0 - 10.0 * x**3 + 15.0 * x**4 - 6.0 * x**5
    radial = np.sin(np.pi * np.arange(1, settings.n_radial + 1) * x[:, None]) * (cutoff / distance)[:, None]
    shape = (len(atoms), len(settings.species), settings.n_radial)
    vectors, densities = np.zeros((*shape, 3)), np.zeros(shape)
    np.add.at(vectors, (centre, species[neighbour]), radial[:, :, None] * (vector / distance[:, None])[:, None])
    np.add.at(densities, (centre, species[neighbour]), radial)
    flat = vectors.reshape(len(atoms), -1, 3)
    upper = np.triu_indices(flat.shape[1])
    products = np.einsum("ncx,ndx->ncd", flat, flat)[:, upper[0], upper[1]]
    element = np.eye(len(settings.species))[species]
    return PairSums(flat, np.concatenate([densities.reshape(len(atoms), -1), products, element], axis=1))


class DirectNetwork(nn.Module):
    """Weights of the vectors and energies of atoms from their invariants.

    Args:
        vectors: (n, C, 3) of the training structures.
        invariants: (n, I) of the training structures.
        width: neurons of each hidden layer.
    """

    def __init__(self, vectors: FloatArray, invariants: FloatArray, width: int) -> None:
        super().__init__()
        spread = invariants.std(axis=0)
        self.mean: Tensor
        self.scale: Tensor
        self.unit: Tensor
        self.register_buffer("mean", torch.from_numpy(invariants.mean(axis=0)))
        self.register_buffer("scale", torch.from_numpy(np.where(spread > 1e-10, spread, 1.0)))
        size = np.sqrt((vectors**2).mean(axis=(0, 2)))
        self.register_buffer("unit", torch.from_numpy(np.where(size > 1e-10, size, 1.0)))
        self.layers = nn.Sequential(
            nn.Linear(invariants.shape[1], width, dtype=torch.float64),
            nn.SiLU(),
            nn.Linear(width, width, dtype=torch.float64),
            nn.SiLU(),
            nn.Linear(width, vectors.shape[1] + 1, dtype=torch.float64),
        )

    def forward(self, vectors: Tensor, invariants: Tensor) -> tuple[Tensor, Tensor]:
        """Energies (n,) in eV without those of free atoms, and forces (n, 3) in eV/Å."""
        found = self.layers((invariants - self.mean) / self.scale)
        return found[:, -1], torch.einsum("nc,ncx->nx", found[:, :-1] / self.unit, vectors)


@dataclass(frozen=True)
class _Data:
    """Labelled structures as tensors; `energy` is what the zeros of the species leave, in eV."""

    vectors: Tensor
    invariants: Tensor
    positions: Tensor
    structure: Tensor
    n_atoms: Tensor
    energy: Tensor
    forces: Tensor


class DirectCalculator(Calculator):
    """ASE calculator of a direct-force network.

    Args:
        network: trained.
        zeros: (Z,) energies of free atoms in eV.
        settings: of the network.
    """

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self, network: DirectNetwork, zeros: FloatArray, settings: DirectSettings) -> None:
        super().__init__()
        self.network, self.zeros, self.settings = network, zeros, settings

    @torch.no_grad()
    def calculate(
        self, atoms: Any = None, properties: Any = ("energy", "forces"), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        assert isinstance(self.atoms, Atoms)
        sums = pair_sums(self.atoms, self.settings)
        energies, forces = self.network(torch.from_numpy(sums.vectors), torch.from_numpy(sums.invariants))
        constant = float(_counts([self.atoms], self.settings)[0] @ self.zeros)
        self.results = {"energy": float(energies.sum()) + constant, "forces": forces.numpy()}


def fit_direct(frames: Sequence[Atoms], settings: DirectSettings, *, seed: int) -> DirectCalculator:
    """A direct-force network trained on labelled structures.

    Args:
        frames: structures with energies and forces.
        settings: of the network and its training.
        seed: of its first parameters.

    Raises:
        DataError: there is no structure, an element is strange, or a net torque is asked of a periodic structure.
    """
    if not frames:
        raise DataError("there is no structure to train on; give at least one.")
    if settings.lambda_torque and any(atoms.pbc.any() for atoms in frames):
        raise DataError("a periodic structure has no net torque: set `lambda_torque` to 0, or train on clusters alone.")
    counts = _counts(frames, settings)
    energy = np.array([atoms.get_potential_energy() for atoms in frames])
    zeros = np.linalg.lstsq(counts, energy, rcond=None)[0]
    data = _collected(frames, energy - counts @ zeros, settings)
    torch.manual_seed(seed)
    network = DirectNetwork(data.vectors.numpy(), data.invariants.numpy(), settings.width)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs)
    for _ in range(settings.epochs):
        optimizer.zero_grad()
        direct_loss(network, data, settings).backward()
        optimizer.step()
        schedule.step()
    return DirectCalculator(network, zeros, settings)


def direct_loss(network: DirectNetwork, data: _Data, settings: DirectSettings) -> Tensor:
    """Squared errors of force components and of energies per atom, and the penalties that have a weight."""
    energies, forces = network(data.vectors, data.invariants)
    totals = torch.zeros_like(data.energy).index_add(0, data.structure, energies)
    loss = (forces - data.forces).square().mean()
    loss = loss + settings.w_energy * ((totals - data.energy) / data.n_atoms).square().mean()
    if settings.lambda_force:
        loss = loss + settings.lambda_force * net_force_penalty(forces, data.structure, data.n_atoms)
    if settings.lambda_torque:
        penalty = net_torque_penalty(forces, data.positions, data.structure, data.n_atoms)
        loss = loss + settings.lambda_torque * penalty
    return loss


def _counts(frames: Sequence[Atoms], settings: DirectSettings) -> FloatArray:
    """Atoms per species (S, Z)."""
    symbols = [atoms.get_chemical_symbols() for atoms in frames]
    return np.array([[found.count(name) for name in settings.species] for found in symbols], dtype=np.float64)


def _collected(frames: Sequence[Atoms], energy: FloatArray, settings: DirectSettings) -> _Data:
    sums = [pair_sums(atoms, settings) for atoms in frames]
    sizes = np.array([len(atoms) for atoms in frames])
    return _Data(
        vectors=torch.from_numpy(np.concatenate([part.vectors for part in sums])),
        invariants=torch.from_numpy(np.concatenate([part.invariants for part in sums])),
        positions=torch.from_numpy(np.concatenate([atoms.positions for atoms in frames])),
        structure=torch.from_numpy(np.repeat(np.arange(len(frames)), sizes)),
        n_atoms=torch.from_numpy(sizes.astype(np.float64)),
        energy=torch.from_numpy(energy),
        forces=torch.from_numpy(np.concatenate([atoms.get_forces() for atoms in frames])),
    )
