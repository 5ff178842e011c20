"""What the adapters of active learning share: believed labels, the basis of its fits, and motion under guard."""

from pathlib import Path

from _frames import frames_of

from pesforge.curation.filters import filter_labels
from pesforge.fitting.draft import draft_driver
from pesforge.io import read_json
from pesforge.learn_settings import Pool
from pesforge.learning.state import State
from pesforge.representations.ace import AceBasis
from pesforge.sampling import md
from pesforge.sampling.drive import Drive, DrivenFrames, Guard
from pesforge.settings import Curate, Describe
from pesforge.structure import from_plain


def believed(paths, curate):
    """Labels of some files that pass the limits of distances and forces, and what was dropped."""
    return filter_labels(frames_of(paths), Curate.model_validate(curate))


def stopped(path):
    """Whether the state in a file is that after a stop; not where there is none yet."""
    return bool(path) and State.of(read_json(path)).stopped


def basis_of(model):
    """The basis of the fits that choose and are examined."""
    settings = Describe.model_validate(model["describe"])
    return AceBasis(
        species=tuple(sorted(set(model["parent"]["symbols"]))),
        cutoff_ang=settings.cutoff_ang,
        max_degree=settings.max_degree,
        l_max=settings.l_max,
        l_weight=settings.l_weight,
    ).reduced(model["reduction"])


def moved(job, family, series, supercells=(), **which):
    """Snapshots of molecular dynamics by the draft of the job, and what the runs say of themselves.

    `supercells`: those that are run, all of the pool where none are named; `which`: as in `pesforge.sampling.md`.
    """
    motion, curate = job.params.motion, Curate.model_validate(job.params.motion["curate"])
    calculator, leverage = draft_driver(Path(job.input.potential))
    most = motion["leverage_factor"] * read_json(job.input.draft)["max_training_leverage"]
    guard = Guard(curate.min_distance_factor, curate.max_force_ev_per_ang, leverage, most)
    parent, pool, drive = from_plain(motion["parent"]), Pool.model_validate(motion["pool"]), Drive(calculator, guard)
    made = DrivenFrames([], [])
    for number, supercell in enumerate(supercells or pool.supercells()):
        settings = pool.model_copy(update={"supercell": supercell})
        named = f"{series}-{'x'.join(map(str, supercell))}" if number else series
        found = md.sample(parent, settings, drive, motion["seed"], family, named, **which)
        made.frames.extend(found.frames)
        made.runs.extend(found.runs)
    return made
