"""Vacancies, interstitials, surfaces and γ-lines: the potential beside the reference method on the same structures.

Both sides take the perfect crystal at the same lattice constant. The reference has a mesh of k-points in every cell:
where the convergence stage measured the perfect crystal in the cell of a defect, that energy is the zero; elsewhere the
zero is that of the parent's cell, and what the meshes differ by stands beside the value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from pesforge.errors import DataError
from pesforge.fields import FAMILY, GROUP, ID, TEMPERATURE_K
from pesforge.settings import Tolerances
from pesforge.validation.check import Check, absolute, not_applicable, relative
from pesforge.validation.excess import (
    J_PER_M2,
    Crystal,
    area_ang2,
    cells_by_atoms,
    cells_by_volume,
    excess_atoms,
    repeats,
)

POINTS = ("vacancy", "interstitial")
SURFACE = "surface"
FAULT = "stacking_fault"
GROUPS = {"vacancy": "defect", "interstitial": "defect", SURFACE: "surface", FAULT: "fault"}
QUANTITY = {
    "vacancy": ("formation energy of vacancies", "eV"),
    "interstitial": ("formation energy of interstitials", "eV"),
    SURFACE: ("surface energies", "J/m²"),
    FAULT: ("γ-lines", "mJ/m²"),
}
RELAXED = "relaxed-"
"""How the names of structures begin that a driver relaxed."""
AS_CUT, BY_DRIVER, BY_POTENTIAL = "not relaxed", "relaxed by the driver", "relaxed by the potential"


@dataclass(frozen=True)
class Sides:
    """The perfect crystal by both methods.

    Args:
        dft: by the reference method, in the parent's cell.
        potential: by the potential, in the same cell.
        offsets_ev_per_atom: energy per atom of the perfect crystal by the reference method on the mesh of other cells,
            above that in the parent's, by the names of `pesforge.dft.shapes`.
    """

    dft: Crystal
    potential: Crystal
    offsets_ev_per_atom: Mapping[str, float]

    def reference(self, atoms: Atoms) -> tuple[Crystal, float]:
        """The crystal of the reference on the mesh of a structure, and what its energy per atom is uncertain by in eV.

        Args:
            atoms: structure; in a supercell of the parent the mesh is known.
        """
        found = repeats(atoms, self.dft.atoms)
        if found == (1, 1, 1):
            return self.dft, 0.0
        name = "supercell {}×{}×{}".format(*found) if found else ""
        if name in self.offsets_ev_per_atom:
            return self.dft.shifted(self.offsets_ev_per_atom[name]), 0.0
        return self.dft, max((abs(value) for value in self.offsets_ev_per_atom.values()), default=0.0)


def mesh_offsets(converge: Mapping[str, Any]) -> dict[str, float]:
    """`Sides.offsets_ev_per_atom` from the evidence of the convergence stage, at the spacing of k-points that it chose.

    Args:
        converge: holds `scans`, each with `chosen` and `shapes`.
    """
    rows = [row for scan in converge["scans"] for row in scan["shapes"] if row["value"] == scan["chosen"]]
    return {str(row["cell"]): 1e-3 * row["energy_above_first_mev_per_atom"] for row in rows}


def compare_defects(
    calculator: Calculator, frames: Sequence[Atoms], sides: Sides, tolerances: Tolerances
) -> tuple[list[Check], dict[str, Any]]:
    """Checks of the labelled defects, surfaces and faults, and the evidence of both sides: `rows` and `lines`.

    Families without labels get a check that does not apply and says what to switch on. Structures that a driver
    relaxed count where the reference agrees that they are: its largest force on an atom decides.

    Args:
        calculator: the potential.
        frames: labelled structures of all families.
        sides: perfect crystal by both methods.
        tolerances: largest deviations.
    """
    checks: list[Check] = []
    rows: list[dict[str, Any]] = []
    for family in (*POINTS, SURFACE):
        members = perfect_members(frames, family)
        if not members:
            checks.append(_missing(family))
        for frame in members:
            check, row = _compared(calculator, frame, sides, tolerances)
            checks.append(check)
            rows.append(row)
    lines = []
    names = list(dict.fromkeys(str(frame.info[GROUP]) for frame in frames if frame.info[FAMILY] == FAULT))
    for name in names:
        check, line = _line(calculator, [frame for frame in frames if frame.info[GROUP] == name], sides, tolerances)
        checks.append(check)
        lines.append(line)
    if not names:
        checks.append(_missing(FAULT))
    return checks, {"rows": rows, "lines": lines}


def perfect_members(frames: Sequence[Atoms], family: str) -> list[Atoms]:
    """The structures of a family without thermal displacements, one per group as cut and one relaxed by a driver."""
    found: dict[tuple[str, bool], Atoms] = {}
    for frame in frames:
        if frame.info[FAMILY] == family and frame.info[TEMPERATURE_K] == 0:
            found.setdefault((str(frame.info[GROUP]), is_relaxed(frame)), frame)
    return list(found.values())


def is_relaxed(frame: Atoms) -> bool:
    """Whether a driver relaxed a structure."""
    return str(frame.info[ID]).startswith(RELAXED)


def title(frame: Atoms, crystal: Crystal) -> str:
    """Name of a defect, surface or fault for people, such as `vacancy of Si, site 00`.

    Args:
        frame: structure with `family` and `group`.
        crystal: perfect crystal.
    """
    family, group = str(frame.info[FAMILY]), str(frame.info[GROUP])
    rest = group.removeprefix(f"{family}-").split("-")
    if family in POINTS:
        elements = ", ".join(excess_atoms(frame, crystal, cells_by_volume(frame, crystal)))
        return f"{family} of {elements}, {'site' if family == 'vacancy' else 'void'} {rest[0]}"
    cut = f", cut {rest[1]}" if rest[1] != "0" else ""
    if family == SURFACE:
        return f"surface ({miller(rest[0])}){cut}"
    return f"γ-line ({miller(rest[0])}) [{miller(rest[2])}]{cut}"


def miller(word: str) -> str:
    """Indices of a name for people: `1_1_m2` is `1 1 -2`."""
    return word.replace("m", "-").replace("_", " ")


def value_of(frame: Atoms, energy_ev: float, crystal: Crystal) -> float:
    """Formation energy in eV of a point defect, or energy of a surface in J/m².

    Args:
        frame: structure with `family`; a slab has two equal surfaces.
        energy_ev: its energy.
        crystal: perfect crystal by the same method.

    Raises:
        DataError: a chemical potential is needed that is not known.
    """
    if frame.info[FAMILY] in POINTS:
        return crystal.excess_ev(frame, energy_ev, cells_by_volume(frame, crystal))
    return crystal.excess_ev(frame, energy_ev, cells_by_atoms(frame, crystal)) * _per_area(frame)


def _per_area(frame: Atoms) -> float:
    return J_PER_M2 / (2 * area_ang2(frame))


def largest_force(forces: np.ndarray) -> float:
    """Largest force on an atom in eV/Å."""
    return float(np.linalg.norm(forces, axis=1).max())


def _missing(family: str) -> Check:
    words, unit = QUANTITY[family]
    how = "sample.stacking_fault: {lines: …}" if family == FAULT else f"sample.{family}: {{}}"
    return not_applicable(
        words, GROUPS[family], unit=unit, meaning=f"no structure of this family was labelled: `{how}` adds them"
    )


def _compared(
    calculator: Calculator, frame: Atoms, sides: Sides, tolerances: Tolerances
) -> tuple[Check, dict[str, Any]]:
    """One point defect or slab: its check and its row."""
    family = str(frame.info[FAMILY])
    unit, group = QUANTITY[family][1], GROUPS[family]
    geometry = BY_DRIVER if is_relaxed(frame) else AS_CUT
    name = f"{title(frame, sides.dft)}, {geometry}"
    work = frame.copy()
    work.calc = calculator
    crystal, uncertain = sides.reference(frame)
    row: dict[str, Any] = {
        "name": title(frame, sides.dft),
        "family": family,
        "geometry": geometry,
        "atoms": len(frame),
        "unit": unit,
        "potential": None,
        "dft": None,
        "mesh_error": uncertain * len(frame) * (_per_area(frame) if family == SURFACE else 1.0),
        "force_dft_ev_per_ang": largest_force(frame.get_forces()),
        "force_potential_ev_per_ang": largest_force(work.get_forces()),
        "note": None,
    }
    try:
        row["dft"] = value_of(frame, float(frame.get_potential_energy()), crystal)
        row["potential"] = value_of(frame, float(work.get_potential_energy()), sides.potential)
    except DataError as error:
        return not_applicable(name, group, unit=unit, meaning=str(error)), row | {"note": str(error)}
    limit = tolerances.relaxed_force_ev_per_ang
    if is_relaxed(frame) and row["force_dft_ev_per_ang"] > limit:
        note = f"DFT leaves {row['force_dft_ev_per_ang']:.2g} eV/Å on an atom, at most {limit:g} where it is relaxed"
        return not_applicable(name, group, unit=unit, meaning=note), row | {"note": note}
    meaning = f"{len(frame)} atoms, both sides on this structure; {_zero(row['mesh_error'], unit)}"
    if family == SURFACE:
        check = relative(
            name,
            group,
            row["potential"],
            reference=row["dft"],
            tolerance_percent=tolerances.surface_percent,
            unit=unit,
            meaning=meaning,
        )
    else:
        check = absolute(
            name,
            group,
            row["potential"],
            reference=row["dft"],
            tolerance=tolerances.defect_ev,
            unit=unit,
            meaning=meaning,
        )
    return check, row


def _zero(mesh_error: float, unit: str) -> str:
    """What the zero of the reference is."""
    if mesh_error == 0:
        return "zero: the perfect crystal with the same k-points"
    return f"zero: the crystal in the parent's cell, whose k-points may shift the reference by {mesh_error:.2g} {unit}"


def _line(
    calculator: Calculator, frames: Sequence[Atoms], sides: Sides, tolerances: Tolerances
) -> tuple[Check, dict[str, Any]]:
    """One γ-line: its check and its points; shift 0 is the perfect crystal in the same cell."""
    points = sorted((float(str(frame.info[ID]).rsplit("-", 1)[1]), index) for index, frame in enumerate(frames))
    ordered = [frames[index] for _, index in points]
    shares = [share for share, _ in points]
    work = [frame.copy() for frame in ordered]
    for atoms in work:
        atoms.calc = calculator
    dft = [float(frame.get_potential_energy()) for frame in ordered]
    potential = [float(atoms.get_potential_energy()) for atoms in work]
    name, scale = title(ordered[0], sides.dft), 1e3 * J_PER_M2 / area_ang2(ordered[0])
    line = {"name": name, "shares": shares, "dft_mj_per_m2": [], "potential_mj_per_m2": [], "atoms": len(ordered[0])}
    if shares[0] != 0 or len(shares) < 2:
        why = "the structures without shift and with one are needed, and not both were labelled"
        return not_applicable(name, GROUPS[FAULT], unit="mJ/m²", meaning=why), line | {"shares": []}
    line["dft_mj_per_m2"] = [scale * (energy - dft[0]) for energy in dft]
    line["potential_mj_per_m2"] = [scale * (energy - potential[0]) for energy in potential]
    return _line_check(line, tolerances), line


def _line_check(line: Mapping[str, Any], tolerances: Tolerances) -> Check:
    wanted, found = np.array(line["dft_mj_per_m2"]), np.array(line["potential_mj_per_m2"])
    highest = float(wanted.max())
    deviation = 100 * float(np.abs(found - wanted).max()) / highest if highest > 0 else np.inf
    return Check(
        name=f"{line['name']}, not relaxed",
        group=GROUPS[FAULT],
        value=float(found.max()),
        reference=highest,
        deviation=deviation,
        tolerance=tolerances.fault_percent,
        unit="mJ/m²",
        passed=bool(deviation <= tolerances.fault_percent),
        meaning=f"highest of {len(wanted)} points; off by: the largest difference along the line over that; zero: the "
        "same cell without shift, with the same k-points",
        deviation_unit="%",
    )
