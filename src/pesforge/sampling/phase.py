"""Competing crystals at several volumes, and with thermal displacements."""

from typing import Any

import numpy as np
from ase import Atoms

from pesforge.family_settings import Phase
from pesforge.provenance import derive_seed
from pesforge.sampling.counts import symmetric_halvings
from pesforge.sampling.frames import make_frame, thermal_displacements
from pesforge.sampling.measured import Measured
from pesforge.structure import from_plain

NAME = "phase"


class PhaseCells(Phase):
    """Settings of the family with its crystals built."""

    cells: tuple[dict[str, Any], ...]


def sample(parent: Atoms, settings: PhaseCells, measured: Measured, seed: int) -> list[Atoms]:
    """Every crystal at hydrostatic strains 0, ±max, ±max/2, …, one group; then displaced copies, each a group.

    With the volumes alone, no other structure would speak for a crystal when its group is left out.

    Args:
        parent: not used; it belongs to the signature that all families share.
        settings: crystals, number of volumes and largest linear strain, displaced copies.
        measured: k_eff of every species, for the displacements.
        seed: seed of the study.
    """
    frames = []
    for number, (crystal, plain) in enumerate(zip(settings.crystals, settings.cells, strict=True)):
        word = crystal.prototype or (crystal.file.stem if crystal.file else "")
        group, cell = f"{NAME}-{number:02d}-{word}", from_plain(plain)
        for volume, share in enumerate(symmetric_halvings(settings.volumes)):
            strain = share * settings.linear_strain_max * np.eye(3)
            name = f"{group}-{volume:03d}"
            frames.append(make_frame(cell, name=name, family=NAME, group=group, seed=seed, strain=strain))
        for copy in range(settings.rattled):
            own = derive_seed(seed, group, copy)
            name = f"{group}-rattled-{copy:03d}"
            frames.append(
                make_frame(
                    cell,
                    name=name,
                    family=NAME,
                    group=name,
                    seed=own,
                    displacements=thermal_displacements(cell, measured.stiffness, settings.temperature_k, own),
                    temperature_k=settings.temperature_k,
                )
            )
    return frames
