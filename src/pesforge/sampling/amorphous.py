"""Quenched melts."""

from collections import deque
from typing import Any

from ase import Atoms

from pesforge.driven_settings import Amorphous
from pesforge.provenance import derive_seed
from pesforge.sampling.counts import halvings
from pesforge.sampling.drive import Drive, DrivenFrames
from pesforge.sampling.frames import FloatArray
from pesforge.sampling.head import Head, strained
from pesforge.sampling.melt import is_melt, melted, why_not
from pesforge.sampling.relaxation import relax, unfinished
from pesforge.sampling.trajectory import STRIDE, Trajectory

NAME = "amorphous"
LAST_SHARE = 0.1
"""Share of the cooling, at its end, over which temperature and radial distribution are averaged."""


def sample(parent: Atoms, settings: Amorphous, drive: Drive, seed: int) -> DrivenFrames:
    """Structures of melts on the way down, and the relaxed ends; each quench is one run and group.

    The crystal is melted; then the temperature of the thermostat falls at a constant rate. Snapshots are taken where it
    has come down to T_end + x (T_melt − T_end) with x = 0, 1/2, 1/4, 3/4, …; the structure at the end of cooling is
    relaxed at fixed cell. A crystal that does not melt gives no structure.

    Args:
        parent: parent crystal.
        settings: temperatures, rate, supercell, strain, counts.
        drive: driver and guard.
        seed: seed of the study.
    """
    made = DrivenFrames([], [])
    start = strained(parent, settings.supercell, settings.strain)
    for number in range(settings.quenches):
        head = Head(NAME, parent, start, f"{NAME}-{number:02d}", derive_seed(seed, NAME, number))
        run, moved = melted(start, drive, settings, head.seed)
        frames: list[Atoms] = []
        found: dict[str, Any] = {"note": why_not(run, moved, settings), "end_fmax_ev_per_ang": None}
        run.forget()
        if is_melt(run, moved):
            passed = cool(run, settings)
            frames = [head.frame(f"{index:03d}", positions, at) for index, (at, positions) in passed.items()]
            if run.stopped is None:
                end = start.copy()
                end.positions = run.states[-1]
                rest = relax(end, drive, settings.fmax_ev_per_ang, settings.max_steps)
                run.stopped = rest.stopped
                found = {
                    "note": unfinished(rest, settings.fmax_ev_per_ang),
                    "end_fmax_ev_per_ang": rest.fmax_ev_per_ang,
                }
                if rest.stopped is None:
                    frames.append(head.frame("end", rest.atoms.positions, 0.0))
        head.add(
            made,
            frames,
            run,
            temperature_k=settings.final_temperature_k,
            requested=settings.snapshots + 1,
            moved_bonds=moved,
            rate_k_per_ps=settings.rate_k_per_ps,
            **found,
        )
    return made


def cool(run: Trajectory, settings: Amorphous) -> dict[int, tuple[float, FloatArray]]:
    """Temperature in K and positions (n, 3) in Å of every snapshot on the way down that was reached, by its number.

    At the end the states of the last tenth of the way are left in the run.

    Args:
        run: a melt.
        settings: temperatures, rate, number of snapshots.
    """
    span = settings.melt_temperature_k - settings.final_temperature_k
    strides = max(1, settings.steps(settings.quench_ps) // STRIDE)
    due = deque(
        sorted(((settings.final_temperature_k + x * span), n) for n, x in enumerate(halvings(settings.snapshots)))
    )
    found = {}
    for stride in range(1, strides + 1):
        temperature = settings.melt_temperature_k - span * stride / strides
        run.set_temperature(temperature)
        if stride == int((1 - LAST_SHARE) * strides):
            run.forget()
        if not run.run(1):
            break
        while due and temperature <= due[-1][0] + 1e-9 * span:
            target, number = due.pop()
            found[number] = (target, run.states[-1])
    return dict(sorted(found.items()))
