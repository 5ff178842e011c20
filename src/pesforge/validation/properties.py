"""Properties of the potential beside those of the reference method: equation of state, elastic constants, Γ phonon."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from pesforge.errors import DataError
from pesforge.fields import EV_PER_ANG3_IN_GPA
from pesforge.settings import Tolerances, Validate
from pesforge.validation.check import Check, not_applicable, relative
from pesforge.validation.elastic import elastic_tensor, residual_stress, strained_cells
from pesforge.validation.elastic_constants import named_constants
from pesforge.validation.eos import EquationOfState, fit_eos, volume_cells
from pesforge.validation.phonon import displacements, force_constants, optical_phonon_thz

FloatArray = np.ndarray
SMALLEST_CONSTANT_GPA = 1.0
"""Elastic constants below this are too small for a comparison in per cent."""


def evaluate(calculator: Calculator, frames: Sequence[Atoms]) -> list[dict[str, Any]]:
    """Energy (eV), forces (eV/Å) and stress (eV/Å³) of structures by a calculator."""
    found = []
    for frame in frames:
        atoms = frame.copy()
        atoms.calc = calculator
        found.append(
            {
                "energy": float(atoms.get_potential_energy()),
                "forces": atoms.get_forces().copy(),
                "stress": atoms.get_stress().copy(),
            }
        )
    return found


def energy_ev(calculator: Calculator, frame: Atoms) -> float:
    """Energy in eV of a structure by a calculator."""
    atoms = frame.copy()
    atoms.calc = calculator
    return float(atoms.get_potential_energy())


def at_equilibrium(parent: Atoms, fit: EquationOfState) -> Atoms:
    """The parent scaled to the minimum of an equation of state."""
    scaled = parent.copy()
    scaled.set_cell(parent.cell.array * fit.lattice_scale, scale_atoms=True)
    scaled.positions = np.round(scaled.positions, 8)
    return scaled


def phonon_thz(calculator: Calculator, parent: Atoms, displacement_ang: float) -> tuple[float | None, FloatArray]:
    """Highest optical phonon at Γ in THz (None where the crystal has none) and the force constants in eV/Å²."""
    frames = displacements(parent, displacement_ang)
    phi = force_constants(parent, frames, [found["forces"] for found in evaluate(calculator, frames)])
    return optical_phonon_thz(parent, phi), phi


def _minimum(parent: Atoms, volumes: Sequence[float], energies: Sequence[float]) -> EquationOfState | None:
    """The equation of state of a potential, or None where it has no minimum."""
    try:
        return fit_eos(parent, volumes, energies)
    except DataError:
        return None


def own_minimum(calculator: Calculator, parent: Atoms, settings: Validate) -> Atoms | None:
    """The parent at the minimum of the equation of state of a potential; None where there is none.

    Args:
        calculator: the potential.
        parent: parent crystal.
        settings: range of volumes.
    """
    cells = volume_cells(parent, settings.eos_points, settings.eos_linear_strain_max)
    energies = [found["energy"] for found in evaluate(calculator, cells)]
    fit = _minimum(parent, [cell.get_volume() for cell in cells], energies)
    return at_equilibrium(parent, fit) if fit else None


def relaxed_elastic_tensor(
    calculator: Calculator, crystal: Atoms, strain: float, phi: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Elastic tensor (6, 6) in eV/Å³ of a crystal by a calculator, atoms relaxed, and its stress (6,) without strain.

    Args:
        calculator: the potential.
        crystal: crystal at the volume of interest.
        strain: strain of the strained cells.
        phi: force constants in eV/Å².
    """
    frames = strained_cells(crystal, strain)
    found = evaluate(calculator, frames)
    stresses, forces = [item["stress"] for item in found], [item["forces"] for item in found]
    tensor = elastic_tensor(crystal, frames, stresses=stresses, forces=forces, phi=phi)
    return tensor, residual_stress(crystal, frames, stresses)


def elastic_checks(
    wanted: Mapping[str, float],
    found: Mapping[str, float],
    stresses: Mapping[str, float | None],
    tolerances: Tolerances,
) -> list[Check]:
    """A check of every independent elastic constant.

    Constants of a crystal under a stress σ are uncertain by σ. Where that alone is more than the tolerance allows, as
    in a crystal whose c/a is not that of its minimum, a constant is not judged; nor is one near zero.

    Args:
        wanted: constants of the reference in GPa.
        found: those of the potential; one that is missing fails.
        stresses: largest component of the stress of each side's unstrained crystal in GPa, None where unknown.
        tolerances: largest deviation.
    """
    stress = max((value for value in stresses.values() if value is not None), default=0.0)
    checks = []
    for name, value in wanted.items():
        reason = ""
        if abs(value) < SMALLEST_CONSTANT_GPA:
            reason = f"{value:.2g} GPa by DFT: too small for a comparison in per cent"
        elif stress > tolerances.elastic_percent / 100 * abs(value):
            reason = (
                f"{stress:.2g} GPa are left in the unstrained crystal, which blur {value:.3g} GPa by more than allowed"
            )
        checks.append(
            not_applicable(name, "elastic", unit="GPa", meaning=reason)
            if reason
            else relative(
                name,
                "elastic",
                found.get(name, math.nan),
                reference=value,
                tolerance_percent=tolerances.elastic_percent,
                unit="GPa",
                meaning="elastic constant with relaxed atoms",
            )
        )
    return checks


