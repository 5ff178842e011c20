"""Candidates of a fit: cutoffs and sizes of the basis that suit a material and an amount of data."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from vesin import NeighborList

from pesforge.errors import DataError, SettingsError
from pesforge.representations.ace import AceBasis

ORDER_STEPS = (2, 2, 0, -3)
"""Largest degree of orders 1 to 4, relative to that of order 3."""
L_MAX = (0, 6, 5, 3)
DEGREES = range(-2, 15)
"""Degrees of order 3 that are tried, negative ones without functions of this order."""
SMALLEST_NEAREST_ANG, LARGEST_NEAREST_ANG = 2.0, 3.5
"""Limits of the nearest-neighbour distance that cutoffs are scaled by: bonds to hydrogen are shorter than the reach of
the forces in a molecule, and a dilute gas has no scale of its own."""
SEARCH_ANG = 6.0
BYTES = 8


@dataclass(frozen=True)
class FitSettings:
    """What a fit tries.

    Args:
        cutoff_factors: cutoffs in units of the mean nearest-neighbour distance, held within 2 and 3.5 Å.
        functions_per_species: most functions per species of the centre.
        functions: most functions of all species together.
        reductions: sizes of the basis: how much every largest degree is lowered below that of the largest basis.
        log10_alphas: lowest and highest decade of the prior precision.
        root_energy_weights: weights of energy residuals (eV/atom) before squaring; that of forces (eV/Å) is 1.
        root_stress_weight: weight of stress residuals (eV/Å³) before squaring.
        prior_power: p of the prior scale 1/[rms force column × (1 + degree)^p].
        memory_bytes: largest design matrix; two of them may be held.

    Raises:
        SettingsError: a list is empty or a number is not positive.
    """

    cutoff_factors: tuple[float, ...] = (2.0, 2.4)
    functions_per_species: int = 500
    functions: int = 1500
    reductions: tuple[int, ...] = (3, 2, 1, 0)
    log10_alphas: tuple[int, int] = (-8, 2)
    root_energy_weights: tuple[float, ...] = (320.0, 80.0)
    root_stress_weight: float = 100.0
    prior_power: float = 2.0
    memory_bytes: float = 2e9

    def __post_init__(self) -> None:
        positive = (*self.cutoff_factors, *self.root_energy_weights, self.functions_per_species, self.functions)
        lists = (self.cutoff_factors, self.reductions, self.root_energy_weights)
        if not all(lists) or min(positive) <= 0 or min(self.reductions) < 0:
            raise SettingsError(
                "cutoff factors, reductions and energy weights need at least one value; all of them, and the number of "
                "functions, must be above 0 (reductions not below)."
            )
        if self.log10_alphas[0] > self.log10_alphas[1] or self.root_stress_weight < 0 or self.memory_bytes <= 0:
            raise SettingsError("decades of alpha must rise, the stress weight not be negative, the memory above 0.")


def nearest_distance(frames: Sequence[Atoms]) -> float:
    """Mean distance in Å from an atom to its nearest neighbour, over all atoms with one within 6 Å.

    Raises:
        DataError: no two atoms are that close.
    """
    nearest = []
    for atoms in frames:
        finder = NeighborList(cutoff=SEARCH_ANG, full_list=True, n_threads=1)
        centre, distance = finder.compute(
            points=atoms.positions,
            box=atoms.cell.array,
            periodic=[bool(flag) for flag in atoms.pbc],
            quantities="id",
        )
        shortest = np.full(len(atoms), np.inf)
        np.minimum.at(shortest, centre.astype(np.int64), distance)
        nearest.append(shortest[np.isfinite(shortest)])
    found = np.concatenate(nearest)
    if not len(found):
        raise DataError(
            f"no two atoms of the training structures are within {SEARCH_ANG:g} Å: there is nothing to fit."
        )
    return float(found.mean())


def cutoffs(frames: Sequence[Atoms], settings: FitSettings) -> tuple[float, ...]:
    """Cutoff radii in Å, rounded to 0.01: the factors times the nearest-neighbour distance within its limits."""
    distance = float(np.clip(nearest_distance(frames), SMALLEST_NEAREST_ANG, LARGEST_NEAREST_ANG))
    return tuple(round(factor * distance, 2) for factor in settings.cutoff_factors)


def most_functions(frames: Sequence[Atoms], n_species: int, settings: FitSettings) -> tuple[int, str]:
    """Largest number of functions that settings, data and memory allow, and which of them decided."""
    components = 3 * sum(len(atoms) for atoms in frames)
    rows = components + 7 * len(frames)
    limits = {
        "the setting": min(settings.functions_per_species * n_species, settings.functions),
        "a third of the force components": components // 3,
        "the memory": int(settings.memory_bytes / (BYTES * rows)),
    }
    reason = min(limits, key=lambda name: limits[name])
    return limits[reason], reason


def largest_basis(species: tuple[str, ...], cutoff_ang: float, most: int) -> AceBasis:
    """The basis of the highest degree with at most `most` functions.

    Raises:
        DataError: even the smallest basis has more.
    """
    fitting = None
    for degree in DEGREES:
        basis = AceBasis(species, cutoff_ang, tuple(degree + step for step in ORDER_STEPS), L_MAX)
        if basis.n_functions > most:
            break
        fitting = basis
    if fitting is None:
        raise DataError(
            f"{len(species)} species need {basis.n_functions} functions at least, {most} are allowed by the data or "
            "the settings. Add structures, or fit fewer species."
        )
    return fitting
