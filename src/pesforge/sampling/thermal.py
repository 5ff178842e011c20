"""Thermal displacements of the parent, and the evidence that they are those of their temperature."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.family_settings import Thermal
from pesforge.fields import BOLTZMANN_EV_PER_K
from pesforge.sampling.counts import thermal_draws
from pesforge.sampling.frames import make_frame, thermal_displacements
from pesforge.sampling.gaussian_evidence import ByTemperature, Expected, displacement_rows, energy_rows
from pesforge.sampling.measured import Measured

NAME = "thermal"


def sample(parent: Atoms, settings: Thermal, measured: Measured, seed: int) -> list[Atoms]:
    """Structures with independent Gaussian displacements; each draw is a group of its own.

    Args:
        parent: parent crystal.
        settings: temperatures and count.
        measured: k_eff of every species.
        seed: seed of the study.
    """
    return [
        make_frame(
            parent,
            name=name,
            family=NAME,
            group=name,
            seed=own,
            displacements=thermal_displacements(parent, measured.stiffness, temperature, own),
            temperature_k=temperature,
        )
        for name, temperature, own in thermal_draws((NAME,), settings.temperatures_k, settings.count, seed)
    ]


def displacement_evidence(
    parent: Atoms, squares: ByTemperature, stiffness: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Observed ⟨u²⟩ in Å² against 3 k_B T / k_eff, for every temperature of the thermal family (`displacement_rows`).

    Args:
        parent: parent crystal.
        squares: squared displacements of the family, see `squares_of`.
        stiffness: k_eff of every species in eV/Å².
    """
    constants = np.array([stiffness[symbol] for symbol in parent.symbols])

    def expected(temperature_k: float) -> Expected:
        variance = BOLTZMANN_EV_PER_K * temperature_k / constants
        return Expected(msd_ang2=3 * variance, trace_of_square_ang4=float(3 * (variance**2).sum()))

    return displacement_rows(parent, squares, expected)


def energy_evidence(rises: ByTemperature) -> list[dict[str, Any]]:
    """Mean rise of the energy per atom in eV against (3/2) k_B T, for every temperature of the thermal family.

    Args:
        rises: rises of the energy of the family, see `rises_of`.
    """
    return energy_rows(rises, lambda temperature_k: 1.5 * BOLTZMANN_EV_PER_K * temperature_k)
