"""Defects, surfaces and γ-lines by the potential alone, atoms relaxed at its own lattice constant: predictions."""

from collections.abc import Sequence
from os import devnull
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.constraints import FixCartesian
from ase.optimize import LBFGS

from pesforge.errors import DataError, PesforgeError
from pesforge.family_settings import FaultLine, Interstitial, Plane, StackingFault, Surface, Vacancy
from pesforge.fields import FAMILY, GROUP
from pesforge.proof_settings import Defects
from pesforge.sampling import interstitial, stacking_fault, surface, vacancy
from pesforge.sampling.lattice_planes import plane_cell
from pesforge.sampling.measured import Measured
from pesforge.validation.accuracy import shortest_distance
from pesforge.validation.defects import BY_POTENTIAL, QUANTITY, largest_force, title, value_of
from pesforge.validation.excess import J_PER_M2, Crystal, area_ang2, supercell

PLANES = ((1, 0, 0), (1, 1, 0), (1, 1, 1))
"""Planes of the predicted surfaces where the study samples none."""
NEAR_ANG = 0.3
"""An interstitial needs a void with its nearest atom at this share of the sum of covalent radii."""


def predict_defects(
    calculator: Calculator,
    crystal: Crystal,
    settings: Defects,
    *,
    planes: Sequence[Plane] = (),
    lines: Sequence[FaultLine] = (),
    training: Sequence[Atoms] = (),
) -> dict[str, Any]:
    """Energies of relaxed defects, surfaces and faults: `rows` and `lines` as those of `compare_defects`, without DFT.

    Args:
        calculator: the potential.
        crystal: perfect crystal by the potential, at its minimum.
        settings: sizes, largest force, points.
        planes: of surfaces; none: (100), (110) and (111).
        lines: of stacking faults.
        training: training data; a relaxed structure whose family or shortest distance it does not hold has a note.
    """
    frames = [
        *point_defects(crystal.atoms, settings),
        *slabs(crystal.atoms, settings, planes or [Plane(hkl=hkl) for hkl in PLANES]),
    ]
    shortest = min((shortest_distance(frame) for frame in training), default=0.0)
    families = {str(frame.info[FAMILY]) for frame in training}
    rows = []
    for frame in frames:
        row = _relaxed_row(calculator, frame, crystal, settings, shortest)
        unknown = [] if row["family"] in families else ["no such structure in the training data"]
        notes = [*unknown, *([row["note"]] if row["note"] else [])]
        rows.append(row | {"note": "; ".join(notes) or None})
    return {"rows": rows, "lines": [_relaxed_line(calculator, crystal, line, settings) for line in lines]}


def point_defects(crystal: Atoms, settings: Defects) -> list[Atoms]:
    """Vacancies on every distinct site and interstitials in every distinct void, in supercells.

    Args:
        crystal: perfect crystal.
        settings: least width.
    """
    size, measured = supercell(crystal, settings.width_ang), Measured.assumed(crystal)
    sites = len(vacancy.distinct_sites(crystal))
    frames = vacancy.sample(crystal, Vacancy(supercell=size, count=sites), measured, 0)
    kinds = len(interstitial.voids(crystal)) * len(set(crystal.numbers))
    try:
        wanted = Interstitial(supercell=size, count=kinds, distance_factor=NEAR_ANG)
        found = interstitial.sample(crystal, wanted, measured, 0)
    except DataError:
        found = []
    first: dict[str, Atoms] = {}
    for frame in found:
        first.setdefault(str(frame.info[GROUP]), frame)
    return [*frames, *first.values()]


def slabs(crystal: Atoms, settings: Defects, planes: Sequence[Plane]) -> list[Atoms]:
    """Slabs of every cut of every plane, without displacements.

    Args:
        crystal: perfect crystal.
        settings: least thickness and vacuum.
        planes: planes and numbers of cuts.
    """
    frames = []
    for plane in planes:
        layers = int(np.ceil(settings.width_ang / plane_cell(crystal, plane.hkl).spacing_ang))
        wanted = Surface(planes=(plane,), layers=min(60, layers), vacuum_ang=settings.width_ang, rattled=0)
        frames += surface.sample(crystal, wanted, Measured.assumed(crystal), 0)
    return frames


