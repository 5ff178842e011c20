"""Strongly compressed cells with random displacements, down to a stated shortest distance."""

from collections.abc import Callable

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.optimize import brentq

from pesforge.family_settings import Compression
from pesforge.pairs import find_pairs
from pesforge.provenance import derive_seed
from pesforge.sampling.counts import halvings
from pesforge.sampling.frames import make_cell_frame
from pesforge.sampling.measured import Measured

NAME = "compression"
CELL_SHARE = (0.3, 0.9)
"""Range of the share (of the logarithm) of the compression that the cell takes; displacements take the rest."""
STEP = 0.02
"""Steps in nearest-neighbour distances by which displacements grow until two atoms are near enough."""
TOLERANCE_ANG = 1e-9


def sample(parent: Atoms, settings: Compression, measured: Measured, seed: int) -> list[Atoms]:
    """Cells whose shortest distance is a fraction f of that of the parent, f from its least value on evenly filling.

    The cell shrinks by f^x with x random in [0.3, 0.9]; Gaussian displacements of all atoms, in a random direction of
    configuration space, then grow until the nearest two atoms are at f. A cell with one atom has no inner degree of
    freedom and shrinks by f. The k-points are those of the shrunk cell, as dense as in the parent. Each structure is a
    group of its own and depends on the seed, its number and the two fractions alone.

    Args:
        parent: parent crystal.
        settings: supercell, count, fractions.
        measured: not used.
        seed: seed of the study.
    """
    crystal = parent.repeat(settings.supercell)
    nearest = nearest_distance(crystal, float(crystal.cell.lengths().min()))
    span = settings.fraction_max - settings.fraction_min
    frames = []
    for number, share in enumerate(halvings(settings.count)):
        own = derive_seed(seed, NAME, number)
        rng = np.random.default_rng(own)
        fraction = settings.fraction_min + share * span
        shrunk, shifts = compressed(crystal, fraction, nearest, rng)
        name = f"{NAME}-{number:04d}"
        frames.append(
            make_cell_frame(shrunk, origin=parent, name=name, family=NAME, group=name, seed=own, displacements=shifts)
        )
    return frames


def compressed(
    crystal: Atoms, fraction: float, nearest_ang: float, rng: np.random.Generator
) -> tuple[Atoms, NDArray[np.float64]]:
    """The shrunk cell, and displacements in Å, (n, 3), after which the shortest distance is a fraction of what it was.

    Args:
        crystal: perfect cell.
        fraction: of its shortest distance, below 1.
        nearest_ang: its shortest distance in Å.
        rng: draws the share of the cell and the direction of the displacements.
    """
    shrunk = crystal.copy()
    part = rng.uniform(*CELL_SHARE) if len(crystal) > 1 else 1.0
    shrunk.set_cell(crystal.cell.array * fraction**part, scale_atoms=True)
    way = rng.normal(size=(len(crystal), 3))
    size = 0.0 if len(crystal) == 1 else _size(shrunk, way, fraction * nearest_ang, nearest_ang)
    return shrunk, size * way


def nearest_distance(atoms: Atoms, reach_ang: float) -> float:
    """Shortest distance between two atoms in Å, images included; the reach where none are that near.

    Args:
        atoms: a structure.
        reach_ang: largest distance that matters in Å.
    """
    (distances,) = find_pairs(atoms, reach_ang, "d", both_ways=False)
    return float(distances.min()) if len(distances) else reach_ang


def _size(shrunk: Atoms, way: np.ndarray, target_ang: float, reach_ang: float) -> float:
    """The least multiple of the displacements `way` at which the shortest distance has come down to the target."""
    above = _excess(shrunk, way, target_ang, reach_ang)
    size = 0.0
    while above(size + STEP * reach_ang) > 0:
        size += STEP * reach_ang
    return float(brentq(above, size, size + STEP * reach_ang, xtol=TOLERANCE_ANG))


def _excess(shrunk: Atoms, way: np.ndarray, target_ang: float, reach_ang: float) -> Callable[[float], float]:
    """The shortest distance less the target as a function of the multiple of the displacements."""

    def above(size: float) -> float:
        moved = shrunk.copy()
        moved.positions += size * way
        return nearest_distance(moved, reach_ang) - target_ang

    return above
