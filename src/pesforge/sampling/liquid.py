"""Snapshots of the melt."""

from typing import Any

from ase import Atoms

from pesforge.driven_settings import Liquid
from pesforge.provenance import derive_seed
from pesforge.sampling.drive import Drive, DrivenFrames
from pesforge.sampling.frames import FloatArray
from pesforge.sampling.head import Head, settled_states, strained
from pesforge.sampling.melt import diffusion_ang2_per_ps, is_melt, melted, why_not

NAME = "liquid"


def sample(parent: Atoms, settings: Liquid, drive: Drive, seed: int) -> DrivenFrames:
    """Independent snapshots of the melt at every temperature; each run is one group.

    A run melts the crystal at the melting temperature, is equilibrated at its own and then sampled like `md`. A crystal
    that does not melt within the longest time gives no structure.

    Args:
        parent: parent crystal.
        settings: temperatures, supercell, strain, count, times.
        drive: driver and guard.
        seed: seed of the study.
    """
    made = DrivenFrames([], [])
    start = strained(parent, settings.supercell, settings.strain)
    for temperature in settings.temperatures_k:
        head = Head(NAME, parent, start, f"{NAME}-{temperature:g}K", derive_seed(seed, NAME, f"{temperature:g}"))
        run, moved = melted(start, drive, settings, head.seed)
        states: list[FloatArray] = []
        found: dict[str, Any] = {"note": why_not(run, moved, settings)}
        found |= {"moved_bonds": moved, "diffusion_ang2_per_ps": None}
        if is_melt(run, moved):
            run.set_temperature(temperature)
            states, measured = settled_states(run, settings)
            found |= {"note": None, **measured, "diffusion_ang2_per_ps": diffusion_ang2_per_ps(run)}
        else:
            run.forget()
        frames = head.snapshots(states, temperature)
        head.add(made, frames, run, temperature_k=temperature, requested=settings.count, **found)
    return made
