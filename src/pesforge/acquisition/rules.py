"""What a label is worth: the gains by which candidates are ranked, all from the posterior of the linear model.

S is the posterior covariance in units of the variance of a residual of weight 1, x the row of an energy per atom, w its
weight, B the weighted rows of all labels of a structure. A whitened row is a row times W, with S = W Wᵀ. By the
determinant lemma log det(S⁻¹ + Bᵀ B) − log det S⁻¹ = log det(I + B S Bᵀ), so nothing of size P is factorised.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

import numpy as np
import scipy.linalg

from pesforge.acquisition.blocks import Blocks, derivative_rows, energy_rows
from pesforge.acquisition.posterior import Posterior
from pesforge.potentials.normal import Factor
from pesforge.representations.arrays import FloatArray
from pesforge.representations.design import Design

TRACE_FLOOR = 1e-13
"""Directions that hold less than this share of the mean variance of the reference are left out of it."""


@dataclass(frozen=True)
class Reference:
    """Structures whose mean variance is to fall.

    Args:
        energy: (P, P) mean of xᵀ x over their energies per atom.
        force: (P, P) mean of xᵀ x over their force components.
    """

    energy: FloatArray
    force: FloatArray

    @classmethod
    def of(cls, factor: Factor, design: Design) -> Self:
        """The reference of some structures: a pool, or whatever the potential is made for. Labels are not looked at."""
        energies, forces = energy_rows(factor, design), derivative_rows(factor, design.forces)
        return cls(energies.T @ energies / len(energies), forces.T @ forces / len(forces))

    def energy_target(self, posterior: Posterior) -> FloatArray:
        """(P, r) A with A Aᵀ = Wᵀ G W, G of energies: tr(A Aᵀ) is the mean variance of the reference."""
        return _root(posterior.root.T @ self.energy @ posterior.root)

    def both_target(self, posterior: Posterior) -> FloatArray:
        """The same of energies and forces, each divided by its mean variance of now."""
        energy, force = (posterior.root.T @ gram @ posterior.root for gram in (self.energy, self.force))
        least = np.finfo(np.float64).tiny
        return _root(energy / max(float(np.trace(energy)), least) + force / max(float(np.trace(force)), least))


def _root(matrix: FloatArray) -> FloatArray:
    values, vectors = scipy.linalg.eigh(matrix, check_finite=False)
    large = values > TRACE_FLOOR * max(float(values.sum()), np.finfo(np.float64).tiny)
    root: FloatArray = vectors[:, large] * np.sqrt(values[large])
    return root


BlockGain = Callable[[Sequence[FloatArray], FloatArray], FloatArray]
"""Gains (N,) of whitened blocks (R, P), or per block (n, 3, P) those (n,) of its atoms, for a target (P, r)."""


def log_det(whitened: FloatArray) -> FloatArray:
    """log det(I + Z Zᵀ) of whitened rows Z (…, R, P)."""
    return np.asarray(np.linalg.slogdet(_identity_plus(whitened))[1])


def variance_removed(whitened: FloatArray, target: FloatArray) -> FloatArray:
    """By how much labels of whitened rows Z (…, R, P) lower tr(A Aᵀ): tr[(I + Z Zᵀ)⁻¹ Z A Aᵀ Zᵀ] for a target A (P, r).

    By the identity of Woodbury, S − (S⁻¹ + Bᵀ B)⁻¹ = W Zᵀ (I + Z Zᵀ)⁻¹ Z Wᵀ with Z = B W.
    """
    seen = whitened @ target
    solved = np.linalg.solve(_identity_plus(whitened), seen)
    return np.asarray(np.einsum("...rk,...rk->...", seen, solved))


def mean_variance(whitened: FloatArray) -> FloatArray:
    """Mean variance of whitened rows (…, R, P) in units of their noise."""
    return np.asarray(np.einsum("...rp,...rp->...", whitened, whitened) / whitened.shape[-2])


def _identity_plus(whitened: FloatArray) -> FloatArray:
    covariance = whitened @ np.swapaxes(whitened, -1, -2)
    size = covariance.shape[-1]
    covariance[..., np.arange(size), np.arange(size)] += 1.0
    return covariance


@dataclass(frozen=True)
class Criterion:
    """How one rule sees a structure and an atom.

    Args:
        structures: gains (N,) of whole structures: from the posterior, their blocks and the target.
        atoms: gains (n,) of the atoms of one structure, whose label is its three force components: from whitened force
            rows (n, 3, P) and the target.
        submodular: whether what was promised can only lower the gain of others, so that old gains are upper bounds.
        target: A (P, r) of a rule that lowers variances elsewhere; None: it looks at the candidate alone.
    """

    structures: Callable[[Posterior, Blocks, FloatArray], FloatArray]
    atoms: Callable[[FloatArray, FloatArray], FloatArray]
    submodular: bool
    target: Callable[[Reference, Posterior], FloatArray] | None = None


def _of_blocks(gain: Callable[[FloatArray, FloatArray], FloatArray]) -> Callable[..., FloatArray]:
    def gains(posterior: Posterior, blocks: Blocks, target: FloatArray) -> FloatArray:
        whitened = posterior.whiten(np.concatenate(blocks.rows))
        ends = np.cumsum([len(rows) for rows in blocks.rows])[:-1]
        return np.array([float(gain(block, target)) for block in np.split(whitened, ends)])

    return gains


def _energy_variance(posterior: Posterior, blocks: Blocks, target: FloatArray) -> FloatArray:
    return posterior.variance(blocks.energy)


def _energy_information(posterior: Posterior, blocks: Blocks, target: FloatArray) -> FloatArray:
    information: FloatArray = 0.5 * np.log1p(blocks.energy_weight * posterior.variance(blocks.energy))
    return information


def _half_log_det(whitened: FloatArray, target: FloatArray) -> FloatArray:
    return 0.5 * log_det(whitened)


def _log_det(whitened: FloatArray, target: FloatArray) -> FloatArray:
    return log_det(whitened)


def _mean_variance(whitened: FloatArray, target: FloatArray) -> FloatArray:
    return mean_variance(whitened)


CRITERIA: Mapping[str, Criterion] = MappingProxyType(
    {
        "max_variance": Criterion(_energy_variance, _mean_variance, True),
        "bald": Criterion(_energy_information, _half_log_det, True),
        "bald_block": Criterion(_of_blocks(_half_log_det), _half_log_det, True),
        "d_optimal": Criterion(_of_blocks(_log_det), _log_det, True),
        "i_optimal": Criterion(_of_blocks(variance_removed), variance_removed, False, Reference.energy_target),
        "i_optimal_both": Criterion(_of_blocks(variance_removed), variance_removed, False, Reference.both_target),
    }
)
"""Rules by name; `random` needs none.

- max_variance: x S xᵀ of the energy per atom.
- bald: ½ ln(1 + w x S xᵀ), the information that the energy label gives: σ_e² = x S xᵀ, σ_a² = 1/w.
- bald_block: ½ log det(I + B S Bᵀ), the information of all labels of the structure.
- d_optimal: log det(I + B S Bᵀ), by which log det S⁻¹ grows; twice bald_block, so the picks are the same.
- i_optimal: by how much all labels of the structure lower the mean variance of the energy per atom of a reference.
- i_optimal_both: the same of energies and forces, each relative to its mean variance of now.
"""
