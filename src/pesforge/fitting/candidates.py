"""Candidates of a fit: cutoffs and sizes of the basis that suit a material and an amount of data."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms

from pesforge.errors import DataError, SettingsError
from pesforge.representations.ace import AceBasis
from pesforge.representations.arrays import FloatArray
from pesforge.representations.neighbours import Pairs, pairs_of

NEAR_STEPS, NEAR_L_MAX = (1, 1, 0, -2), (0, 6, 5, 3)
"""Largest degrees of orders 1 to 4 of the near part, relative to that of order 3, and largest angular momenta."""
FAR_STEPS, FAR_L_MAX = (4, 3, 0), (0, 6, 5)
"""The same for the far part, which stops at order 3."""
REACH = 1.25
"""Cutoff of the far part in units of that of the near one."""
L_WEIGHT = 0.9
DEGREES = range(-1, 17)
"""Degrees of order 3 that are tried, negative ones without functions of this order."""
FAR_SHARE = 0.35
"""Share of the functions that the far part may take."""
SMALLEST_CUTOFF_ANG, LARGEST_CUTOFF_ANG = 3.0, 7.0
"""Limits of the near cutoff: a dense solid of light atoms, and a dilute gas, have no scale of their own."""


@dataclass(frozen=True)
class FitSettings:
    """What a fit tries.

    Args:
        neighbours: numbers of neighbours; the near cutoff encloses one of them on average.
        functions: most functions in all; None: as many as `work` allows.
        work: most multiplications for a Gram matrix, rows × functions²; with `functions` given it does not count.
        reductions: sizes of the basis: how much every largest degree is lowered below that of the largest basis.
        log10_alphas: lowest and highest decade of the prior precision.
        root_energy_weights: weights of energy residuals (eV/atom) before squaring, the first one to begin with; that of
            forces (eV/Å) is 1.
        root_stress_weight: weight of stress residuals (eV/Å³) before squaring.
        prior_power: p of the prior scale 1/[rms force column × (1 + degree)^p].
        folds: folds of groups that decide between candidates.
        trial_atoms: atoms of the structures that decide the cutoff.
        memory_bytes: largest design matrix that is kept.

    Raises:
        SettingsError: a list is empty or a number is not positive.
    """

    neighbours: tuple[float, ...] = (24.0, 34.0, 48.0)
    functions: int | None = None
    work: float = 1.3e11
    reductions: tuple[int, ...] = (4, 2, 0)
    log10_alphas: tuple[int, int] = (-8, 2)
    root_energy_weights: tuple[float, ...] = (320.0, 160.0, 80.0, 40.0, 640.0, 1280.0)
    root_stress_weight: float = 100.0
    prior_power: float = 2.0
    folds: int = 5
    trial_atoms: int = 3000
    memory_bytes: float = 2e9

    def __post_init__(self) -> None:
        positive = (*self.neighbours, *self.root_energy_weights, self.work, self.trial_atoms, self.memory_bytes)
        lists = (self.neighbours, self.reductions, self.root_energy_weights)
        if (
            not all(lists)
            or min(positive) <= 0
            or min(self.reductions) < 0
            or (self.functions is not None and self.functions < 1)
        ):
            raise SettingsError(
                "neighbours, reductions and energy weights need at least one value; all of them, the number of "
                "functions, work, trial atoms and memory must be above 0 (reductions not below)."
            )
        if self.log10_alphas[0] > self.log10_alphas[1] or self.root_stress_weight < 0 or self.folds < 2:
            raise SettingsError("decades of alpha must rise, the stress weight not be negative, folds be two or more.")


def neighbour_counts(pairs: Iterable[Pairs], radii: FloatArray) -> FloatArray:
    """Mean number of neighbours within each radius (R,) in Å, over the atoms of all structures."""
    total, number = np.zeros(len(radii)), 0
    for found in pairs:
        total += np.searchsorted(np.sort(found.distance), radii)
        number += found.n_atoms
    return total / max(number, 1)


def all_pairs(frames: Iterable[Atoms]) -> Iterator[Pairs]:
    """Pairs of each structure within `LARGEST_CUTOFF_ANG`."""
    return (pairs_of(atoms, LARGEST_CUTOFF_ANG) for atoms in frames)


def cutoffs(pairs: Iterable[Pairs], settings: FitSettings) -> tuple[float, ...]:
    """Near cutoffs in Å, rounded to 0.04 so that the far ones have two decimals.

    Each encloses one of the given numbers of neighbours on average, within limits. Where there are never so many
    neighbours, as in small molecules, the cutoff is the one that encloses nearly all of them.

    Args:
        pairs: of `all_pairs`.
        settings: the numbers of neighbours.

    Raises:
        DataError: no two atoms are within the largest cutoff.
    """
    radii = np.arange(SMALLEST_CUTOFF_ANG, LARGEST_CUTOFF_ANG + 0.02, 0.04)
    counts = neighbour_counts(pairs, radii)
    if not counts[-1] > 0:
        raise DataError(
            f"no two atoms of the training structures are within {LARGEST_CUTOFF_ANG:g} Å: there is nothing to fit."
        )
    reached = np.minimum(settings.neighbours, ENCLOSED * counts[-1])
    places = np.minimum(np.searchsorted(counts, reached), len(radii) - 1)
    return tuple(dict.fromkeys(round(float(radii[place]), 2) for place in places))


ENCLOSED = 0.98
"""Share of all pairs within the largest cutoff that a cutoff needs at most."""


def spread_over(frames: Sequence[Atoms], atoms: int) -> list[int]:
    """Indices of structures spread evenly over the file, with about so many atoms at most."""
    total = sum(len(frame) for frame in frames)
    step = max(total / atoms, 1.0)
    chosen = np.unique(np.floor(np.arange(0, len(frames), step)).astype(np.int64))
    return chosen.tolist()


def most_functions(frames: Sequence[Atoms], settings: FitSettings) -> tuple[int, str]:
    """Largest number of functions that settings and data allow, and which of them decided."""
    components = 3 * sum(len(atoms) for atoms in frames)
    limits = {"a third of the force components": components // 3}
    if settings.functions is None:
        limits["the work for a Gram matrix"] = max(int((settings.work / components) ** 0.5), FEWEST_FUNCTIONS)
    else:
        limits["the setting"] = settings.functions
    reason = min(limits, key=lambda name: limits[name])
    return limits[reason], reason


FEWEST_FUNCTIONS = 600
"""Functions that any amount of work allows."""


@dataclass(frozen=True)
class Family:
    """Bases of one shape and many sizes."""

    species: tuple[str, ...]
    cutoff_ang: float
    steps: tuple[int, ...]
    l_max: tuple[int, ...]
    mixing: tuple[tuple[float, ...], ...] | None = None
    channel_degrees: tuple[float, ...] = ()

    def of_degree(self, degree: int) -> AceBasis:
        """The basis with this largest degree of order 3."""
        lowered = tuple(degree + step for step in self.steps)
        return AceBasis(self.species, self.cutoff_ang, lowered, self.l_max, L_WEIGHT, self.mixing, self.channel_degrees)

    def reaching(self, cutoff_ang: float) -> "Family":
        """The same shape with another cutoff."""
        return replace(self, cutoff_ang=cutoff_ang)

    def largest(self, most: int) -> AceBasis:
        """The basis of the highest degree with at most `most` functions.

        Raises:
            DataError: even the smallest basis has more.
        """
        fitting = None
        for degree in DEGREES:
            basis = self.of_degree(degree)
            if basis.n_functions > most:
                break
            fitting = basis
        if fitting is None:
            raise DataError(
                f"{len(self.species)} species need {basis.n_functions} functions at least, {most} are allowed by the "
                "data or the settings. Add structures, or fit fewer species."
            )
        return fitting


def mixed_channels(n_species: int) -> tuple[tuple[tuple[float, ...], ...] | None, tuple[float, ...]]:
    """Weights and degrees of the species channels: the density of all atoms first, then contrasts between species.

    The contrasts are the Helmert ones, orthonormal like the rows of a rotation; their degree makes products of several
    contrasts rare, so that the number of functions stays in hand. One species needs no channel but its own.
    """
    if n_species == 1:
        return None, ()
    rows = [tuple(np.full(n_species, n_species**-0.5).tolist())]
    for k in range(1, n_species):
        row = np.zeros(n_species)
        row[:k], row[k] = 1.0, -k
        rows.append(tuple((row / np.linalg.norm(row)).tolist()))
    return tuple(rows), (0.0, *(CONTRAST_DEGREE,) * (n_species - 1))


CONTRAST_DEGREE = 2.0
