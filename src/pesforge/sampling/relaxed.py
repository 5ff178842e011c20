"""Relaxed defects and slabs, in the groups and families of those that are not relaxed."""

from collections.abc import Sequence

from ase import Atoms

from pesforge.driven_settings import Relaxed
from pesforge.fields import FAMILY, GROUP, ID, SEED, TEMPERATURE_K
from pesforge.provenance import derive_seed
from pesforge.sampling.drive import Drive, DrivenFrames
from pesforge.sampling.frames import thermal_displacements
from pesforge.sampling.relaxation import relax, unfinished

NAME = "relaxed"
DEFECTS = ("vacancy", "interstitial")
SLABS = ("surface",)


def sample(parent: Atoms, settings: Relaxed, drive: Drive, seed: int) -> DrivenFrames:
    """Every defect of the pool relaxed at fixed cell, and copies of it with thermal displacements.

    They stay in the group and in the family of the defect that is not relaxed, so that neither a split by groups nor
    one by families separates them.

    Args:
        parent: not used: the defects are in the pool.
        settings: which, largest force, copies.
        drive: driver, guard, pool and k_eff.
        seed: seed of the study.
    """
    frames, runs = [], []
    for first in first_of_groups(drive.pool, settings):
        group = str(first.info[GROUP])
        found = relax(first, drive, settings.fmax_ev_per_ang, settings.max_steps)
        made = []
        if found.stopped is None:
            for number in range(1 + settings.rattled):
                own = derive_seed(seed, NAME, group, number)
                temperature = settings.temperature_k if number else 0.0
                frame = found.atoms.copy()
                frame.positions += thermal_displacements(frame, drive.stiffness, temperature, own)
                frame.info |= {ID: f"{NAME}-{group}-{number:03d}", SEED: own, TEMPERATURE_K: temperature}
                made.append(frame)
        frames += made
        runs.append(
            {
                "family": NAME,
                "group": group,
                "temperature_k": None,
                "temperature_observed_k": None,
                "atoms": len(first),
                "steps": found.steps,
                "tau_fs": None,
                "spacing_fs": None,
                "requested": 1 + settings.rattled,
                "given": len(made),
                "stopped": found.stopped,
                "note": unfinished(found, settings.fmax_ev_per_ang),
                "rdf": None,
                "end_fmax_ev_per_ang": found.fmax_ev_per_ang,
            }
        )
    return DrivenFrames(frames, runs)


def first_of_groups(pool: Sequence[Atoms], settings: Relaxed) -> list[Atoms]:
    """The first structure of every group of the families that are relaxed, in the order of the pool.

    Args:
        pool: structures.
        settings: whether slabs are among them.
    """
    families = DEFECTS + (SLABS if settings.surfaces else ())
    found: dict[str, Atoms] = {}
    for frame in pool:
        if frame.info[FAMILY] in families:
            found.setdefault(str(frame.info[GROUP]), frame)
    return list(found.values())
