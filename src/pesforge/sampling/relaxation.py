"""Relaxation at fixed cell, under guard."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.optimize import FIRE

from pesforge.errors import PesforgeError
from pesforge.sampling.drive import Drive


@dataclass(frozen=True)
class Relaxation:
    """The end of a relaxation.

    Args:
        atoms: relaxed structure without calculator; where the guard stopped it, the last one that it saw.
        steps: steps taken.
        fmax_ev_per_ang: largest force on an atom at the end; None where the driver failed.
        stopped: why the guard stopped it, or None.
        converged: whether the largest force came below the one asked for.
    """

    atoms: Atoms
    steps: int
    fmax_ev_per_ang: float | None
    stopped: str | None
    converged: bool


def relax(start: Atoms, drive: Drive, fmax_ev_per_ang: float, max_steps: int) -> Relaxation:
    """The structure at the minimum of the driver's energy that lies downhill of `start`, at fixed cell.

    Args:
        start: where to begin; not changed.
        drive: driver and guard.
        fmax_ev_per_ang: largest force on an atom that is left.
        max_steps: most steps.

    Source: FIRE, E. Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006); ASE's implementation.
    """
    atoms = start.copy()
    atoms.calc = drive.calculator()
    stopped: str | None = None
    largest: float | None = None
    steps = 0
    try:
        with FIRE(atoms, logfile=None) as optimizer:
            for _ in optimizer.irun(fmax=fmax_ev_per_ang, steps=max_steps):
                forces = atoms.get_forces()
                largest = float(np.sqrt(np.einsum("nx,nx->n", forces, forces).max()))
                stopped = drive.guard.absurd(forces) or drive.guard.outside(atoms)
                if stopped is not None:
                    break
            steps = optimizer.nsteps
    except PesforgeError as error:
        stopped = str(error)
    atoms.calc = None
    converged = stopped is None and largest is not None and largest <= fmax_ev_per_ang
    return Relaxation(atoms, steps, largest, stopped, converged)


def unfinished(found: Relaxation, fmax_ev_per_ang: float) -> str | None:
    """A note on a relaxation that was not stopped but ran out of steps."""
    if found.stopped is not None or found.converged:
        return None
    return f"{found.fmax_ev_per_ang:.3g} eV/Å left after {found.steps} steps, {fmax_ev_per_ang:g} was asked for"
