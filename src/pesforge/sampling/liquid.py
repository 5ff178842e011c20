"""Snapshots of the melt."""

from typing import Any

from ase import Atoms

from pesforge.driven_settings import Liquid
from pesforge.provenance import derive_seed
from pesforge.sampling.drive import Drive, DrivenFrames
from pesforge.sampling.frames import FloatArray
from pesforge.sampling.md import snapshots, strained
from pesforge.sampling.melt import MELTED, diffusion_ang2_per_ps, melted, why_not
from pesforge.sampling.trajectory import STRIDE, independent_states

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
    frames, runs = [], []
    start = strained(parent, settings.supercell, settings.strain)
    for temperature in settings.temperatures_k:
        group = f"{NAME}-{temperature:g}K"
        own = derive_seed(seed, NAME, f"{temperature:g}")
        run, moved = melted(start, drive, settings, own)
        states: list[FloatArray] = []
        found: dict[str, Any] = {"note": why_not(run, moved, settings)}
        diffusion: float | None = None
        if moved >= MELTED and run.stopped is None:
            run.set_temperature(temperature)
            run.run(max(1, settings.steps(settings.equilibration_ps) // STRIDE))
            states, found = independent_states(run, settings.count, settings.steps(settings.max_ps))
            diffusion = diffusion_ang2_per_ps(run)
        else:
            run.forget()
        frames += snapshots(start, states, parent, family=NAME, group=group, seed=own, temperature_k=temperature)
        row = run.evidence(temperature, settings.count, len(states))
        melt = {"moved_bonds": moved, "diffusion_ang2_per_ps": diffusion}
        runs.append({"family": NAME, "group": group, **row, **found, **melt})
    return DrivenFrames(frames, runs)
