"""Snapshots of the crystal in molecular dynamics."""

from ase import Atoms

from pesforge.driven_settings import Md
from pesforge.fields import REFERENCE_CELL
from pesforge.provenance import derive_seed
from pesforge.sampling.drive import Drive, DrivenFrames
from pesforge.sampling.head import Head, settled_states, strained
from pesforge.sampling.trajectory import Trajectory

NAME = "md"


def sample(
    parent: Atoms, settings: Md, drive: Drive, seed: int, family: str = NAME, series: str = NAME
) -> DrivenFrames:
    """Independent snapshots of the crystal at every temperature and linear strain; each run is one group.

    A run is equilibrated, then its snapshots stand twice the integrated autocorrelation time of the potential energy
    apart or more. The k-points are those of the supercell without strain.

    Args:
        parent: parent crystal.
        settings: temperatures, strains, supercell, count, times.
        drive: driver and guard.
        seed: seed of the study.
        family: of the structures.
        series: what the names of the runs begin with; another one has other random numbers.
    """
    made = DrivenFrames([], [])
    for strain in settings.strains:
        start = strained(parent, settings.supercell, strain)
        start.info[REFERENCE_CELL] = start.cell.array / (1 + strain)
        for temperature in settings.temperatures_k:
            group = f"{series}-{temperature:g}K" + (f"-{strain:+g}" if strain else "")
            own = derive_seed(seed, series, f"{temperature:g}", f"{strain:g}")
            head = Head(family, parent, start, group, own, strain)
            run = Trajectory(start, drive, settings, temperature, own)
            states, found = settled_states(run, settings)
            frames = head.snapshots(states, temperature)
            head.add(made, frames, run, temperature_k=temperature, requested=settings.count, **found, strain=strain)
    return made
