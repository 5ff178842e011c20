"""Formation energies of competing crystals, each at its own minimum: the potential beside the reference method."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from pesforge.errors import DataError
from pesforge.fields import FAMILY, ID, SETTINGS_HASH
from pesforge.settings import Tolerances, Validate
from pesforge.structure import from_plain
from pesforge.validation.check import Check, absolute
from pesforge.validation.eos import EquationOfState, fit_eos, volume_cells
from pesforge.validation.hull import (
    Phase,
    chemical_potentials,
    energies_above_hull,
    formation_energies,
    formation_energy,
    missing_references,
    one_settings,
)
from pesforge.validation.properties import energy_ev

GROUP = "hull"
OF_POTENTIAL = "potential"
"""What stands for the settings of all energies of the potential."""


def relaxed(
    crystal: Mapping[str, Any], cells: Sequence[Atoms], energies: Sequence[float], settings_hash: str
) -> tuple[Phase, EquationOfState]:
    """A crystal at the minimum of its equation of state; its shape and inner coordinates are kept.

    Args:
        crystal: one of `hull_crystals`.
        cells: its cells at several volumes.
        energies: of each cell in eV.
        settings_hash: what the energies were computed with.

    Raises:
        DataError: there is no minimum in the range of volumes; the message names the crystal.
    """
    try:
        fit = fit_eos(from_plain(crystal["cell"]), [cell.get_volume() for cell in cells], energies)
    except DataError as error:
        text = str(error).replace("`structure.lattice_constant_ang`", "its `lattice_constant_ang`")
        raise DataError(f"crystal {crystal['name']}: {text}") from error
    counts = dict(Counter(crystal["cell"]["symbols"]))
    return Phase(crystal["name"], counts, fit.energy_ev_per_atom, settings_hash), fit


def compare_phases(
    calculator: Calculator,
    crystals: Sequence[Mapping[str, Any]],
    reference: Sequence[Mapping[str, Any]],
    *,
    frames: Sequence[Atoms],
    settings: Validate,
) -> tuple[list[Check], dict[str, Any]]:
    """Checks of formation energies and of the stable phases, and the evidence of both sides.

    Each side is taken at its own minima and with its own chemical potentials. A crystal without a minimum by the
    potential fails its check and has no part in the hull of the potential.

    Args:
        calculator: the potential.
        crystals: those of `hull_crystals`.
        reference: of each `name`, `energies_ev` at its volumes, and `settings_hash`.
        frames: labelled structures.
        settings: volumes and tolerances.

    Raises:
        DataError: reference energies or labels are of different settings, or a crystal has no minimum by the reference.
    """
    theirs: list[tuple[Phase, EquationOfState]] = []
    ours: list[tuple[Phase, EquationOfState] | None] = []
    for crystal, known in zip(crystals, reference, strict=True):
        cells = volume_cells(from_plain(crystal["cell"]), settings.eos_points, settings.eos_linear_strain_max)
        theirs.append(relaxed(crystal, cells, known["energies_ev"], known["settings_hash"]))
        try:
            ours.append(relaxed(crystal, cells, [energy_ev(calculator, cell) for cell in cells], OF_POTENTIAL))
        except DataError:
            ours.append(None)
    phases = [phase for phase, _ in theirs]
    one_settings([*phases, *(_structure(frame, math.nan) for frame in frames)])
    rows = _rows(crystals, theirs, ours)
    potentials = {"dft": chemical_potentials(phases), "potential": _potentials([item[0] for item in ours if item])}
    evidence = {
        "settings_hash": one_settings(phases),
        "elements": sorted(potentials["dft"], key=list(_elements(crystals)).index),
        "chemical_potentials_ev": potentials,
        "phases": rows,
        "by_family": _by_family(calculator, frames, potentials) if potentials["potential"] else [],
    }
    return phase_checks(rows, settings.tolerances), evidence


def own_potentials(
    calculator: Calculator, crystals: Sequence[Mapping[str, Any]], settings: Validate
) -> dict[str, float]:
    """Chemical potentials of a potential in eV, each element in its lowest crystal; empty where one has none.

    Args:
        calculator: the potential.
        crystals: those of `hull_crystals`; one without a minimum is left out.
        settings: volumes.
    """
    found = []
    for crystal in crystals:
        cells = volume_cells(from_plain(crystal["cell"]), settings.eos_points, settings.eos_linear_strain_max)
        try:
            found.append(relaxed(crystal, cells, [energy_ev(calculator, cell) for cell in cells], OF_POTENTIAL)[0])
        except DataError:
            continue
    return _potentials(found)


def phase_checks(rows: Sequence[Mapping[str, Any]], tolerances: Tolerances) -> list[Check]:
    """Checks of every formation energy that is not zero by definition, and of the set of stable phases.

    Args:
        rows: `phases` of the evidence of `compare_phases`.
        tolerances: largest deviation of a formation energy.
    """
    alone = Counter(row["formula"] for row in rows if row["elemental"])
    checks = [
        absolute(
            f"formation energy of {row['name']}",
            GROUP,
            math.nan if row["formation_potential_mev_per_atom"] is None else row["formation_potential_mev_per_atom"],
            reference=row["formation_dft_mev_per_atom"],
            tolerance=tolerances.formation_mev_per_atom,
            unit="meV/atom",
            meaning="energy per atom over that of the elements, each side at its own minimum",
        )
        for row in rows
        if not (row["elemental"] and alone[row["formula"]] == 1)
    ]
    stable = {
        side: [row["name"] for row in rows if row[key] == 0]
        for side, key in (("dft", "above_hull_dft_mev_per_atom"), ("potential", "above_hull_potential_mev_per_atom"))
    }
    differ = sorted(set(stable["dft"]) ^ set(stable["potential"]))
    found = ", ".join(stable["potential"]) or "none"
    checks.append(
        absolute(
            "crystals that are stable on one side alone",
            GROUP,
            len(differ),
            tolerance=0.0,
            unit="crystals",
            meaning=f"the hull has the same corners: {', '.join(stable['dft'])} by DFT, {found} by the potential",
        )
    )
    return checks


def _rows(
    crystals: Sequence[Mapping[str, Any]],
    theirs: Sequence[tuple[Phase, EquationOfState]],
    ours: Sequence[tuple[Phase, EquationOfState] | None],
) -> list[dict[str, Any]]:
    """One row per crystal; None where the potential has no value."""
    sides = {"dft": _hull([phase for phase, _ in theirs]), "potential": _hull([item[0] for item in ours if item])}
    rows = []
    for crystal, (phase, fit), own in zip(crystals, theirs, ours, strict=True):
        row = {
            "name": phase.name,
            "formula": crystal["formula"],
            "labelled": crystal["labelled"],
            "elemental": phase.element is not None,
            "fractions": phase.fractions,
            "volume_dft_ang3_per_atom": fit.volume_ang3_per_atom,
            "volume_potential_ang3_per_atom": own[1].volume_ang3_per_atom if own else None,
        }
        for side, values in sides.items():
            formation, above = values.get(phase.name, (None, None))
            row |= {f"formation_{side}_mev_per_atom": formation, f"above_hull_{side}_mev_per_atom": above}
        rows.append(row)
    return rows


def _hull(phases: Sequence[Phase]) -> dict[str, tuple[float, float]]:
    """ΔE_f and energy above the hull of every crystal by name, meV/atom; empty where an element has no reference."""
    if not _potentials(phases):
        return {}
    values = zip(phases, formation_energies(phases), energies_above_hull(phases), strict=True)
    return {phase.name: (1e3 * formation, 1e3 * above) for phase, formation, above in values}


def _potentials(phases: Sequence[Phase]) -> dict[str, float]:
    """Chemical potentials; empty where an element has no elemental crystal."""
    missing = missing_references([phase.counts for phase in phases])
    return {} if missing or not phases else chemical_potentials(phases)


def _by_family(
    calculator: Calculator, frames: Sequence[Atoms], potentials: Mapping[str, Mapping[str, float]]
) -> list[dict[str, Any]]:
    """Formation energies of the labelled structures by family: range of the reference, and deviation."""
    found: dict[str, list[list[float]]] = {}
    for frame in frames:
        sides = {"dft": float(frame.get_potential_energy()), "potential": energy_ev(calculator, frame)}
        pair = [
            1e3 * formation_energy(_structure(frame, energy / len(frame)), potentials[side])
            for side, energy in sides.items()
        ]
        found.setdefault(str(frame.info[FAMILY]), []).append(pair)
    rows = []
    for family, pairs in found.items():
        dft, potential = np.array(pairs).T
        rows.append(
            {
                "family": family,
                "n_structures": len(pairs),
                "formation_min_mev_per_atom": float(dft.min()),
                "formation_max_mev_per_atom": float(dft.max()),
                "formation_rmse_mev_per_atom": float(np.sqrt(np.mean((potential - dft) ** 2))),
            }
        )
    return rows


def _structure(frame: Atoms, energy_ev_per_atom: float) -> Phase:
    """A labelled structure beside the crystals."""
    return Phase(str(frame.info[ID]), Counter(frame.symbols), energy_ev_per_atom, str(frame.info[SETTINGS_HASH]))


def _elements(crystals: Sequence[Mapping[str, Any]]) -> dict[str, None]:
    """All elements, those of the parent first and in its order."""
    return dict.fromkeys(symbol for crystal in crystals for symbol in crystal["cell"]["symbols"])
