"""Slabs with free surfaces."""

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.family_settings import Plane, Surface
from pesforge.provenance import derive_seed
from pesforge.sampling.frames import make_cell_frame, thermal_displacements
from pesforge.sampling.lattice_planes import PlaneCell, hkl_name, plane_cell, slab
from pesforge.sampling.measured import Measured

NAME = "surface"
ENDLESS_ANG = 1e4
"""Length across the vacuum of the cell that decides the mesh: no spacing of k-points asks for a second one there."""


def sample(parent: Atoms, settings: Surface, measured: Measured, seed: int) -> list[Atoms]:
    """Slabs of every cut of every plane, each perfect and with displacements; one group per plane and cut.

    Slabs are periodic in all three directions, whole planes of primitive cells thick and not relaxed. In the plane the
    k-points are as dense as those of the crystal; across the vacuum, where bands are flat, there is one.

    Args:
        parent: parent crystal.
        settings: planes, thickness, vacuum, displaced copies.
        measured: k_eff of every species, for the displacements.
        seed: seed of the study.

    Raises:
        DataError: a plane has fewer distinct cuts than the settings ask for.
    """
    frames = []
    for plane in settings.planes:
        cell = plane_cell(parent, plane.hkl)
        _check_cuts(cell, plane)
        for cut in range(plane.cuts):
            perfect = slab(cell, cut, settings.layers, settings.vacuum_ang)
            group = f"{NAME}-{hkl_name(plane.hkl)}-{cut}"
            for number in range(1 + settings.rattled):
                own = derive_seed(seed, NAME, hkl_name(plane.hkl), cut, number)
                temperature = settings.temperature_k if number else 0.0
                frames.append(
                    make_cell_frame(
                        perfect,
                        origin=parent,
                        name=f"{group}-{number:03d}",
                        family=NAME,
                        group=group,
                        seed=own,
                        displacements=thermal_displacements(perfect, measured.stiffness, temperature, own),
                        temperature_k=temperature,
                        reference_cell=np.array([*perfect.cell.array[:2], [0.0, 0.0, ENDLESS_ANG]]),
                    )
                )
    return frames


def _check_cuts(cell: PlaneCell, plane: Plane) -> None:
    if plane.cuts > len(cell.cuts):
        raise DataError(
            f"the plane {list(plane.hkl)} has {len(cell.cuts)} distinct cut(s), but `cuts` is {plane.cuts}; lower it."
        )
