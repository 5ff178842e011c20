"""Snapshots of the crystal in molecular dynamics."""

from collections.abc import Collection

from ase import Atoms

from pesforge.driven_settings import Md
from pesforge.fields import REFERENCE_CELL
from pesforge.provenance import derive_seed
from pesforge.sampling.drive import Drive, DrivenFrames
from pesforge.sampling.head import Head, settled_states, strained
from pesforge.sampling.trajectory import Trajectory

NAME = "md"
EDGE = "edge"


def group_of(series: str, temperature_k: float, strain: float) -> str:
    """Name of the run at a temperature in K and a linear strain."""
    return f"{series}-{temperature_k:g}K" + (f"-{strain:+g}" if strain else "")


def sample(
    parent: Atoms,
    settings: Md,
    drive: Drive,
    seed: int,
    family: str = NAME,
    series: str = NAME,
    *,
    edges: bool = False,
    without: Collection[str] = (),
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
        edges: whether the structure at which a leverage stopped a run is given too, behind its snapshots.
        without: groups that are not run.
    """
    made = DrivenFrames([], [])
    for strain in settings.strains:
        start = strained(parent, settings.supercell, strain)
        start.info[REFERENCE_CELL] = start.cell.array / (1 + strain)
        for temperature in settings.temperatures_k:
            group = group_of(series, temperature, strain)
            if group in without:
                continue
            own = derive_seed(seed, series, f"{temperature:g}", f"{strain:g}")
            head = Head(family, parent, start, group, own, strain)
            run = Trajectory(start, drive, settings, temperature, own)
            states, found = settled_states(run, settings)
            frames = head.snapshots(states, temperature)
            if edges and run.edge is not None:
                frames.append(head.frame(EDGE, run.edge, temperature))
            head.add(made, frames, run, temperature_k=temperature, requested=settings.count, **found, strain=strain)
    return made
