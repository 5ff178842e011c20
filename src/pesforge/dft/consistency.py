"""Whether labels are conservative: forces and stresses against finite differences of the energy.

The cells are the parent with one displaced atom, and the same in a stretched cell. On each, four slopes of the energy
are compared with what the label says: the force along the displacement, the force on a neighbour across it, the
pressure and a shear stress.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.geometry import find_mic

from pesforge.dft.convergence import convergence_cells
from pesforge.dft.label import Label
from pesforge.fields import EV_PER_ANG3_IN_GPA, REFERENCE_CELL
from pesforge.sampling.frames import FloatArray
from pesforge.settings import Converge, Tolerances
from pesforge.validation.check import Check, absolute

STEP_ANG = 0.01
STRAIN = 0.005
DECIMALS = 8
OFF_AXIS_ANG = 0.5
"""Least distance of a neighbour from the line of the displacement; on the line its force across it may vanish."""
ALONG, ACROSS, PRESSURE, SHEAR = "along", "across", "pressure", "shear"
MEANINGS = {
    ALONG: "force along the displacement of an atom",
    ACROSS: "force on its neighbour across the displacement",
    PRESSURE: "mean normal stress",
    SHEAR: "shear stress σ_yz",
}
SHEAR_YZ = np.array([[0, 0, 0], [0, 0, 0.5], [0, 0.5, 0]])
"""Strain of unit engineering shear γ_yz: the energy rises by V σ_yz."""


@dataclass(frozen=True)
class Slope:
    """One central difference.

    Args:
        quantity: what it tests, a key of `MEANINGS`.
        direction: (n, 3) unit displacement, or (3, 3) strain.
        low: cell a step backwards.
        high: cell a step forwards.
    """

    quantity: str
    direction: FloatArray
    low: Atoms
    high: Atoms

    @property
    def of_force(self) -> bool:
        """Whether atoms move, not the cell."""
        return self.quantity in (ALONG, ACROSS)

    def said(self, label: Label) -> float:
        """What the label of the cell says: a force in eV/Å, or a stress in GPa."""
        if self.of_force:
            return float(np.sum(label.forces * self.direction))
        xx, yy, zz, yz, _, _ = label.stress * EV_PER_ANG3_IN_GPA
        return float((xx + yy + zz) / 3) if self.quantity == PRESSURE else float(yz)

    def found(self, low_ev: float, high_ev: float, volume_ang3: float) -> float:
        """What the energies say, in the same unit.

        dE/dε = V tr σ for equal strain of all lengths, and V σ_yz for γ_yz; the change of the volume itself is of
        second order in a central difference.

        Args:
            low_ev: energy of `low`.
            high_ev: energy of `high`.
            volume_ang3: volume of the cell.
        """
        if self.of_force:
            return -(high_ev - low_ev) / (2 * STEP_ANG)
        slope = EV_PER_ANG3_IN_GPA * (high_ev - low_ev) / (2 * STRAIN) / volume_ang3
        return float(slope / 3 if self.quantity == PRESSURE else slope)


def check_cells(parent: Atoms, converge: Converge) -> dict[str, Atoms]:
    """The cells of the check by name, each with the parent's cell as `reference_cell`.

    Args:
        parent: parent crystal.
        converge: amplitudes.
    """
    cells = convergence_cells(parent, converge)
    both = convergence_cells(cells["stretched"], converge)["displaced"]
    both.info = {REFERENCE_CELL: parent.cell.array.copy()}
    return {"displaced": cells["displaced"], "stretched and displaced": both}


def slopes(cell: Atoms) -> list[Slope]:
    """The central differences of a cell of `check_cells`, which keep what symmetry they can: that makes them cheap.

    Args:
        cell: its first atom is displaced along the body diagonal.
    """
    axis = cell.cell.array.sum(axis=0)
    axis /= np.linalg.norm(axis)
    along, across = np.zeros((len(cell), 3)), np.zeros((len(cell), 3))
    along[0] = axis
    neighbour, way = _neighbour_across(cell, axis)
    across[neighbour] = way
    moves = [Slope(key, way, _moved(cell, -way), _moved(cell, way)) for key, way in ((ALONG, along), (ACROSS, across))]
    strains = [
        Slope(key, strain, _strained(cell, -strain), _strained(cell, strain))
        for key, strain in ((PRESSURE, np.eye(3)), (SHEAR, SHEAR_YZ))
    ]
    return moves + strains


def label_rows(cells: dict[str, Atoms], calculate: Callable[[Atoms], Label]) -> list[dict[str, Any]]:
    """One row per cell and slope: `cell`, `quantity`, `label`, `difference` of energies, `deviation`, `unit`.

    Args:
        cells: cells of `check_cells`.
        calculate: gives the label of a structure at the converged settings.
    """
    rows = []
    for name, cell in cells.items():
        label = calculate(cell)
        for slope in slopes(cell):
            low, high = (calculate(atoms).energy for atoms in (slope.low, slope.high))
            said, found = slope.said(label), slope.found(low, high, cell.get_volume())
            unit = "eV/Å" if slope.of_force else "GPa"
            row = {"cell": name, "quantity": slope.quantity, "label": said, "difference": found}
            rows.append(row | {"deviation": abs(said - found), "unit": unit})
    return rows


def label_checks(rows: Sequence[dict[str, Any]], tolerances: Tolerances) -> list[Check]:
    """One check per quantity, on the cell where the label is farthest from its energies.

    Args:
        rows: what `label_rows` found.
        tolerances: largest deviations.
    """
    checks = []
    for quantity, words in MEANINGS.items():
        worst = max((row for row in rows if row["quantity"] == quantity), key=_deviation)
        force = worst["unit"] == "eV/Å"
        step = f"±{STEP_ANG} Å" if force else f"±{STRAIN:.1%}"
        rest = "" if force else "; the rest is the Pulay stress of the cutoff"
        checks.append(
            absolute(
                f"{words} against the energy",
                "labels",
                worst["label"],
                reference=worst["difference"],
                tolerance=tolerances.label_force_ev_per_ang if force else tolerances.label_stress_gpa,
                unit=worst["unit"],
                meaning=f"central difference over {step}, {worst['cell']} cell, the worst of them{rest}",
            )
        )
    return checks


def _deviation(row: dict[str, Any]) -> float:
    """The deviation of a row; one that is not a number is the largest."""
    return float(np.nan_to_num(row["deviation"], nan=np.inf))


def pulay_stress_gpa(rows: Sequence[dict[str, Any]]) -> float:
    """Mean normal stress of the labels less the slope of their energies in GPa, mean over the cells.

    Plane waves at a fixed cutoff are a basis that grows with the cell, which the slope contains and the label does not
    (Francis and Payne, J. Phys.: Condens. Matter 2, 4395 (1990)).

    Args:
        rows: what `label_rows` found.
    """
    return float(np.mean([row["label"] - row["difference"] for row in rows if row["quantity"] == PRESSURE]))


def _neighbour_across(cell: Atoms, axis: FloatArray) -> tuple[int, FloatArray]:
    """The nearest other atom off the line through the first one, and the unit vector from the line to it.

    A cell of one atom has only images of that atom; moving it is then a rigid shift.
    """
    others = np.arange(1, len(cell)) if len(cell) > 1 else np.arange(1)
    vectors, lengths = find_mic(cell.positions[others] - cell.positions[0], cell.cell, cell.pbc)
    across = vectors - np.outer(vectors @ axis, axis)
    away = np.linalg.norm(across, axis=1)
    far = np.where(away > OFF_AXIS_ANG, np.round(lengths, DECIMALS), np.inf)
    if not np.isfinite(far).any():
        way = np.cross(axis, np.eye(3)[int(np.argmin(np.abs(axis)))])
        return int(others[0]), way / np.linalg.norm(way)
    nearest = int(np.argmin(far))
    return int(others[nearest]), across[nearest] / away[nearest]


def _moved(cell: Atoms, way: FloatArray) -> Atoms:
    moved = cell.copy()
    moved.positions = np.round(cell.positions + STEP_ANG * way, DECIMALS)
    return moved


def _strained(cell: Atoms, strain: FloatArray) -> Atoms:
    strained = cell.copy()
    strained.set_cell(cell.cell.array @ (np.eye(3) + STRAIN * strain), scale_atoms=True)
    strained.positions = np.round(strained.positions, DECIMALS)
    return strained
