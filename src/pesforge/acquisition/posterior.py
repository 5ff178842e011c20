"""The posterior covariance of a linear potential as labels are promised to it, without factorising anything again."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.linalg

from pesforge.potentials.normal import Factor
from pesforge.representations.arrays import FloatArray


@dataclass(frozen=True)
class Posterior:
    """The covariance S = H⁻¹ = W Wᵀ of the scaled unknowns, in units of the variance of a residual of weight 1.

    It depends on rows alone and not on labels: what a label will teach is known before it is made.

    Args:
        root: W (P, P).
    """

    root: FloatArray

    @classmethod
    def of(cls, factor: Factor) -> Self:
        """The posterior of a fit."""
        inverse = scipy.linalg.solve_triangular(
            factor.cholesky, np.eye(len(factor.cholesky)), lower=True, check_finite=False
        )
        return cls(np.ascontiguousarray(inverse.T))

    def whiten(self, rows: FloatArray) -> FloatArray:
        """Rows (…, P) times W: their products are covariances, their squared norms variances."""
        whitened: FloatArray = rows @ self.root
        return whitened

    def variance(self, rows: FloatArray) -> FloatArray:
        """Variances x S xᵀ (…) of rows x (…, P)."""
        whitened = self.whiten(rows)
        return np.asarray(np.einsum("...p,...p->...", whitened, whitened))

    def after(self, rows: FloatArray) -> Self:
        """The posterior once labels of these weighted rows B (R, P) are known.

        With the singular values B W = U s Vᵀ, S′ = (S⁻¹ + Bᵀ B)⁻¹ has the root W′ = W − W V (1 − (1 + s²)^(−1/2)) Vᵀ.
        """
        _, singular, right = scipy.linalg.svd(self.whiten(rows), full_matrices=False, check_finite=False)
        shrinkage = 1.0 - 1.0 / np.sqrt(1.0 + singular**2)
        return type(self)(self.root - (self.root @ right.T * shrinkage) @ right)
