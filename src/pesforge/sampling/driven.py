"""All families that need a driver: their samplers, one signature for all, and what a study says of them, completed."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ase import Atoms

from pesforge.driven_settings import Amorphous, Driven, Liquid, Md, Moving, Relaxed
from pesforge.fields import FAMILY, ID, REFERENCE_CELL
from pesforge.io import canonical_json
from pesforge.sampling import amorphous, liquid, md, relaxed
from pesforge.sampling.drive import Drive, DrivenFrames
from pesforge.sampling.prepare import Complaint, draft
from pesforge.settings import Study

SHIFT_ANG = 0.01
"""Displacements that take the symmetry from a cell."""
DrivenSampler = Callable[[Atoms, Any, Drive, int], DrivenFrames]
DRIVEN: dict[str, tuple[type[Driven], DrivenSampler]] = {
    md.NAME: (Md, md.sample),
    liquid.NAME: (Liquid, liquid.sample),
    amorphous.NAME: (Amorphous, amorphous.sample),
    relaxed.NAME: (Relaxed, relaxed.sample),
}


def prepare_driven(
    study: Study, parent: Atoms, families: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, dict[str, Any]], dict[str, list[Atoms]], list[Complaint]]:
    """Of every driven family the settings as builtin types, a stand-in of each structure, and what cannot be sampled.

    The stand-ins have the cells and the elements of the structures and no symmetry, but other positions and names: they
    tell how many there will be, and what their labels cost.

    Args:
        study: settings that are right in themselves.
        parent: parent crystal.
        families: settings of the other families, as `prepare` made them.
    """
    complaints: list[Complaint] = []
    found: dict[str, dict[str, Any]] = {}
    standins: dict[str, list[Atoms]] = {}
    for name, section in study.sample.driven().items():
        found[name] = json.loads(canonical_json(section.model_dump(mode="json")))
        if isinstance(section, Moving):
            cell = parent.repeat(section.supercell)
            if len(cell) < 2:
                complaints.append((("sample", name, "supercell"), "a single atom does not move; raise it."))
            standins[name] = [cell] * section.structures()
        elif isinstance(section, Relaxed):
            wanted = relaxed.DEFECTS + (relaxed.SLABS if section.surfaces else ())
            there = {other: families[other] for other in wanted if other in families}
            if not there:
                complaints.append((("sample", name), f"nothing to relax: switch on {' or '.join(wanted)}."))
            first = relaxed.first_of_groups(draft(there, parent, study.seed), section)
            standins[name] = [frame for frame in first for _ in range(1 + section.rattled)]
    return found, {name: _without_symmetry(name, cells) for name, cells in standins.items()}, complaints


def _without_symmetry(family: str, cells: Sequence[Atoms]) -> list[Atoms]:
    """Copies of cells, named by their family and slightly displaced."""
    copies = []
    for number, cell in enumerate(cells):
        copy = cell.copy()
        copy.rattle(SHIFT_ANG, seed=number)
        copy.info = {REFERENCE_CELL: cell.cell.array, **cell.info, FAMILY: family, ID: f"{family} {number}"}
        copies.append(copy)
    return copies
