"""Guard of a potential in use: what happens when atoms come into surroundings that its labels do not decide."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, get_args

import ase.io
import numpy as np
from ase import Atoms
from ase.md.langevin import Langevin
from ase.md.md import MolecularDynamics
from ase.md.verlet import VelocityVerlet

from pesforge.errors import DataError
from pesforge.representations.arrays import FloatArray
from pesforge.uncertainty.predicted import Uncertainty

MARGIN = 3.0
"""Leverages up to so many times the largest one of the training atoms are believed: a fit has seen its training atoms,
and structures of the same kind that it has not seen lie somewhat higher."""
LEVERAGE, DISTANCE, SIGMA, NEARNESS = "leverage", "mahalanobis", "energy_sigma", "nearness"
"""Results of a guarded calculator: leverages of atoms, their distances from the training atoms (where the potential
knows them), σ of the energy in eV, largest leverage over the border."""
Action = Literal["stop", "watch"]


class OutsideError(DataError):
    """Atoms have left the surroundings that the labels decide; they were not moved on.

    Attributes:
        atoms: a copy of the structure.
        nearness: its largest leverage over the border.
    """

    def __init__(self, message: str, atoms: Atoms, nearness: float) -> None:
        super().__init__(message)
        self.atoms, self.nearness = atoms, nearness


class Guard:
    """Watches the leverages of atoms and acts beyond a border.

    A structure that is not looked at because the guard is asked only at every n-th call keeps the last results.

    Args:
        border: leverage of an atom beyond which its surroundings are outside, see `border_of`; None: `margin` times
            the largest leverage of a training atom, which the potential holds.
        margin: factor; without effect where a border is given.
        stop: raise `OutsideError` before the atoms move on.
        record: extended XYZ file that structures outside, which ask for a label, are appended to; None: none is kept.
        apart: calls between two recorded structures, so that they are not copies of each other.
        most: recorded structures.
        every: calls of the calculator between two looks.

    Raises:
        DataError: the border is not positive, or a number below 1.
    """

    def __init__(
        self,
        border: float | None = None,
        *,
        margin: float = MARGIN,
        stop: bool = True,
        record: Path | str | None = None,
        apart: int = 100,
        most: int = 100,
        every: int = 1,
    ) -> None:
        given = margin if border is None else border
        if not (0 < given < np.inf and 0 < margin < np.inf) or min(apart, most, every) < 1:
            raise DataError(
                f"a guard needs a positive border or margin and apart, most and every of 1 at least; found {given:g}, "
                f"{apart}, {most} and {every}. `border_of(potential.uncertainty, frames)` gives the border."
            )
        self.border, self.margin, self.stop, self.every = border, margin, stop, every
        self.record = None if record is None else Path(record)
        self.apart, self.most = apart, most
        self.calls, self.recorded = 0, 0
        self._last_recorded: int | None = None
        self._last: dict[str, Any] = {}

    @classmethod
    def named(cls, action: str) -> "Guard":
        """The guard of a word: `stop` raises beyond the border that the potential holds, `watch` only reports.

        Raises:
            DataError: the word is not known.
        """
        if action not in get_args(Action):
            raise DataError(f"a guard is one of {', '.join(get_args(Action))}, or a `Guard(…)`; found {action!r}.")
        return cls(stop=action == "stop")

    def settle(self, largest_leverage: float | None) -> float:
        """The border; it is taken from the training atoms unless it was given or taken before.

        Args:
            largest_leverage: of a training atom, as the potential holds it; None: it does not.

        Raises:
            DataError: there is neither.
        """
        if self.border is not None:
            return self.border
        if largest_leverage is None:
            raise DataError(
                "this potential was stored without the largest leverage of its training atoms: fit it again, or give "
                "`Guard(border_of(potential.uncertainty, training structures))`."
            )
        self.border = self.margin * largest_leverage
        return self.border

    def results(self, atoms: Atoms, uncertainty: Callable[[Atoms], Uncertainty]) -> dict[str, Any]:
        """What is added to the results of the calculator.

        Args:
            atoms: the structure.
            uncertainty: what the potential says about its own error.

        Raises:
            OutsideError: the border is crossed and the guard stops.
            DataError: the potential holds no posterior, or the guard no border.
        """
        number, self.calls = self.calls, self.calls + 1
        if number % self.every and len(self._last.get(LEVERAGE, ())) == len(atoms):
            return self._last
        found = uncertainty(atoms)
        leverage = _leverage(found)
        nearness = float(np.max(leverage)) / self.settle(None)
        self._last = {LEVERAGE: leverage, SIGMA: found.energy_sigma_ev, NEARNESS: nearness}
        if found.mahalanobis is not None:
            self._last[DISTANCE] = found.mahalanobis
        if not nearness <= 1.0:
            self._keep(atoms, number)
            if self.stop:
                worst = int(np.argmax(leverage))
                raise OutsideError(
                    f"atom {worst} ({atoms.symbols[worst]}) has a leverage of {leverage[worst]:.3g}, "
                    f"{nearness:.3g} times the border: the labels do not decide its surroundings. Label such "
                    "structures (`Guard(…, record=FILE)` collects them) and fit again, or stay nearer to the "
                    "training data.",
                    atoms.copy(),
                    nearness,
                )
        return self._last

    def _keep(self, atoms: Atoms, number: int) -> None:
        """Append a structure to the file unless one was kept shortly before."""
        early = self._last_recorded is not None and number - self._last_recorded < self.apart
        if self.record is None or early or self.recorded >= self.most:
            return
        kept = atoms.copy()
        for name in (LEVERAGE, DISTANCE):
            if name in self._last:
                kept.arrays[name] = self._last[name]
        kept.info.update({NEARNESS: self._last[NEARNESS], SIGMA: self._last[SIGMA], "call": number})
        ase.io.write(self.record, kept, format="extxyz", append=True)
        self._last_recorded, self.recorded = number, self.recorded + 1


def _leverage(found: Uncertainty) -> FloatArray:
    if found.leverage is None:
        raise DataError("a guard watches leverages, and this potential holds no posterior that gives them.")
    return found.leverage


def border_of(uncertainty: Callable[[Atoms], Uncertainty], frames: Iterable[Atoms], *, margin: float = MARGIN) -> float:
    """The border of a guard: so many times the largest leverage of an atom of the training structures.

    Args:
        uncertainty: of the potential, such as `load_potential(…).potential.uncertainty`.
        frames: its training structures.
        margin: factor.

    Raises:
        DataError: there are no structures, or the potential holds no posterior.
    """
    largest = [float(np.max(_leverage(uncertainty(atoms)))) for atoms in frames]
    if not largest:
        raise DataError("the border of a guard needs the training structures; there are none.")
    return margin * max(largest)


class StepShortener:
    """Halves the time step of a run near the border and doubles it again away from it, between the steps.

    Args:
        dynamics: `VelocityVerlet` or `Langevin` of ASE, its atoms having a guarded calculator.
        near: share of the border at which the step is halved; below a quarter of it, it is doubled.
        least: shortest step over the one that the run began with.

    Raises:
        DataError: the dynamics is of another kind, whose step cannot be changed on the way.
    """

    def __init__(self, dynamics: MolecularDynamics, *, near: float = 0.5, least: float = 0.125) -> None:
        if type(dynamics) not in (VelocityVerlet, Langevin):  # Kinds made from these keep factors of the step.
            raise DataError(
                f"the step of {type(dynamics).__name__} cannot be changed on the way; take VelocityVerlet or Langevin."
            )
        self.dynamics, self.near, self.least = dynamics, near, least
        self.longest = float(dynamics.dt)
        dynamics.attach(self, interval=1)

    def __call__(self) -> None:
        """Set the next step by the nearness of the present one."""
        nearness = self.dynamics.atoms.calc.results[NEARNESS]
        step = float(self.dynamics.dt)
        if nearness > self.near:
            step = max(0.5 * step, self.least * self.longest)
        elif nearness < 0.25 * self.near:
            step = min(2.0 * step, self.longest)
        if step != self.dynamics.dt:
            self.dynamics.dt = step
            if isinstance(self.dynamics, Langevin):
                self.dynamics.updatevars()
