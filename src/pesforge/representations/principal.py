"""Principal projections of the invariants: the few numbers per atom that a non-linear head sees."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.representations.arrays import FloatArray
from pesforge.representations.stacked import Basis

SMALLEST_VARIANCE = 1e-12
"""Directions whose variance is below this share of the mean square are noise of the arithmetic."""


def principal_projections(frames: Sequence[Atoms], basis: Basis, scale: FloatArray, count: int) -> FloatArray:
    """Matrix (K, P) that maps invariants to principal components of unit variance over the atoms of `frames`.

    The components are those of the invariants multiplied by `scale`; their mean is not taken off, because a constant
    shift of the input of a head is the head's own business. Signs are fixed by the largest entry of each direction.

    Args:
        frames: structures; their labels are not used.
        basis: K invariants per atom.
        scale: (K,) factor that makes the invariants comparable, such as the prior scale of the linear potential.
        count: P, the number of projections wanted; fewer are given when the data have fewer directions.

    Raises:
        DataError: the invariants do not vary.
    """
    number, total, second = 0, np.zeros(basis.n_functions), np.zeros((basis.n_functions, basis.n_functions))
    for atoms in frames:
        scaled = basis.invariants(atoms) * scale
        number += len(scaled)
        total += scaled.sum(axis=0)
        second += scaled.T @ scaled
    mean = total / max(number, 1)
    noise = SMALLEST_VARIANCE * float(np.trace(second)) / max(number, 1)
    values, vectors = np.linalg.eigh(second / max(number, 1) - np.outer(mean, mean))
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    usable = values > noise
    if not usable.any():
        raise DataError("the invariants of all atoms are equal: sample displaced or strained structures.")
    vectors = vectors[:, usable] / np.sqrt(values[usable])
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    projected: FloatArray = scale[:, None] * vectors * np.sign(largest)
    return projected
