"""Properties of the potential beside those of the reference method: equation of state, elastic constants, Γ phonon."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from pesforge.errors import DataError
from pesforge.fields import EV_PER_ANG3_IN_GPA
from pesforge.settings import Validate
from pesforge.validation.check import Check, relative
from pesforge.validation.elastic import elastic_tensor, strained_cells
from pesforge.validation.eos import EquationOfState, fit_eos, volume_cells
from pesforge.validation.phonon import displacements, force_constants, optical_phonon_thz
from pesforge.validation.spacegroup import operations

FloatArray = np.ndarray
SMALLEST_CONSTANT_GPA = 1.0
"""Elastic constants below this are zero by symmetry or too small for a comparison in per cent."""


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


def at_equilibrium(parent: Atoms, fit: EquationOfState) -> Atoms:
    """The parent scaled to the minimum of an equation of state."""
    scaled = parent.copy()
    scaled.set_cell(parent.cell.array * fit.lattice_scale, scale_atoms=True)
    scaled.positions = np.round(scaled.positions, 8)
    return scaled


def named_constants(tensor: FloatArray, parent: Atoms) -> dict[str, float]:
    """The elastic constants in GPa that a crystal has: C11, C12, C44 for a cubic one, otherwise all non-zero C_ij.

    Args:
        tensor: (6, 6) in eV/Å³.
        parent: crystal; its point group says whether it is cubic with the axes along x, y and z.
    """
    gpa = tensor * EV_PER_ANG3_IN_GPA
    rotations = operations(parent).rotations
    threefold = [turn for turn in rotations if np.allclose(np.abs(turn), [[0, 1, 0], [0, 0, 1], [1, 0, 0]], atol=1e-6)]
    if threefold:
        return {"C11": float(gpa[0, 0]), "C12": float(gpa[0, 1]), "C44": float(gpa[3, 3])}
    return {
        f"C{row + 1}{column + 1}": float(gpa[row, column])
        for row in range(6)
        for column in range(row, 6)
        if abs(gpa[row, column]) >= SMALLEST_CONSTANT_GPA
    }


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


def relaxed_elastic_tensor(calculator: Calculator, crystal: Atoms, strain: float, phi: FloatArray) -> FloatArray:
    """Elastic tensor (6, 6) in eV/Å³ of a crystal by a calculator, atoms relaxed.

    Args:
        calculator: the potential.
        crystal: crystal at the volume of interest.
        strain: strain of the strained cells.
        phi: force constants in eV/Å².
    """
    frames = strained_cells(crystal, strain)
    found = evaluate(calculator, frames)
    return elastic_tensor(
        crystal,
        frames,
        stresses=[item["stress"] for item in found],
        forces=[item["forces"] for item in found],
        phi=phi,
    )


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
    length = float(np.linalg.norm(parent.cell.array[0]))
    checks = [
        relative(
            "lattice constant",
            "eos",
            length * ours.lattice_scale if ours else math.nan,
            reference=length * theirs.lattice_scale,
            tolerance_percent=tolerances.lattice_constant_percent,
            unit="Å",
            meaning="length of the first lattice vector at the minimum of the equation of state",
        ),
        relative(
            "bulk modulus",
            "eos",
            ours.bulk_modulus_gpa if ours else math.nan,
            reference=theirs.bulk_modulus_gpa,
            tolerance_percent=tolerances.bulk_modulus_percent,
            unit="GPa",
            meaning="curvature of the equation of state at its minimum",
        ),
    ]
    frequency, phi = phonon_thz(calculator, parent, displacement_ang)
    constants = {}
    if ours:
        equilibrium = at_equilibrium(parent, ours)
        tensor = relaxed_elastic_tensor(calculator, equilibrium, settings.elastic_strain, phi)
        constants = named_constants(tensor, equilibrium)
    for name, value in reference["constants_gpa"].items():
        checks.append(
            relative(
                name,
                "elastic",
                constants.get(name, math.nan),
                reference=value,
                tolerance_percent=tolerances.elastic_percent,
                unit="GPa",
                meaning="elastic constant with relaxed atoms",
            )
        )
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
        "elastic_gpa": {"dft": reference["constants_gpa"], "potential": constants},
        "phonon_thz": {"dft": wanted, "potential": frequency} if wanted is not None else None,
    }
    return checks, curves
