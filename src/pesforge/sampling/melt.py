"""Melting a crystal, and the evidence that it melted."""

import numpy as np
from ase import Atoms

from pesforge.driven_settings import Melt
from pesforge.sampling.compression import nearest_distance
from pesforge.sampling.drive import Drive
from pesforge.sampling.frames import FloatArray
from pesforge.sampling.trajectory import STRIDE, Trajectory

MELTED = 1.0
"""Root mean square way of the atoms, in nearest-neighbour distances, at which the crystal is called molten. Lindemann's
criterion has crystals melt at 0.1 to 0.15; atoms that have moved by a whole bond have left their sites."""


def melted(start: Atoms, drive: Drive, settings: Melt, seed: int) -> tuple[Trajectory, float]:
    """A run that has melted the crystal, or was stopped, or reached the longest time; and how far its atoms have moved.

    The way is the root mean square displacement from the sites over the nearest-neighbour distance of the crystal,
    without the drift of the centre of mass (F. A. Lindemann, Phys. Z. 11, 609 (1910)).

    Args:
        start: crystal.
        drive: driver and guard.
        settings: temperature and longest time.
        seed: of the run.
    """
    bond = nearest_distance(start, float(start.cell.lengths().min()))
    run = Trajectory(start, drive, settings, settings.melt_temperature_k, seed)
    most = settings.steps(settings.melt_max_ps)
    moved = 0.0
    while moved < MELTED and run.steps + STRIDE <= most and run.run(1):
        moved = run.moved_ang() / bond
    return run, moved


def is_melt(run: Trajectory, moved: float) -> bool:
    """Whether a run has melted the crystal and goes on; `moved` is how far its atoms have come, in bonds."""
    return moved >= MELTED and run.stopped is None


def why_not(run: Trajectory, moved: float, settings: Melt) -> str | None:
    """What is wrong with a melt; None where it is one or the guard has spoken."""
    if run.stopped is not None or moved >= MELTED:
        return None
    return (
        f"not molten in {settings.melt_max_ps:g} ps: atoms moved by {moved:.2f} bonds, {MELTED:g} "
        "is needed; raise `melt_temperature_k` or `melt_max_ps`"
    )


def diffusion_ang2_per_ps(run: Trajectory) -> float | None:
    """Self-diffusion coefficient from the displacements over a quarter of the present part of a run, in Å²/ps.

    D = ⟨|r(t + Δ) − r(t)|²⟩ / (6 Δ), the mean over atoms and all t. None where there are fewer than eight states.

    Args:
        run: with its states.
    """
    states: FloatArray = np.array(run.states)
    if len(states) < 8:
        return None
    lag = len(states) // 4
    squares = ((states[lag:] - states[:-lag]) ** 2).sum(axis=2)
    return float(squares.mean() / (6e-3 * lag * STRIDE * run.settings.timestep_fs))
