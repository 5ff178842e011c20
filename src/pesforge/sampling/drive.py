"""What drives atoms, and what stops it: the driver that all driven samplers share, its guard, and what they return."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols, covalent_radii

from pesforge.pairs import find_pairs
from pesforge.sampling.frames import FloatArray


@dataclass(frozen=True)
class Guard:
    """Limits of what a driver is believed to move.

    Args:
        min_distance_factor: shortest distance over the sum of covalent radii.
        max_force_ev_per_ang: largest force on an atom in eV/Å.
        leverage: largest leverage of the atoms of a structure; None for a driver without one.
        max_leverage: where `leverage` stops a run.
    """

    min_distance_factor: float
    max_force_ev_per_ang: float
    leverage: Callable[[Atoms], float] | None = None
    max_leverage: float = np.inf

    def absurd(self, forces: FloatArray) -> str | None:
        """Why forces (n, 3) in eV/Å stop a run; None where they do not. Quick: meant for every step."""
        squares = np.einsum("nx,nx->n", forces, forces)
        if np.isfinite(squares).all() and squares.max() <= self.max_force_ev_per_ang**2:
            return None
        largest = float(np.sqrt(squares.max()))
        return f"force of {largest:.1f} eV/Å, at most {self.max_force_ev_per_ang:g} is believed"

    def outside(self, atoms: Atoms) -> str | None:
        """Why a structure stops a run: two atoms too near, or a leverage too large; None where neither is."""
        return self.too_near(atoms) or self.unknown(atoms)

    def too_near(self, atoms: Atoms) -> str | None:
        """Which two atoms are too near to each other; None where none are."""
        reach = self.min_distance_factor * 2 * float(covalent_radii[atoms.numbers].max())
        first, second, distance = find_pairs(atoms, reach, "ijd", both_ways=False)
        if len(distance):
            radii = covalent_radii[atoms.numbers]
            ratio = distance / (radii[first] + radii[second])
            worst = int(np.argmin(ratio))
            if ratio[worst] < self.min_distance_factor:
                pair = "-".join(chemical_symbols[atoms.numbers[index]] for index in (first[worst], second[worst]))
                return (
                    f"{pair} pair at {distance[worst]:.2f} Å, {ratio[worst]:.2f} of the sum of covalent radii; at "
                    f"least {self.min_distance_factor:g} is believed"
                )
        return None

    def unknown(self, atoms: Atoms) -> str | None:
        """How far beyond the training atoms the surroundings of an atom are; None where they are not."""
        if self.leverage is not None:
            found = self.leverage(atoms)
            if not found <= self.max_leverage:
                return f"leverage of {found:.3g}, at most {self.max_leverage:.3g} is believed"
        return None


@dataclass(frozen=True)
class Drive:
    """What all driven samplers are given.

    Args:
        calculator: makes a calculator of ASE; every run has its own.
        guard: limits.
        pool: structures of all families that need no driver.
        stiffness: k_eff of every species in eV/Å², for thermal displacements.
    """

    calculator: Callable[[], Calculator]
    guard: Guard
    pool: Sequence[Atoms] = ()
    stiffness: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class DrivenFrames:
    """What a driven sampler made.

    Args:
        frames: structures; those beyond a stop of the guard are not among them.
        runs: evidence of each run: `family`, `group`, `temperature_k`, `temperature_observed_k`, `atoms`, `steps`,
            `tau_fs`, `spacing_fs`, `requested`, `given`, `stopped` (the reason or None), `note` (or None), `rdf` (or
            None), and more by family.
    """

    frames: list[Atoms]
    runs: list[dict[str, Any]]
