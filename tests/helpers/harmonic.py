"""A harmonic crystal, whose statistical mechanics is known in closed form."""

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes


class Harmonic(Calculator):
    """E = k/2 Σ_{i<j} |u_i − u_j|² with u the displacements from given sites: 3(N − 1) modes of m ω² = k N.

    A rigid shift costs nothing, as in a crystal.
    """

    implemented_properties = ["energy", "free_energy", "forces"]  # noqa: RUF012

    def __init__(self, sites, spring_ev_per_ang2):
        super().__init__()
        self.sites, self.spring = np.array(sites), spring_ev_per_ang2

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        u = self.atoms.positions - self.sites
        u = u - u.mean(axis=0)
        stiff = self.spring * len(u)
        energy = 0.5 * stiff * (u**2).sum()
        self.results = {"energy": energy, "free_energy": energy, "forces": -stiff * u}


def cube(count=2, spacing=3.0) -> Atoms:
    """A simple cubic cell of silicon, `count` atoms along each edge."""
    grid = np.stack(np.meshgrid(*[np.arange(count)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return Atoms(f"Si{count**3}", positions=spacing * grid, cell=[spacing * count] * 3, pbc=True)
