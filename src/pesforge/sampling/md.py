"""Snapshots of the crystal in molecular dynamics."""

import numpy as np
from ase import Atoms

from pesforge.driven_settings import Md
from pesforge.fields import REFERENCE_CELL, STRAIN
from pesforge.provenance import derive_seed
from pesforge.sampling.drive import Drive, DrivenFrames
from pesforge.sampling.frames import FloatArray, make_cell_frame
from pesforge.sampling.trajectory import STRIDE, Trajectory, independent_states

NAME = "md"


def sample(parent: Atoms, settings: Md, drive: Drive, seed: int) -> DrivenFrames:
    """Independent snapshots of the crystal at every temperature and linear strain; each run is one group.

    A run is equilibrated, then its snapshots stand twice the integrated autocorrelation time of the potential energy
    apart or more. The k-points are those of the supercell without strain.

    Args:
        parent: parent crystal.
        settings: temperatures, strains, supercell, count, times.
        drive: driver and guard.
        seed: seed of the study.
    """
    frames, runs = [], []
    for strain in settings.strains:
        for temperature in settings.temperatures_k:
            group = f"{NAME}-{temperature:g}K" + (f"-{strain:+g}" if strain else "")
            start = strained(parent, settings.supercell, strain)
            start.info[REFERENCE_CELL] = start.cell.array / (1 + strain)
            own = derive_seed(seed, NAME, f"{temperature:g}", f"{strain:g}")
            run = Trajectory(start, drive, settings, temperature, own)
            run.run(max(1, settings.steps(settings.equilibration_ps) // STRIDE))
            states, found = independent_states(run, settings.count, settings.steps(settings.max_ps))
            frames += snapshots(
                start, states, parent, family=NAME, group=group, seed=own, temperature_k=temperature, strain=strain
            )
            row = run.evidence(temperature, settings.count, len(states))
            runs.append({"family": NAME, "group": group, **row, **found, "strain": strain})
    return DrivenFrames(frames, runs)


def strained(parent: Atoms, supercell: tuple[int, int, int], strain: float) -> Atoms:
    """A supercell with all lengths 1 + strain times as long."""
    atoms = parent.repeat(supercell)
    atoms.set_cell(atoms.cell.array * (1 + strain), scale_atoms=True)
    return atoms


def snapshots(
    cell: Atoms,
    states: list[FloatArray],
    parent: Atoms,
    *,
    family: str,
    group: str,
    seed: int,
    temperature_k: float,
    strain: float = 0.0,
) -> list[Atoms]:
    """Structures of the states of one run, numbered from 0.

    Args:
        cell: elements and cell.
        states: positions (n, 3) in Å.
        parent: crystal that it was made from.
        family: sampler.
        group: name of the run.
        seed: of the run.
        temperature_k: temperature in K.
        strain: linear strain of a crystal; its k-points are those of the cell without it.
    """
    frames = []
    for number, positions in enumerate(states):
        atoms = cell.copy()
        atoms.positions = positions
        frame = make_cell_frame(
            atoms,
            origin=parent,
            name=f"{group}-{number:03d}",
            family=family,
            group=group,
            seed=seed,
            temperature_k=temperature_k,
            reference_cell=cell.cell.array / (1 + strain),
        )
        frame.info[STRAIN] = np.array([strain] * 3 + [0.0] * 3)
        frames.append(frame)
    return frames
