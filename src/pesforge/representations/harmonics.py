"""Real spherical harmonics of pair vectors."""

from functools import lru_cache

import numpy as np
import sphericart

from pesforge.representations.arrays import FloatArray


@lru_cache(maxsize=16)
def _calculator(l_max: int) -> sphericart.SphericalHarmonics:
    return sphericart.SphericalHarmonics(l_max)


def spherical_harmonics(vectors: FloatArray, l_max: int) -> tuple[FloatArray, FloatArray]:
    """Values (M, P) and gradients (3, M, P) of the harmonics Y_lm of the directions of P vectors, M = (l_max + 1)².

    Real and orthonormal on the sphere, without the Condon-Shortley phase, m from -l to l at index l² + l + m;
    m = 1 of l = 1 is proportional to x. The gradient is the one by the vector itself, its length included.

    Args:
        vectors: pair vectors in Å, none of length 0, shape (P, 3).
        l_max: largest angular momentum.

    Source: Bigi, Fraux, Browning, Ceriotti, J. Chem. Phys. 159, 064802 (2023).
    """
    values, gradients = _calculator(l_max).compute_with_gradients(np.ascontiguousarray(vectors))
    return np.ascontiguousarray(values.T), np.ascontiguousarray(gradients.transpose(1, 2, 0))
