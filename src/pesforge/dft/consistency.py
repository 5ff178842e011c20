"""Whether labels are conservative: force and stress against finite differences of the energy."""

from collections.abc import Callable

import numpy as np
from ase import Atoms

from pesforge.dft.label import Label
from pesforge.fields import EV_PER_ANG3_IN_GPA
from pesforge.settings import Tolerances
from pesforge.validation.check import Check, absolute

STEP_ANG = 0.01
STRAIN = 0.005
DECIMALS = 8


def label_checks(
    cell: Atoms, parent: Atoms, calculate: Callable[[Atoms], Label], tolerances: Tolerances
) -> list[Check]:
    """Force along the displacement of a cell, and its pressure, against central differences of the energy.

    The directions keep what symmetry the cell has, which keeps the check cheap. The basis of plane waves changes with
    the volume at a fixed cutoff, so the second check also measures the Pulay stress.

    Args:
        cell: displaced cell, with its `reference_cell`.
        parent: the same without displacement.
        calculate: gives the label of a structure at the converged settings.
        tolerances: largest deviations.
    """
    label = calculate(cell)
    way = cell.positions - parent.positions
    way /= np.linalg.norm(way)
    moved = [_moved(cell, way, step) for step in (-STEP_ANG, STEP_ANG)]
    low, high = (calculate(atoms).energy for atoms in moved)
    force = float(np.sum(label.forces * way))
    scaled = [_scaled(cell, strain) for strain in (-STRAIN, STRAIN)]
    small, large = (calculate(atoms).energy for atoms in scaled)
    # dE/dε for ε = e·1 is V tr σ; the volume factor (1 + e)³ is of second order in the central difference.
    mean_stress = EV_PER_ANG3_IN_GPA * (large - small) / (2 * STRAIN) / (3 * cell.get_volume())
    return [
        absolute(
            "force of a label against its energy",
            "labels",
            force,
            reference=-(high - low) / (2 * STEP_ANG),
            tolerance=tolerances.label_force_ev_per_ang,
            unit="eV/Å",
            meaning=f"central difference over ±{STEP_ANG} Å along the displacement: labels come from one energy",
        ),
        absolute(
            "stress of a label against its energy",
            "labels",
            EV_PER_ANG3_IN_GPA * float(label.stress[:3].mean()),
            reference=float(mean_stress),
            tolerance=tolerances.label_stress_gpa,
            unit="GPa",
            meaning=f"central difference over ±{STRAIN:.1%} of length; the rest is the Pulay stress of the cutoff",
        ),
    ]


def _moved(cell: Atoms, way: np.ndarray, step: float) -> Atoms:
    moved = cell.copy()
    moved.positions = np.round(cell.positions + step * way, DECIMALS)
    return moved


def _scaled(cell: Atoms, strain: float) -> Atoms:
    scaled = cell.copy()
    scaled.set_cell(cell.cell.array * (1 + strain), scale_atoms=True)
    scaled.positions = np.round(scaled.positions, DECIMALS)
    return scaled
