"""About how long a label takes, before it is computed: the law of the engine, with symmetry and vacuum."""

import math

import numpy as np
import spglib
from ase import Atoms

from pesforge.dft.engines import Engine
from pesforge.dft.settings import ReferenceSettings
from pesforge.fields import REFERENCE_CELL
from pesforge.sampling.surface import ENDLESS_ANG

VACUUM_COST = 3.0
"""Rough cost of a slab or molecule over that of a crystal of its electrons and k-points: empty space has plane waves,
and surface states converge slowly. Measured with GPAW: Si(100) 3 to 4, Si₂ 2 to 4."""


def label_seconds(atoms: Atoms, settings: ReferenceSettings, engine: Engine) -> float:
    """Rough time of one label in s: the engine's own estimate, with symmetry and vacuum.

    It knows electrons, k-points, cutoff and symmetry, and no steps of SCF: those of stretched or hot cells are more.

    Args:
        atoms: structure; the k-points are those of its `reference_cell`, or of its own cell.
        settings: reference settings.
        engine: of the estimate.
    """
    mesh = settings.mesh_of(atoms)
    seconds = engine.estimate_seconds(atoms, settings, mesh)
    cell = np.asarray(atoms.info.get(REFERENCE_CELL, atoms.cell.array), dtype=float)
    if not atoms.pbc.all() or np.linalg.norm(cell, axis=1).max() >= ENDLESS_ANG:
        seconds *= VACUUM_COST
    lattice = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = spglib.get_ir_reciprocal_mesh(mesh, lattice, is_shift=(0, 0, 0)) if atoms.pbc.all() else None
    irreducible = 1.0 if found is None else len(set(found[0])) / (math.prod(mesh) // 2 + 1)
    return seconds * min(irreducible, 1.0)
