"""A noise that depends on the surroundings of the atoms: a log-linear law of their features, learned from errors."""

from dataclasses import dataclass

import numpy as np
import scipy.optimize

from pesforge.errors import DataError
from pesforge.representations.arrays import FloatArray, IntArray

RIDGE = 1e-3
"""Penalty of squared weights beside the mean loss of an atom: features that tell nothing keep weights near zero."""
FARTHEST = 3.0
"""Standard deviations at which features are cut off: an exponential must not run away where nothing was learned."""


@dataclass(frozen=True)
class NoiseShape:
    """Relative aleatoric variance of an atom, exp(w · φ), with φ its standardised features, their squares and 1.

    Attributes:
        mean, scale: (P,) of the features of the atoms that taught it.
        weights: (2P + 1,) w, the constant last.
    """

    mean: FloatArray
    scale: FloatArray
    weights: FloatArray

    def of(self, features: FloatArray) -> FloatArray:
        """Relative variances (N,) of atoms with features (N, P)."""
        return np.asarray(np.exp(self._rows(features) @ self.weights))

    def _rows(self, features: FloatArray) -> FloatArray:
        z = np.clip((features - self.mean) / self.scale, -FARTHEST, FARTHEST)
        return np.concatenate([z, z**2 - 1.0, np.ones((len(z), 1))], axis=1)

    @classmethod
    def learned(cls, features: FloatArray, errors: FloatArray) -> "NoiseShape":
        """The shape of the largest Gaussian likelihood of force errors; the loss is convex.

        Args:
            features: (N, P) of the atoms.
            errors: (N, 3) errors of their forces.

        Raises:
            DataError: there are no atoms, or all errors vanish.
        """
        squares = np.mean(errors**2, axis=1) if len(errors) else np.zeros(0)
        if not squares.any():
            raise DataError("no force errors to learn the noise from. Add labels.")
        spread = features.std(axis=0)
        shape = cls(features.mean(axis=0), np.where(spread > 0, spread, 1.0), np.zeros(2 * features.shape[1] + 1))
        rows, relative = shape._rows(features), squares / squares.mean()

        def loss(weights: FloatArray) -> tuple[float, FloatArray]:
            exponent = np.clip(rows @ weights, -50.0, 50.0)
            ratio = relative * np.exp(-exponent)
            value = float(np.mean(exponent + ratio)) + RIDGE * float(weights[:-1] @ weights[:-1])
            slope = (1.0 - ratio) @ rows / len(rows)
            slope[:-1] += 2.0 * RIDGE * weights[:-1]
            return value, slope

        found = scipy.optimize.minimize(loss, shape.weights, jac=True, method="L-BFGS-B")
        return cls(shape.mean, shape.scale, found.x)


def by_kind(variance: FloatArray, n_atoms: IntArray) -> dict[str, FloatArray]:
    """Shapes of the noise of every label of S structures: energies and stresses have the mean over their atoms.

    Args:
        variance: (N,) relative variances of the atoms of all structures.
        n_atoms: (S,) atoms of each structure.
    """
    starts = np.concatenate([[0], np.cumsum(n_atoms)[:-1]])
    mean = np.add.reduceat(variance, starts) / n_atoms
    return {"energy": mean, "force": np.repeat(variance, 3), "stress": np.repeat(mean, 6)}