def eos_checks(
    length_ang: float, theirs: EquationOfState, ours: EquationOfState | None, tolerances: Tolerances
) -> list[Check]:
    """Lattice constant, bulk modulus and its derivative at the minimum of the equation of state.

    Args:
        length_ang: length of the first lattice vector of the parent.
        theirs: equation of state of the reference.
        ours: that of the potential; None where it has no minimum, which fails.
        tolerances: largest deviation.
    """

    def check(name: str, key: str, allowed: float, unit: str, meaning: str, factor: float = 1.0) -> Check:
        found = factor * getattr(ours, key) if ours else math.nan
        wanted = factor * getattr(theirs, key)
        return relative(
            name, "eos", found, reference=wanted, tolerance_percent=allowed, unit=unit, meaning=f"{meaning} its minimum"
        )

    first = "length of the first lattice vector of the crystal at"
    curvature, change = "curvature of the equation of state at", "change of the bulk modulus with pressure at"
    return [
        check("lattice constant", "lattice_scale", tolerances.lattice_constant_percent, "Å", first, length_ang),
        check("bulk modulus", "bulk_modulus_gpa", tolerances.bulk_modulus_percent, "GPa", curvature),
        check("bulk modulus, derivative", "bulk_modulus_derivative", tolerances.bulk_derivative_percent, "", change),
    ]


def compare(
    calculator: Calculator, parent: Atoms, *, reference: dict[str, Any], settings: Validate, displacement_ang: float
) -> tuple[list[Check], dict[str, Any]]:
    """Checks and curves of all properties. Each side is taken at its own equilibrium volume.

    A potential without an equilibrium in the range of volumes fails the equation of state and the elastic constants.

    Args:
        calculator: the potential.
        parent: parent crystal.
        reference: `energies_ev` of the volumes, `constants_gpa` of the elastic tensor, `optical_phonon_thz`.
        settings: ranges and tolerances.
        displacement_ang: displacement of the phonon.
    """
    tolerances = settings.tolerances
    cells = volume_cells(parent, settings.eos_points, settings.eos_linear_strain_max)
    volumes = [cell.get_volume() for cell in cells]
    energies = [found["energy"] for found in evaluate(calculator, cells)]
    theirs, ours = fit_eos(parent, volumes, reference["energies_ev"]), _minimum(parent, volumes, energies)
    checks = eos_checks(float(np.linalg.norm(parent.cell.array[0])), theirs, ours, tolerances)
    frequency, phi = phonon_thz(calculator, parent, displacement_ang)
    constants, stresses = {}, {"dft": reference.get("residual_stress_gpa"), "potential": None}
    if ours:
        equilibrium = at_equilibrium(parent, ours)
        tensor, stress = relaxed_elastic_tensor(calculator, equilibrium, settings.elastic_strain, phi)
        constants = named_constants(tensor, equilibrium)
        stresses["potential"] = float(np.abs(stress).max() * EV_PER_ANG3_IN_GPA)
    checks += elastic_checks(reference["constants_gpa"], constants, stresses, tolerances)
    wanted = reference["optical_phonon_thz"]
    if frequency is not None and wanted is not None:
        checks.append(
            relative(
                "optical phonon at Γ",
                "phonon",
                frequency,
                reference=wanted,
                tolerance_percent=tolerances.phonon_percent,
                unit="THz",
                meaning="highest frequency at Γ of the primitive cell, at the parent's volume",
            )
        )
    n = len(parent)
    zero_dft, zero_ours = theirs.energy_ev_per_atom, ours.energy_ev_per_atom if ours else min(energies) / n
    curves = {
        "eos": {
            "volume_ang3_per_atom": [volume / n for volume in volumes],
            "dft_ev_per_atom": [energy / n - zero_dft for energy in reference["energies_ev"]],
            "potential_ev_per_atom": [energy / n - zero_ours for energy in energies],
            "dft_fit": theirs.to_dict(),
            "potential_fit": ours.to_dict() if ours else None,
        },
        "elastic_gpa": {"dft": reference["constants_gpa"], "potential": constants, "residual_stress": stresses},
        "phonon_thz": {"dft": wanted, "potential": frequency} if wanted is not None else None,
    }
    return checks, curves