def _relax(calculator: Calculator, frame: Atoms, settings: Defects) -> tuple[Atoms, float, int]:
    """The relaxed structure at fixed cell, the largest force on an atom that is left in eV/Å, and the steps taken."""
    atoms = frame.copy()
    atoms.calc = calculator
    with LBFGS(atoms, logfile=devnull, maxstep=0.1) as optimizer:
        optimizer.run(fmax=settings.fmax_ev_per_ang, steps=settings.max_steps)
        return atoms, largest_force(atoms.get_forces()), int(optimizer.nsteps)


def _relaxed_row(
    calculator: Calculator, frame: Atoms, crystal: Crystal, settings: Defects, shortest_ang: float
) -> dict[str, Any]:
    """One row; without a value, and with a note, where forces are left or the potential fails."""
    family = str(frame.info[FAMILY])
    row: dict[str, Any] = {
        "name": title(frame, crystal),
        "family": family,
        "geometry": BY_POTENTIAL,
        "atoms": len(frame),
        "unit": QUANTITY[family][1],
        "potential": None,
        "unrelaxed": None,
        "force_potential_ev_per_ang": None,
        "moved_ang": None,
        "note": None,
    }
    try:
        atoms, force, steps = _relax(calculator, frame, settings)
        row["force_potential_ev_per_ang"] = force
        if not force <= settings.fmax_ev_per_ang:
            return row | {"note": f"{force:.2g} eV/Å left after {steps} steps: no minimum was found"}
        row["potential"] = value_of(frame, float(atoms.get_potential_energy()), crystal)
        row["moved_ang"] = float(np.linalg.norm(atoms.positions - frame.positions, axis=1).max())
        start = frame.copy()
        start.calc = calculator
        row["unrelaxed"] = value_of(frame, float(start.get_potential_energy()), crystal)
        if (distance := shortest_distance(atoms)) < shortest_ang:
            row["note"] = f"atoms at {distance:.2f} Å, nearer than any in the training data ({shortest_ang:.2f} Å)"
    except PesforgeError as error:
        row["note"] = str(error)
    return row


def _relaxed_line(calculator: Calculator, crystal: Crystal, line: FaultLine, settings: Defects) -> dict[str, Any]:
    """One γ-line, as cut and with the atoms relaxed along the normal; a point with forces left along it is None."""
    layers = max(2, int(np.ceil(settings.width_ang / plane_cell(crystal.atoms, line.hkl).spacing_ang)))
    wanted = StackingFault(lines=(line,), points=settings.line_points, layers=min(60, layers))
    frames = stacking_fault.sample(crystal.atoms, wanted, Measured.assumed(crystal.atoms), 0)
    scale = 1e3 * J_PER_M2 / area_ang2(frames[0])
    cut: list[float] = []
    relaxed: list[float | None] = []
    note = None
    for frame in frames:
        frame.calc = calculator
        cut.append(float(frame.get_potential_energy()))
        held = frame.copy()
        held.set_constraint(FixCartesian(range(len(held)), mask=(True, True, False)))
        atoms, force, steps = _relax(calculator, held, settings)
        done = force <= settings.fmax_ev_per_ang
        relaxed.append(float(atoms.get_potential_energy()) if done else None)
        note = note if done else f"{force:.2g} eV/Å left after {steps} steps"
    return {
        "name": title(frames[0], crystal),
        "shares": [point / settings.line_points for point in range(settings.line_points)],
        "unrelaxed_mj_per_m2": [scale * (energy - cut[0]) for energy in cut],
        "potential_mj_per_m2": [None if energy is None else scale * (energy - cut[0]) for energy in relaxed],
        "atoms": len(frames[0]),
        "note": note,
    }
