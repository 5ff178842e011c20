"""Structures whose labels the study computes anyway; `pesforge.dft.shared` says which."""

from typing import Any

from ase import Atoms

from pesforge.errors import DataError
from pesforge.family_settings import Shared
from pesforge.sampling.frames import make_cell_frame
from pesforge.sampling.measured import Measured
from pesforge.structure import from_plain

NAME = "shared"


class SharedCells(Shared):
    """Settings of the family with its cells."""

    cells: tuple[dict[str, Any], ...]


def sample(parent: Atoms, settings: SharedCells, measured: Measured, seed: int) -> list[Atoms]:
    """The first cells, as they were calculated, so that their labels are found in the store.

    Nothing here is random and nothing is displaced: `measured` and `seed` are part of the signature of all families.

    Args:
        parent: parent crystal, whose cell decides the mesh.
        settings: cells, and how many of them.
        measured: not used.
        seed: written into the structures.

    Raises:
        DataError: there are fewer cells than asked for.
    """
    count = settings.structures(len(set(parent.symbols)))
    if count > len(settings.cells):
        raise DataError(f"the study shares {len(settings.cells)} calculations, but `count` is {count}; lower it.")
    return [
        make_cell_frame(
            from_plain({key: cell[key] for key in ("symbols", "positions", "cell", "pbc")}),
            origin=parent,
            name=f"{NAME}-{cell['name']}",
            family=NAME,
            group=f"{NAME}-{cell['group']}",
            seed=seed,
            reference_cell=parent.cell.array,
        )
        for cell in settings.cells[:count]
    ]
