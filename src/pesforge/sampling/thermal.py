"""Thermal displacements of the parent, and the evidence that they are those of their temperature."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.family_settings import Thermal
from pesforge.fields import BOLTZMANN_EV_PER_K, FAMILY, TEMPERATURE_K
from pesforge.provenance import derive_seed
from pesforge.sampling.counts import largest_remainder
from pesforge.sampling.frames import displacements_of, make_frame, thermal_displacements

NAME = "thermal"


def sample(parent: Atoms, settings: Thermal, stiffness: Mapping[str, float], seed: int) -> list[Atoms]:
    """Structures with independent Gaussian displacements; each draw is a group of its own.

    The number at each temperature goes with T: displacements grow as √T, and hot structures cover more of space. A
    structure depends on the seed, its temperature and its number there alone, so that a larger `count` keeps them.

    Args:
        parent: parent crystal.
        settings: temperatures and count.
        stiffness: k_eff of every species in eV/Å².
        seed: seed of the study.
    """
    frames = []
    counts = largest_remainder(settings.temperatures_k, settings.count)
    for temperature, count in zip(settings.temperatures_k, counts, strict=True):
        for number in range(count):
            own = derive_seed(seed, NAME, f"{temperature:g}", number)
            name = f"{NAME}-{temperature:g}K-{number:04d}"
            frames.append(
                make_frame(
                    parent,
                    name=name,
                    family=NAME,
                    group=name,
                    seed=own,
                    displacements=thermal_displacements(parent, stiffness, temperature, own),
                    temperature_k=temperature,
                )
            )
    return frames


def displacement_evidence(
    parent: Atoms, frames: Sequence[Atoms], stiffness: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Observed ⟨u²⟩ in Å² against 3 k_B T / k_eff, for every temperature of the thermal family.

    A row holds `temperature_k`, `count` (structures), `msd_ang2` and `msd_expected_ang2` over all atoms, the standard
    error `msd_standard_error_ang2` of Gaussian displacements, and the first three again `by_species`.

    Args:
        parent: parent crystal.
        frames: structures; other families are passed over.
        stiffness: k_eff of every species in eV/Å².
    """
    symbols = np.array([str(symbol) for symbol in parent.symbols])
    rows = []
    for temperature, members in _by_temperature(frames).items():
        squares = np.array([(displacements_of(parent, frame) ** 2).sum(axis=1) for frame in members])
        expected = np.array([3 * BOLTZMANN_EV_PER_K * temperature / stiffness[symbol] for symbol in symbols])
        variance = (expected**2 * 2 / 3).sum() / (len(symbols) ** 2 * len(members))
        rows.append(
            {
                "temperature_k": temperature,
                "count": len(members),
                "msd_ang2": float(squares.mean()),
                "msd_expected_ang2": float(expected.mean()),
                "msd_standard_error_ang2": float(np.sqrt(variance)),
                "by_species": {
                    str(symbol): {
                        "msd_ang2": float(squares[:, symbols == symbol].mean()),
                        "msd_expected_ang2": float(expected[symbols == symbol].mean()),
                    }
                    for symbol in dict.fromkeys(symbols)
                },
            }
        )
    return rows


def energy_evidence(parent_energy: float, frames: Sequence[Atoms]) -> list[dict[str, Any]]:
    """Mean rise of the energy per atom in eV against (3/2) k_B T, for every temperature of the thermal family.

    Args:
        parent_energy: energy of the parent in eV, at the same settings.
        frames: labelled structures; other families are passed over.
    """
    rows = []
    for temperature, members in _by_temperature(frames).items():
        rises = np.array([(frame.get_potential_energy() - parent_energy) / len(frame) for frame in members])
        spread = float(rises.std(ddof=1) / np.sqrt(len(rises))) if len(rises) > 1 else None
        rows.append(
            {
                "temperature_k": temperature,
                "count": len(members),
                "rise_ev_per_atom": float(rises.mean()),
                "rise_standard_error_ev_per_atom": spread,
                "expected_ev_per_atom": 1.5 * BOLTZMANN_EV_PER_K * temperature,
            }
        )
    return rows


def _by_temperature(frames: Sequence[Atoms]) -> dict[float, list[Atoms]]:
    """Thermal structures by temperature, coldest first."""
    found: dict[float, list[Atoms]] = {}
    for frame in frames:
        if frame.info[FAMILY] == NAME:
            found.setdefault(float(frame.info[TEMPERATURE_K]), []).append(frame)
    return dict(sorted(found.items()))
