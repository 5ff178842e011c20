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
"""Share of errors left out that are to lie within one standard deviation."""
CHUNK_ROWS = 1024
"""Rows whose leverages are computed at once."""


@dataclass(frozen=True)
class Uncertainty:
    """What a linear potential says about its own error on one structure.

    Attributes:
        energy_sigma_ev: standard deviation of the energy of the structure in eV.
        leverage: (n,) leverage x H⁻¹ xᵀ of the energy row of each atom: how little the labels say about its
            surroundings. Large beside that of training atoms means extrapolation.
        force_sigma_ev_per_ang: (n, 3) standard deviations of the forces in eV/Å; None where they were not asked for.
        stress_sigma_ev_per_ang3: (6,) those of the stress in eV/Å³ (xx, yy, zz, yz, xz, xy); None where they were not
            asked for, without a periodic cell, or where no stress was fitted.
    """

    energy_sigma_ev: float
    leverage: FloatArray
    force_sigma_ev_per_ang: FloatArray | None = None
    stress_sigma_ev_per_ang3: FloatArray | None = None


@dataclass(frozen=True)
class Posterior:
    """The posterior covariance of the coefficients up to a factor: H⁻¹ = W Wᵀ in the units of the coefficients.

    The factor comes from left-out errors and not from the evidence, which takes misfit for noise: among the training
    structures, each predicted without its group, 68.3 % have an error within one standard deviation. It is one number
    for the energies of all structures and one for all forces; families that no label belongs to are worse than it says.

    Attributes:
        whitening: W (K + Z, R), functions first, then the energy zeros of the species.
        scale: standard deviation of an energy row of leverage 1, in eV.
        force_scale: the same of a force row, in eV; None: not known.
        stress_scale: the same of a stress row, in eV; None: no stress was fitted.
    """

    whitening: FloatArray
    scale: float
    force_scale: float | None = None
    stress_scale: float | None = None

    def __post_init__(self) -> None:
        scales = [scale for scale in (self.scale, self.force_scale, self.stress_scale) if scale is not None]
        if (
            self.whitening.ndim != 2
            or not np.isfinite(self.whitening).all()
            or not all(0 <= s < np.inf for s in scales)
        ):
            raise DataError(
                "the posterior needs a matrix of finite numbers and finite scales; fit the potential again."
            )

    def leverage(self, rows: FloatArray) -> FloatArray:
        """Leverages (R,) of rows (R, K + Z): invariants, and 1 at the species of the atom."""
        whitened = rows @ self.whitening
        return np.asarray(np.einsum("rp,rp->r", whitened, whitened))

    def of(self, rows: FloatArray) -> Uncertainty:
        """Uncertainty of the structure whose atoms have these rows (n, K + Z)."""
        total = float(self.leverage(rows.sum(axis=0, keepdims=True))[0])
        return Uncertainty(self.scale * float(np.sqrt(total)), self.leverage(rows))

    def deviations(self, force_rows: FloatArray, stress_rows: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """Standard deviations of forces (n, 3) in eV/Å and of the stress (6,) in eV/Å³, None where it has none.

        Args:
            force_rows: negative derivatives of the summed invariants by the positions, (3n, K) in 1/Å.
            stress_rows: their derivatives by strain over the volume, (6, K) in 1/Å³; NaN without a periodic cell.

        Raises:
            DataError: the posterior was stored without a scale of force errors.
        """
        if self.force_scale is None:
            raise DataError("this potential was stored without the scale of its force errors; fit it again.")
        functions = self.whitening[: force_rows.shape[1]]
        starts = range(0, len(force_rows), CHUNK_ROWS)
        squares = [np.sum((force_rows[first : first + CHUNK_ROWS] @ functions) ** 2, axis=1) for first in starts]
        forces = self.force_scale * np.sqrt(np.concatenate(squares).reshape(-1, 3))
        if self.stress_scale is None or not np.isfinite(stress_rows).all():
            return forces, None
        return forces, self.stress_scale * np.linalg.norm(stress_rows @ functions, axis=1)

    def save(self, folder: Path) -> None:
        """Write `posterior.safetensors`, in single precision: leverages need no more."""
        scales = {"scale": self.scale, "force_scale": self.force_scale, "stress_scale": self.stress_scale}
        tensors = {name: np.array([value]) for name, value in scales.items() if value is not None}
        save_file({"whitening": np.ascontiguousarray(self.whitening.astype(np.float32)), **tensors}, folder / TENSORS)

    @classmethod
    def load(cls, folder: Path) -> "Posterior":
        """The posterior that `save` wrote."""
        tensors = load_file(folder / TENSORS)
        whitening = tensors.pop("whitening").astype(np.float64)
        return cls(whitening, **{name: float(value[0]) for name, value in tensors.items()})


def quantile_scale(errors: FloatArray, leverage: FloatArray) -> float:
    """The factor of √h that 68.3 % of the errors lie within.

    Args:
        errors: (R,) errors of labels that the fit has not seen.
        leverage: (R,) their leverages h by that fit.
    """
    return float(np.quantile(np.abs(errors) / np.sqrt(np.maximum(leverage, np.finfo(np.float64).tiny)), COVERAGE))


def posterior_of(factor: Factor, energy_rows: FloatArray, left_out: FloatArray) -> Posterior:
    """The posterior of a fit, with the scale of energies alone.

    Args:
        factor: its factorised normal equations, P unknowns.
        energy_rows: scaled, unweighted rows (S, P) of energies per atom.
        left_out: (S,) errors of these energies in eV/atom without the structure's group.
    """
    half = factor.half(energy_rows)
    own = np.einsum("ps,ps->s", half, half)
    outside = own / np.maximum(1.0 - factor.weights.energy * own, np.finfo(np.float64).eps)
    return Posterior(whitening_of(factor), quantile_scale(left_out, outside))


def whitening_of(factor: Factor) -> FloatArray:
    """W (P, R) with H⁻¹ = W Wᵀ in the units of the coefficients, for rows of invariants that are not centred."""
    whitening: FloatArray = scipy.linalg.solve_triangular(
        factor.cholesky, np.diag(factor.scale), lower=True, check_finite=False
    ).T
    centre = factor.centring.functions[:, factor.columns]
    n_species, functions = centre.shape
    whitening[-n_species:] -= centre @ whitening[:functions]
    return np.ascontiguousarray(whitening)
