"""Supercells without one atom."""

import numpy as np
import spglib
from ase import Atoms

from pesforge.errors import DataError
from pesforge.family_settings import Vacancy
from pesforge.provenance import derive_seed
from pesforge.sampling.frames import make_cell_frame, thermal_displacements
from pesforge.sampling.lattice_planes import SYMPREC_ANG
from pesforge.sampling.measured import Measured

NAME = "vacancy"


def sample(parent: Atoms, settings: Vacancy, measured: Measured, seed: int) -> list[Atoms]:
    """Unrelaxed vacancies on every symmetry-distinct site in turn; one group per site.

    The first structure of a site is the perfect supercell without the atom, all others have thermal displacements.

    Args:
        parent: parent crystal.
        settings: supercell, count, temperature.
        measured: k_eff of every species.
        seed: seed of the study.

    Raises:
        DataError: there are more distinct sites than structures, or the supercell has a single atom.
    """
    sites = distinct_sites(parent)
    if settings.count < len(sites):
        raise DataError(f"the crystal has {len(sites)} distinct sites, but `count` is {settings.count}; raise it.")
    supercell = parent.repeat(settings.supercell)
    if len(supercell) < 2:
        raise DataError("the supercell has a single atom; raise `supercell`.")
    frames = []
    for index in range(settings.count):
        number, site = divmod(index, len(sites))
        cell = supercell[np.arange(len(supercell)) != sites[site]]
        own = derive_seed(seed, NAME, site, number)
        temperature = settings.temperature_k if number else 0.0
        frames.append(
            make_cell_frame(
                cell,
                origin=parent,
                name=f"{NAME}-{site:02d}-{number:03d}",
                family=NAME,
                group=f"{NAME}-{site:02d}",
                seed=own,
                displacements=thermal_displacements(cell, measured.stiffness, temperature, own),
                temperature_k=temperature,
            )
        )
    return frames


def distinct_sites(crystal: Atoms) -> list[int]:
    """The first atom of every set of atoms that the space group maps onto each other; all where spglib finds none.

    Args:
        crystal: periodic in three directions.
    """
    cell = (crystal.cell.array, crystal.get_scaled_positions(), crystal.numbers)
    found = spglib.get_symmetry_dataset(cell, symprec=SYMPREC_ANG)
    return list(range(len(crystal))) if found is None else sorted({int(site) for site in found.equivalent_atoms})
