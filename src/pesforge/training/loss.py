"""Loss of a network: squared errors of energy, force and stress, and the regulariser Reg-M of the head.

    L = w_E <(ΔE/n)²> + w_F <ΔF²> + w_S <Δσ²> + λ_M R

with means over structures, force components and labelled stress components, each square times the emphasis of its
structure; weight decay belongs to the optimiser.
"""

from functools import cache
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pesforge.representations.arrays import FloatArray
from pesforge.training.config import LossConfig
from pesforge.training.data import Batch
from pesforge.training.network import LabelledBatch, Prediction
from pesforge.training.pulls import changes_of, forces_of

BUMP_NODES = 4097


class Head(Protocol):
    """Energies per atom (…, n) and their derivatives (…, n, P) by the projections (…, n, P)."""

    def __call__(self, rho: Tensor) -> tuple[Tensor, Tensor]: ...


def predict(head: Head, batch: Batch) -> Prediction:
    """Energies, forces and stresses of the head."""
    energies, gradient = head(batch.rho)
    size = len(batch.n_atoms)
    virial = torch.einsum("nvp,np->nv", batch.strain, gradient)
    stress = virial.new_zeros(size, 6).index_add(0, batch.structure, virial) * batch.inverse_volume[:, None]
    return Prediction(
        energy=energies.new_zeros(size).index_add(0, batch.structure, energies),
        forces=forces_of(batch, gradient),
        stress=stress,
    )


def zero_solver(batch: LabelledBatch) -> Tensor:
    """Matrix (Z, B) that turns energy residuals per atom into energy zeros per species by least squares.

    With one composition the zero is the mean residual, structures weighing by their emphasis; where compositions do
    not tell species apart, the solution of least norm is taken. Use: `zero_solver(batch) @ (residual / batch.n_atoms)`.
    """
    root = batch.emphasis[:, :1].sqrt()
    return torch.linalg.pinv(root * batch.counts / batch.n_atoms[:, None], rtol=1e-10) * root.T


def _residuals(prediction: Prediction, batch: LabelledBatch, zeros: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Residuals of energies per atom (B,), forces (n, 3) and labelled stresses, times the roots of the emphasis."""
    energy, force, stress = batch.emphasis.sqrt().T
    return (
        energy * (prediction.energy + batch.counts @ zeros - batch.energy) / batch.n_atoms,
        force[batch.structure][:, None] * (prediction.forces - batch.forces),
        (stress[:, None] * (prediction.stress - batch.stress))[batch.has_stress],
    )


def mean_squares(prediction: Prediction, batch: LabelledBatch, zeros: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean squared errors of energy (eV/atom)², force (eV/Å)² and stress (eV/Å³)²; 0 for stress without any label.

    Args:
        prediction: of the network.
        batch: labels.
        zeros: (Z,) energy zeros in eV.
    """
    energy, forces, stress = _residuals(prediction, batch, zeros)
    return energy.square().mean(), forces.square().mean(), stress.square().sum() / max(len(stress), 1)


def data_loss(prediction: Prediction, batch: LabelledBatch, zeros: Tensor, config: LossConfig) -> Tensor:
    """The weighted squared errors, without regulariser."""
    energy, force, stress = mean_squares(prediction, batch, zeros)
    return config.w_energy * energy + config.w_force * force + config.w_stress * stress


def weighted_residuals(
    prediction: Prediction, batch: LabelledBatch, zeros: Tensor, config: LossConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Residuals of energies, forces and labelled stresses whose squares sum up to `data_loss`."""
    energy, forces, stress = _residuals(prediction, batch, zeros)
    return (
        (config.w_energy / len(energy)) ** 0.5 * energy,
        (config.w_force / forces.numel()) ** 0.5 * forces.flatten(),
        (config.w_stress / max(len(stress), 1)) ** 0.5 * stress,
    )


@cache
def _bump_quantiles() -> tuple[FloatArray, FloatArray]:
    """Cumulative distribution of exp(-1/(1 - x²)) on [-1, 1], and its nodes."""
    x = np.linspace(-1.0, 1.0, BUMP_NODES)
    density = np.zeros_like(x)
    density[1:-1] = np.exp(-1.0 / (1.0 - x[1:-1] ** 2))
    cumulative = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return cumulative / cumulative[-1], x


def mollifier_samples(kernel: str, width_ang: float, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Independent displacements in Å, distributed as the mollifier φ.

    Args:
        kernel: `gaussian` (φ ∝ exp(-x²/2σ²)) or `bump` (φ ∝ exp(-1/(1 - x²/ε²)) inside |x| < ε, 0 outside).
        width_ang: σ or ε in Å.
        shape: of the result.
        rng: source of randomness.
    """
    if kernel == "gaussian":
        return rng.normal(0.0, width_ang, shape)
    cumulative, nodes = _bump_quantiles()
    return np.asarray(width_ang * np.interp(rng.random(shape), cumulative, nodes))


def mollified_gradient(head: Head, batch: Batch, displacements: Tensor) -> Tensor:
    """Reg-M: mean over atoms and samples of ‖∂Ê/∂r‖² in (eV/Å)² of the head at displaced positions.

    The integral ∫ ‖∂Ê/∂r‖² φ(r) dr is estimated by Monte Carlo over r + ξ with ξ drawn from φ for every Cartesian
    coordinate. Two choices make it fit cached descriptors. The projections are displaced to first order, ρ + J ξ with
    the cached J = ∂ρ/∂r, and J itself is taken at the undisplaced positions: the curvature of the head is sampled, the
    curvature of the invariants is not. Only the head is regularised, since the linear potential below it has a prior of
    its own and its forces are no noise. The mean over atoms instead of the sum keeps the weight independent of the size
    of the cell.

    Args:
        head: the network.
        batch: structures.
        displacements: (samples, n, 3) ξ in Å.
    """
    _, gradient = head(batch.rho + changes_of(batch, displacements))
    return forces_of(batch, gradient).square().sum(dim=-1).mean()
