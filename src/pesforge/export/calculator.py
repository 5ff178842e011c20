"""The ASE calculator of a potential."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.outputs import Properties, all_outputs

from pesforge.errors import DataError
from pesforge.export.potential import Potential
from pesforge.potentials.model import Model
from pesforge.representations.pair_list import PairList
from pesforge.uncertainty.guard import Guard


class PesforgeCalculator(Calculator):
    """ASE calculator of a potential.

    Args:
        potential: the potential.
        metadata: what `model.json` says about its origin, kept for the user.
        guard: watches the leverages of atoms; `results` then hold `leverage`, `mahalanobis`, `energy_sigma` and
            `nearness` too. None: nothing is watched.

    Raises:
        DataError: there is a guard, and the potential has no leverages, or neither of them a border.
    """

    implemented_properties = ["energy", "free_energy", "energies", "forces", "stress"]  # noqa: RUF012

    def __init__(self, potential: Model, metadata: Mapping[str, Any] | None = None, guard: Guard | None = None) -> None:
        super().__init__()
        if guard is not None and (not isinstance(potential, Potential) or potential.posterior is None):
            raise DataError(
                "a guard watches leverages, and this potential holds no posterior that gives them; "
                "`pesforge fit --model ace` makes one that does."
            )
        if guard is not None and isinstance(potential, Potential) and potential.posterior is not None:
            trained = potential.posterior.trained
            guard.settle(None if trained is None else trained.largest_leverage)
        self.guard = guard
        self.potential = potential
        self.metadata = dict(metadata or {})
        self._pairs = PairList()

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill `results`.

        Raises:
            DataError: an element has no parameters, or atoms coincide.
            PropertyNotImplementedError: the stress of a structure without a periodic cell is asked for.
            OutsideError: the guard stops.
        """
        super().calculate(atoms, properties, system_changes)
        assert isinstance(self.atoms, Atoms)
        if isinstance(self.potential, Potential):
            energies, forces, stress = self.potential.evaluate(self.atoms, self._pairs)
        else:
            energies, forces, stress = self.potential.evaluate(self.atoms)
        total = float(energies.sum())
        self.results = {"energy": total, "free_energy": total, "energies": energies, "forces": forces}
        if np.isfinite(stress).all():
            self.results["stress"] = stress
        elif "stress" in properties:
            raise PropertyNotImplementedError("stress needs a cell that is periodic in three directions")
        if self.guard is not None and isinstance(self.potential, Potential):
            uncertainty = partial(self.potential.uncertainty, pairs=self._pairs)
            self.results |= self.guard.results(self.atoms, uncertainty)

    def export_properties(self) -> Properties:
        """Results that ASE knows; it refuses what the guard adds."""
        return Properties({name: value for name, value in self.results.items() if name in all_outputs})
