"""Posterior of a linear potential: how far a structure lies from what the labels decide."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.linalg
from safetensors.numpy import load_file, save_file

from pesforge.errors import DataError
from pesforge.potentials.normal import Factor
from pesforge.representations.arrays import FloatArray

TENSORS = "posterior.safetensors"
COVERAGE = 0.683
"""Share of structures left out whose energy errors are to lie within one standard deviation."""


@dataclass(frozen=True)
class Uncertainty:
    """What a linear potential says about its own error on one structure.

    Attributes:
        energy_sigma_ev: standard deviation of the energy of the structure in eV.
        leverage: (n,) leverage x H⁻¹ xᵀ of the energy row of each atom: how little the labels say about its
            surroundings. Large beside that of training atoms means extrapolation.
    """

    energy_sigma_ev: float
    leverage: FloatArray


@dataclass(frozen=True)
class Posterior:
    """The posterior covariance of the coefficients up to a factor: H⁻¹ = W Wᵀ in the units of the coefficients.

    The factor comes from left-out energies and not from the evidence, which takes misfit for noise: among the training
    structures, each predicted without its group, 68.3 % have an error within one standard deviation. It is one number
    for all structures; families that no label belongs to are worse than it says.

    Attributes:
        whitening: W (K + Z, R), functions first, then the energy zeros of the species.
        scale: standard deviation of an energy row of leverage 1, in eV.
    """

    whitening: FloatArray
    scale: float

    def __post_init__(self) -> None:
        if self.whitening.ndim != 2 or not np.isfinite(self.whitening).all() or not 0 <= self.scale < np.inf:
            raise DataError(
                "the posterior needs a matrix of finite numbers and a finite scale; fit the potential again."
            )

    def leverage(self, rows: FloatArray) -> FloatArray:
        """Leverages (R,) of rows (R, K + Z): invariants, and 1 at the species of the atom."""
        whitened = rows @ self.whitening
        return np.asarray(np.einsum("rp,rp->r", whitened, whitened))

    def of(self, rows: FloatArray) -> Uncertainty:
        """Uncertainty of the structure whose atoms have these rows (n, K + Z)."""
        total = float(self.leverage(rows.sum(axis=0, keepdims=True))[0])
        return Uncertainty(self.scale * float(np.sqrt(total)), self.leverage(rows))

    def save(self, folder: Path) -> None:
        """Write `posterior.safetensors`, in single precision: leverages need no more."""
        tensors = {"whitening": self.whitening.astype(np.float32), "scale": np.array([self.scale])}
        save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, folder / TENSORS)

    @classmethod
    def load(cls, folder: Path) -> "Posterior":
        """The posterior that `save` wrote."""
        tensors = load_file(folder / TENSORS)
        return cls(tensors["whitening"].astype(np.float64), float(tensors["scale"][0]))


def posterior_of(factor: Factor, energy_rows: FloatArray, left_out: FloatArray) -> Posterior:
    """The posterior of a fit.

    Args:
        factor: its factorised normal equations, P unknowns.
        energy_rows: scaled, unweighted rows (S, P) of energies per atom.
        left_out: (S,) errors of these energies in eV/atom without the structure's group.
    """
    half = factor.half(energy_rows)
    own = np.einsum("ps,ps->s", half, half)
    outside = own / np.maximum(1.0 - factor.weights.energy * own, np.finfo(np.float64).eps)
    scale = float(np.quantile(np.abs(left_out) / np.sqrt(np.maximum(outside, np.finfo(np.float64).tiny)), COVERAGE))
    whitening = scipy.linalg.solve_triangular(factor.cholesky, np.diag(factor.scale), lower=True, check_finite=False).T
    centre = factor.centring.functions[:, factor.columns]
    n_species, functions = centre.shape
    whitening[-n_species:] -= centre @ whitening[:functions]
    return Posterior(np.ascontiguousarray(whitening), scale)
