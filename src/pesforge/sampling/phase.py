"""Competing crystals at several volumes."""

from typing import Any

import numpy as np
from ase import Atoms

from pesforge.family_settings import Phase
from pesforge.sampling.counts import symmetric_halvings
from pesforge.sampling.frames import make_frame
from pesforge.sampling.measured import Measured
from pesforge.structure import from_plain

NAME = "phase"


class PhaseCells(Phase):
    """Settings of the family with its crystals built."""

    cells: tuple[dict[str, Any], ...]


def sample(parent: Atoms, settings: PhaseCells, measured: Measured, seed: int) -> list[Atoms]:
    """Every crystal at hydrostatic strains 0, ±max, ±max/2, …; one group per crystal.

    Nothing here is random and the parent has no part in it: they belong to the signature that all families share.

    Args:
        parent: not used.
        settings: crystals, number of volumes and largest linear strain.
        measured: not used.
        seed: written into the structures.
    """
    frames = []
    for number, (crystal, plain) in enumerate(zip(settings.crystals, settings.cells, strict=True)):
        word = crystal.prototype or (crystal.file.stem if crystal.file else "")
        group = f"{NAME}-{number:02d}-{word}"
        for volume, share in enumerate(symmetric_halvings(settings.volumes)):
            strain = share * settings.linear_strain_max * np.eye(3)
            name = f"{group}-{volume:03d}"
            frames.append(make_frame(from_plain(plain), name=name, family=NAME, group=group, seed=seed, strain=strain))
    return frames
