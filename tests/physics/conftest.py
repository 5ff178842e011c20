"""Calculators with one planted defect each: a pair potential with something wrong added."""

from types import SimpleNamespace

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes
from ase.neighborlist import neighbor_list

CUTOFF_ANG = 5.0


class Pair(Calculator):
    """E = ½ Σ_ij a_ij (1 − r²/r_c²)³ with analytic forces and stress; subclasses plant a defect."""

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012

    def weights(self, centre, neighbour, vector):
        """a_ij and its derivative by the vector from i to j."""
        return np.ones(len(centre)), np.zeros((len(centre), 3))

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        i, j, distance, vector = neighbor_list("ijdD", self.atoms, CUTOFF_ANG)
        weight, weight_slope = self.weights(i, j, vector)
        inner = 1 - (distance / CUTOFF_ANG) ** 2
        slope = weight_slope * inner[:, None] ** 3 - (6 * weight * inner**2 / CUTOFF_ANG**2)[:, None] * vector
        forces = np.zeros((len(self.atoms), 3))
        np.add.at(forces, i, slope / 2)
        np.add.at(forces, j, -slope / 2)
        self.results = {"energy": float(np.sum(weight * inner**3) / 2), "forces": forces}
        if self.atoms.pbc.all():
            virial = np.einsum("pa,pb->ab", slope, vector) / 2 / self.atoms.get_volume()
            self.results["stress"] = virial.flat[[0, 4, 8, 5, 2, 1]]


class Oriented(Pair):
    """Bonds along z count more: no longer invariant under rotations."""

    def weights(self, centre, neighbour, vector):
        slope = np.zeros_like(vector)
        slope[:, 2] = 0.02 * vector[:, 2]
        return 1 + 0.01 * vector[:, 2] ** 2, slope


class Numbered(Pair):
    """Bonds of atoms with a high index count more: no longer invariant under permutations."""

    def weights(self, centre, neighbour, vector):
        return 1 + 0.01 * (centre + neighbour), np.zeros_like(vector)


class Swirling(Pair):
    """A force that turns around the z axis: not the gradient of any energy."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["forces"] = self.results["forces"] + 0.05 * np.cross([0, 0, 1.0], self.atoms.positions)


class Scaled(Pair):
    """Forces and stress that are a thousandth too large."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["forces"] = 1.001 * self.results["forces"]
        self.results["stress"] = 1.001 * self.results["stress"]


class Stressless(Pair):
    """Has no stress."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012


class Broken(Pair):
    """Gives forces that are not numbers."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["forces"] = np.full((len(self.atoms), 3), np.nan)


@pytest.fixture(scope="session")
def planted():
    """The calculators above, by name."""
    kinds = (Pair, Oriented, Numbered, Swirling, Scaled, Stressless, Broken)
    return SimpleNamespace(**{kind.__name__: kind for kind in kinds})
