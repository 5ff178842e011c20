"""Quadratic head of a potential: a quadratic form of the projections, found in closed form with the linear part."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from pesforge.errors import DataError
from pesforge.io import atomic_path
from pesforge.representations.arrays import FloatArray
from pesforge.representations.quadratic import product_pairs

TENSORS = "quadratic.safetensors"
SYMMETRY_TOLERANCE = 1e-12


@dataclass(frozen=True)
class QuadraticHead:
    """Energy correction per atom h(ρ) = uᵀ S u - mᵀ S m with u = ρ - m, which vanishes for an isolated atom (ρ = 0).

    Attributes:
        mean: m (P,), of the projections in the training structures.
        form: S (P, P) in eV, symmetric.

    Raises:
        DataError: the shapes do not fit together, or S is not symmetric.
    """

    mean: FloatArray
    form: FloatArray

    def __post_init__(self) -> None:
        count = len(self.mean)
        if self.mean.ndim != 1 or self.form.shape != (count, count):
            raise DataError(f"a quadratic form {self.form.shape} does not fit to {self.mean.shape} projections.")
        largest = np.abs(self.form).max(initial=0.0)
        if not np.isfinite(largest) or np.abs(self.form - self.form.T).max(initial=0.0) > SYMMETRY_TOLERANCE * largest:
            raise DataError("the quadratic form of the head must be finite and symmetric; fit the potential again.")

    @classmethod
    def of_products(cls, mean: FloatArray, coefficients: FloatArray) -> "QuadraticHead":
        """The head of coefficients Q_pq (Q,) in eV of the products u_p u_q, in the order of `product_pairs`."""
        first, second = product_pairs(len(mean))
        form = np.zeros((len(mean), len(mean)))
        form[first, second] = coefficients
        return cls(mean, (form + form.T) / 2)

    @property
    def n_inputs(self) -> int:
        """Number P of projections."""
        return len(self.mean)

    @property
    def n_products(self) -> int:
        """Number Q = P (P + 1) / 2 of products."""
        return self.n_inputs * (self.n_inputs + 1) // 2

    @property
    def shift_ev(self) -> float:
        """mᵀ S m in eV, which is taken off every atom."""
        return float(self.mean @ self.form @ self.mean)

    def energies_and_gradient(self, rho: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Energy correction per atom (n,) in eV and its derivative (n, P) by the projections.

        Args:
            rho: (n, P) projections of the invariants of each atom.

        Raises:
            DataError: the number of projections is another one.
        """
        if rho.ndim != 2 or rho.shape[1] != self.n_inputs:
            raise DataError(f"the head takes {self.n_inputs} projections per atom; found shape {rho.shape}.")
        centred = rho - self.mean
        pulled = centred @ self.form
        return np.einsum("ip,ip->i", centred, pulled) - self.shift_ev, 2.0 * pulled

    def products(self, rho: FloatArray) -> FloatArray:
        """Products u_p u_q (n, Q) of the projections (n, P) of each atom, in the order of `product_pairs`."""
        first, second = product_pairs(self.n_inputs)
        centred = rho - self.mean
        return np.asarray(centred[:, first] * centred[:, second])

    def save(self, folder: Path) -> None:
        """Write `quadratic.safetensors` into `folder`, atomically."""
        with atomic_path(folder / TENSORS) as temporary:
            arrays = {"mean": self.mean, "form": self.form}
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)

    @classmethod
    def load(cls, folder: Path) -> "QuadraticHead":
        """The head that `save` wrote into `folder`.

        Raises:
            DataError: the file is missing or damaged.
        """
        try:
            tensors = load_file(folder / TENSORS)
            return cls(tensors["mean"], tensors["form"])
        except (OSError, SafetensorError, KeyError) as error:
            raise DataError(f"{folder}: the quadratic head cannot be read ({error}); fit it again.") from error
