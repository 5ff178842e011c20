"""Couplings of real spherical harmonics to rotational invariants."""

from functools import lru_cache
from itertools import permutations
from math import factorial, sqrt

import numpy as np

from pesforge.representations.arrays import FloatArray

_RANK_TOLERANCE = 1e-6
"""Relative singular value below which a coupling depends on the others; true zeros come out near 1e-15."""


def clebsch_gordan(j1: int, m1: int, j2: int, m2: int, j: int, m: int) -> float:
    """The coefficient ⟨j1 m1 j2 m2 | j m⟩ for integer angular momenta.

    Source: Racah's formula, Varshalovich, Moskalev, Khersonskii, Quantum Theory of Angular Momentum, eq. 8.2.1(3).
    """
    if m1 + m2 != m or not abs(j1 - j2) <= j <= j1 + j2 or abs(m) > j:
        return 0.0
    triangle = factorial(j + j1 - j2) * factorial(j - j1 + j2) * factorial(j1 + j2 - j) / factorial(j1 + j2 + j + 1)
    projections = (
        factorial(j + m)
        * factorial(j - m)
        * factorial(j1 - m1)
        * factorial(j1 + m1)
        * factorial(j2 - m2)
        * factorial(j2 + m2)
    )
    total = 0.0
    for k in range(max(0, j2 - j - m1, j1 - j + m2), min(j1 + j2 - j, j1 - m1, j2 + m2) + 1):
        denominator = (
            factorial(k)
            * factorial(j1 + j2 - j - k)
            * factorial(j1 - m1 - k)
            * factorial(j2 + m2 - k)
            * factorial(j - j2 + m1 + k)
            * factorial(j - j1 - m2 + k)
        )
        total += (-1) ** k / denominator
    return sqrt((2 * j + 1) * triangle) * sqrt(projections) * total


@lru_cache(maxsize=64)
def real_from_complex(l: int) -> np.ndarray:  # noqa: E741
    """The unitary matrix T of Y_real = T Y_complex, shape (2l + 1, 2l + 1).

    The complex harmonics carry the Condon-Shortley phase, the real ones do not (`harmonics.spherical_harmonics`).
    """
    matrix = np.zeros((2 * l + 1, 2 * l + 1), dtype=complex)
    matrix[l, l] = 1.0
    for m in range(1, l + 1):
        sign = (-1) ** m
        matrix[l + m, l + m] = sign / sqrt(2)
        matrix[l + m, l - m] = 1 / sqrt(2)
        matrix[l - m, l + m] = -1j * sign / sqrt(2)
        matrix[l - m, l - m] = 1j / sqrt(2)
    matrix.setflags(write=False)
    return matrix


@lru_cache(maxsize=1024)
def real_coupling(l1: int, l2: int, l3: int) -> FloatArray:
    """The tensor C that couples real l1 and l2 to real l3, shape (2 l1 + 1, 2 l2 + 1, 2 l3 + 1).

    Σ C[a, b, c] Y_l1a Y_l2b transforms like Y_l3c under rotations. Where l1 + l2 + l3 is odd the tensor is purely
    imaginary in this basis; it is returned divided by i, which changes the coupled quantity by a constant phase.
    """
    coefficients = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1))
    for m1 in range(-l1, l1 + 1):
        for m2 in range(-l2, l2 + 1):
            m3 = m1 + m2
            if abs(m3) <= l3:
                coefficients[l1 + m1, l2 + m2, l3 + m3] = clebsch_gordan(l1, m1, l2, m2, l3, m3)
    tensor = np.einsum(
        "abc,xa,yb,zc->xyz",
        coefficients,
        real_from_complex(l1).conj(),
        real_from_complex(l2).conj(),
        real_from_complex(l3),
    )
    real = np.ascontiguousarray(tensor.imag if (l1 + l2 + l3) % 2 else tensor.real)
    real.setflags(write=False)
    return real


def invariant_coupling(momenta: tuple[int, ...], path: int) -> FloatArray:
    """The tensor that contracts one density per factor to an invariant, one axis of 2l + 1 per factor.

    Args:
        momenta: angular momenta of the factors, one to four; a single factor must have l = 0.
        path: intermediate angular momentum L of order 4, where ((l1 l2) L (l3 l4) L) 0; not used below order 4.
    """
    if len(momenta) == 1:
        return np.ones(1)
    if len(momenta) == 2:
        return np.eye(2 * momenta[0] + 1) / sqrt(2 * momenta[0] + 1)
    if len(momenta) == 3:
        return real_coupling(*momenta) / sqrt(2 * momenta[2] + 1)
    l1, l2, l3, l4 = momenta
    halves = real_coupling(l1, l2, path), real_coupling(l3, l4, path)
    return np.einsum("abM,cdM->abcd", *halves) / sqrt(2 * path + 1)


@lru_cache(maxsize=4096)
def independent_paths(momenta: tuple[int, int, int, int], pattern: tuple[int, int, int, int]) -> tuple[int, ...]:
    """Intermediate angular momenta L whose order-4 invariants are linearly independent, rising.

    Products of equal factors are symmetric under their exchange, so that only the symmetric part of a coupling
    counts and several L can give the same function.

    Args:
        momenta: angular momenta of the four factors.
        pattern: equal numbers mark equal factors.
    """
    l1, l2, l3, l4 = momenta
    exchanges = [p for p in permutations(range(4)) if all(pattern[p[i]] == pattern[i] for i in range(4))]
    chosen: list[int] = []
    vectors: list[FloatArray] = []
    for path in range(max(abs(l1 - l2), abs(l3 - l4)), min(l1 + l2, l3 + l4) + 1):
        coupling = invariant_coupling(momenta, path)
        symmetric = np.mean([np.transpose(coupling, p) for p in exchanges], axis=0)
        norm = float(np.linalg.norm(symmetric))
        if norm < _RANK_TOLERANCE:
            continue
        candidate = [*vectors, symmetric.ravel() / norm]
        if np.linalg.svd(np.array(candidate), compute_uv=False)[-1] > _RANK_TOLERANCE:
            chosen.append(path)
            vectors = candidate
    return tuple(chosen)
