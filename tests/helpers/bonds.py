"""Bonds between nearest neighbours of an fcc crystal, whose number and vibrations are known in closed form."""

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.neighborlist import neighbor_list

A = 4.0
NEAREST = A / np.sqrt(2)


class Bonds(Calculator):
    """Every pair of nearest neighbours gains 0.5 eV; nothing depends on the distance but a spring along the bond."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, depth=0.5, spring=0.0):
        super().__init__()
        self.depth, self.spring = depth, spring

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        first, distance, vector = neighbor_list("idD", self.atoms, 1.2 * NEAREST)
        stretch = distance - NEAREST
        energy = float((self.spring * stretch**2 / 2 - self.depth).sum()) / 2
        pull = (self.spring * stretch / distance)[:, None] * vector
        forces = np.zeros((len(self.atoms), 3))
        np.add.at(forces, first, pull)
        virial = pull.T @ vector / 2 / self.atoms.get_volume()
        self.results = {"energy": energy, "forces": forces, "stress": virial.ravel()[[0, 4, 8, 5, 2, 1]]}
