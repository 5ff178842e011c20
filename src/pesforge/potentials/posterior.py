"""Posterior of a linear potential: how far a structure lies from what the labels decide."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.linalg
from safetensors.numpy import load_file, save_file

from pesforge.errors import DataError
from pesforge.potentials.normal import Factor
from pesforge.representations.arrays import FloatArray, IntArray

TENSORS = "posterior.safetensors"
COVERAGE = 0.683
"""Share of errors left out that are to lie within one standard deviation."""
CHUNK_ROWS = 1024
"""Rows whose leverages are computed at once."""


@dataclass(frozen=True)
class Trained:
    """Where the training atoms lie in the whitened rows x W, species by species.

    Attributes:
        largest_leverage: largest |x W|² of a training atom.
        centre: (Z, R) mean of x W over the training atoms of each species; zero where there is none.
        distance: root mean square of |x W - centre| over the training atoms.

    Raises:
        DataError: a number is not finite, or not positive.
    """

    largest_leverage: float
    centre: FloatArray
    distance: float

    def __post_init__(self) -> None:
        if not (0 < self.largest_leverage < np.inf and 0 <= self.distance < np.inf and np.isfinite(self.centre).all()):
            raise DataError(
                f"training atoms with a largest leverage of {self.largest_leverage:g} and a distance of "
                f"{self.distance:g} from their mean bound nothing; fit the potential again."
            )


@dataclass(frozen=True)
class Posterior:
    """The posterior covariance of the coefficients up to a factor: H⁻¹ = W Wᵀ in the units of the coefficients.

    The factor comes from left-out errors and not from the evidence, which takes misfit for noise: among the training
    structures, each predicted without its group, 68.3 % have an error within one standard deviation. It is one number
    for the energies of all structures and one for all forces; families that no label belongs to are worse than it says.
    `pesforge.uncertainty.calibrated` says more where it is stored.

    Attributes:
        whitening: W (K + Z, R), functions first, then the energy zeros of the species.
        scale: standard deviation of an energy row of leverage 1, in eV.
        force_scale: the same of a force row, in eV; None: not known.
        stress_scale: the same of a stress row, in eV; None: no stress was fitted.
        trained: where the training atoms lie; None: it was not stored.
    """

    whitening: FloatArray
    scale: float
    force_scale: float | None = None
    stress_scale: float | None = None
    trained: Trained | None = None

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

    def whitened(self, rows: FloatArray) -> FloatArray:
        """x W (R, P) of rows x (R, K + Z): invariants, and 1 at the species of the atom; its squares are leverages."""
        return np.asarray(rows @ self.whitening)

    def leverage(self, rows: FloatArray) -> FloatArray:
        """Leverages (R,) of rows (R, K + Z)."""
        return squares(self.whitened(rows))

    def distances(self, whitened: FloatArray, species: IntArray) -> FloatArray | None:
        """Mahalanobis distances (n,) of atoms from the training atoms of their species, whose root mean square is 1.

        The metric is that of the labels' information, H⁻¹. None where the place of the training atoms was not stored.

        Args:
            whitened: x W (n, R) of the atoms.
            species: (n,) index of their species.
        """
        if self.trained is None or self.trained.distance == 0:
            return None
        return np.asarray(np.sqrt(squares(whitened - self.trained.centre[species])) / self.trained.distance)

    def slope_leverages(self, rows: FloatArray) -> FloatArray:
        """Leverages (R,) of rows of forces or stresses (R, K) in 1/Å or 1/Å³, in 1/Å² or 1/Å⁶."""
        functions = self.whitening[: rows.shape[1]]
        starts = range(0, len(rows), CHUNK_ROWS)
        return np.concatenate([squares(rows[first : first + CHUNK_ROWS] @ functions) for first in starts])

    def save(self, folder: Path) -> None:
        """Write `posterior.safetensors`, in single precision: leverages need no more."""
        scales = {"scale": self.scale, "force_scale": self.force_scale, "stress_scale": self.stress_scale}
        tensors = {name: np.array([value]) for name, value in scales.items() if value is not None}
        if self.trained is not None:
            tensors["largest_leverage"] = np.array([self.trained.largest_leverage])
            tensors["distance"] = np.array([self.trained.distance])
            tensors["centre"] = np.ascontiguousarray(self.trained.centre.astype(np.float32))
        save_file({"whitening": np.ascontiguousarray(self.whitening.astype(np.float32)), **tensors}, folder / TENSORS)

    @classmethod
    def load(cls, folder: Path) -> "Posterior":
        """The posterior that `save` wrote."""
        tensors = load_file(folder / TENSORS)
        whitening = tensors.pop("whitening").astype(np.float64)
        trained = None
        if "centre" in tensors:
            centre = tensors.pop("centre").astype(np.float64)
            trained = Trained(float(tensors.pop("largest_leverage")[0]), centre, float(tensors.pop("distance")[0]))
        scales = {name: float(value[0]) for name, value in tensors.items()}
        return cls(whitening, **scales, trained=trained)

    def seen(self, parts: Iterable[FloatArray], n_species: int) -> "Posterior":
        """The same posterior that knows where the training atoms lie.

        Args:
            parts: rows (n, K + Z) of the atoms of each training structure.
            n_species: Z.

        Raises:
            DataError: there are no structures.
        """
        largest, squared = 0.0, 0.0
        sums, counts = np.zeros((n_species, self.whitening.shape[1])), np.zeros(n_species)
        for rows in parts:
            whitened, own = self.whitened(rows), rows[:, -n_species:]
            leverages = squares(whitened)
            largest, squared = max(largest, float(leverages.max())), squared + float(leverages.sum())
            sums += own.T @ whitened
            counts += own.sum(axis=0)
        centre = sums / np.maximum(counts, 1.0)[:, None]
        spread = max(squared - float(counts @ squares(centre)), 0.0)
        return replace(self, trained=Trained(largest, centre, float(np.sqrt(spread / max(counts.sum(), 1.0)))))


def squares(whitened: FloatArray) -> FloatArray:
    """Squared lengths (R,) of rows (R, P)."""
    return np.asarray(np.einsum("rp,rp->r", whitened, whitened))


def quantile_scale(errors: FloatArray, leverage: FloatArray) -> float:
    """The factor of √h that 68.3 % of the errors lie within.

    Args:
        errors: (R,) errors of labels that the fit has not seen.
        leverage: (R,) their leverages h by that fit.
    """
    return float(np.quantile(np.abs(errors) / np.sqrt(np.maximum(leverage, np.finfo(np.float64).tiny)), COVERAGE))


def whitening_of(factor: Factor) -> FloatArray:
    """W (P, R) with H⁻¹ = W Wᵀ in the units of the coefficients, for rows of invariants that are not centred."""
    whitening: FloatArray = scipy.linalg.solve_triangular(
        factor.cholesky, np.diag(factor.scale), lower=True, check_finite=False
    ).T
    centre = factor.centring.functions[:, factor.columns]
    n_species, functions = centre.shape
    whitening[-n_species:] -= centre @ whitening[:functions]
    return np.ascontiguousarray(whitening)
