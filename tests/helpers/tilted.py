"""A calculator with a planted defect, to be found by its dotted name."""

import numpy as np
from ase.calculators.emt import EMT


class Tilted(EMT):
    """EMT in a field that depends on the orientation."""

    def __init__(self, field=0.0):
        super().__init__()
        self.field = field

    def calculate(self, *arguments):
        super().calculate(*arguments)
        heights = self.atoms.positions[:, 2]
        self.results["energy"] += self.field * float((heights**2).sum())
        self.results["forces"] = self.results["forces"] - 2 * self.field * np.outer(heights, [0, 0, 1])
