"""What a potential says about its own errors on one structure, by the laws that left-out errors gave it."""

from dataclasses import dataclass

import numpy as np

from pesforge.errors import DataError
from pesforge.representations.arrays import FloatArray
from pesforge.uncertainty.law import Law


@dataclass(frozen=True)
class Predicted:
    """Errors of predictions of one kind, arrays all of one shape.

    Attributes:
        law: of the errors in the unit of the calibration.
        spread: h: epistemic variance up to the factor of the law.
        noise: n: aleatoric variance up to that of the law.
        size: unit of the calibration in that of the prediction: the number of atoms for energies, else 1.
    """

    law: Law
    spread: FloatArray
    noise: FloatArray
    size: float = 1.0

    @property
    def sigma(self) -> FloatArray:
        """Standard deviations; their squares are the sums of those of both parts."""
        return np.asarray(self.size * self.law.deviation(self))

    @property
    def aleatoric(self) -> FloatArray:
        """Standard deviations of the noise: what more labels do not take away."""
        return np.asarray(self.size * self.law.aleatoric(self))

    @property
    def epistemic(self) -> FloatArray:
        """Standard deviations of what the potential does not know of these atoms, and more labels would tell."""
        return np.asarray(self.size * self.law.epistemic(self))

    def interval(self, level: float) -> FloatArray:
        """Half widths of the intervals around the predictions that hold the truth with the probability `level`.

        Raises:
            DataError: the level is no probability between 0 and 1.
        """
        if not 0.0 < level < 1.0:
            raise DataError(f"the level of an interval lies between 0 and 1, such as 0.95; found {level:g}.")
        return np.asarray(self.size * self.law.half_width(self, level))


@dataclass(frozen=True)
class Interval:
    """Half widths of intervals of one level: energy in eV, forces (n, 3) in eV/Å, stress (6,) in eV/Å³."""

    energy_ev: float
    forces_ev_per_ang: FloatArray | None
    stress_ev_per_ang3: FloatArray | None


@dataclass(frozen=True)
class Uncertainty:
    """What a potential says about its own errors on one structure.

    Attributes:
        energy: of the energy of the structure in eV, shape ().
        forces: of the forces in eV/Å, shape (n, 3); None where they were not asked for.
        stress: of the stress in eV/Å³ (xx, yy, zz, yz, xz, xy), shape (6,); None where it was not asked for, without
            a periodic cell, or where no stress was fitted.
        leverage: (n,) leverage x H⁻¹ xᵀ of the energy row of each atom: how little the labels say about its
            surroundings. Large beside that of training atoms means extrapolation. None for potentials that are no
            closed form of their labels.
        mahalanobis: (n,) distance of each atom's surroundings from the mean of the training atoms of its species in
            the same metric; its root mean square over the training atoms is 1. None where their place was not stored.
    """

    energy: Predicted
    forces: Predicted | None = None
    stress: Predicted | None = None
    leverage: FloatArray | None = None
    mahalanobis: FloatArray | None = None

    @property
    def energy_sigma_ev(self) -> float:
        """Standard deviation of the energy of the structure in eV."""
        return float(self.energy.sigma)

    @property
    def force_sigma_ev_per_ang(self) -> FloatArray | None:
        """Standard deviations of the forces (n, 3) in eV/Å; None where they were not asked for."""
        return None if self.forces is None else self.forces.sigma

    @property
    def stress_sigma_ev_per_ang3(self) -> FloatArray | None:
        """Standard deviations of the stress (6,) in eV/Å³; None where there are none."""
        return None if self.stress is None else self.stress.sigma

    def interval(self, level: float) -> Interval:
        """Half widths of the intervals around the predictions that hold the truth with the probability `level`.

        Each component has an interval of its own; all of them at once hold less often.

        Raises:
            DataError: the level is no probability between 0 and 1.
        """
        return Interval(
            float(self.energy.interval(level)),
            None if self.forces is None else self.forces.interval(level),
            None if self.stress is None else self.stress.interval(level),
        )
