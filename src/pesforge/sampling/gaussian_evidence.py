"""Evidence that Gaussian displacements are those of their temperature: their size, and the energy that they cost."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms

from pesforge.fields import FAMILY, TEMPERATURE_K
from pesforge.sampling.frames import FloatArray, displacements_of


class Expected(NamedTuple):
    """What the covariance C of Gaussian displacements says of ⟨u²⟩ and of its scatter."""

    msd_ang2: FloatArray
    """⟨u²⟩ of every atom in Å², shape (n,)."""
    trace_of_square_ang4: float
    """tr C² in Å⁴: the variance of Σ u² of one structure is twice that."""


def displacement_rows(
    parent: Atoms, frames: Sequence[Atoms], family: str, expected: Callable[[float], Expected]
) -> list[dict[str, Any]]:
    """Observed ⟨u²⟩ in Å² against what is expected, for every temperature of a family.

    A row holds `temperature_k`, `count` (structures), `msd_ang2` and `msd_expected_ang2` over all atoms, the standard
    error `msd_standard_error_ang2` of Gaussian displacements, and the two again `by_species`.

    Args:
        parent: parent crystal.
        frames: structures; other families are passed over.
        family: the family.
        expected: what is expected at a temperature in K.
    """
    symbols = np.array([str(symbol) for symbol in parent.symbols])
    rows = []
    for temperature, members in _by_temperature(frames, family).items():
        squares = np.array([(displacements_of(parent, frame) ** 2).sum(axis=1) for frame in members])
        theory = expected(temperature)
        variance = 2 * theory.trace_of_square_ang4 / (len(symbols) ** 2 * len(members))
        rows.append(
            {
                "temperature_k": temperature,
                "count": len(members),
                "msd_ang2": float(squares.mean()),
                "msd_expected_ang2": float(theory.msd_ang2.mean()),
                "msd_standard_error_ang2": float(np.sqrt(variance)),
                "by_species": {
                    str(symbol): {
                        "msd_ang2": float(squares[:, symbols == symbol].mean()),
                        "msd_expected_ang2": float(theory.msd_ang2[symbols == symbol].mean()),
                    }
                    for symbol in dict.fromkeys(symbols)
                },
            }
        )
    return rows


def energy_rows(
    parent_energy: float, frames: Sequence[Atoms], family: str, expected: Callable[[float], float]
) -> list[dict[str, Any]]:
    """Mean rise of the energy per atom in eV against what is expected, for every temperature of a family.

    Args:
        parent_energy: energy of the parent in eV, at the same settings.
        frames: labelled structures; other families are passed over.
        family: the family.
        expected: rise per atom in eV that is expected at a temperature in K.
    """
    rows = []
    for temperature, members in _by_temperature(frames, family).items():
        rises = np.array([(frame.get_potential_energy() - parent_energy) / len(frame) for frame in members])
        spread = float(rises.std(ddof=1) / np.sqrt(len(rises))) if len(rises) > 1 else None
        rows.append(
            {
                "temperature_k": temperature,
                "count": len(members),
                "rise_ev_per_atom": float(rises.mean()),
                "rise_standard_error_ev_per_atom": spread,
                "expected_ev_per_atom": expected(temperature),
            }
        )
    return rows


def _by_temperature(frames: Sequence[Atoms], family: str) -> dict[float, list[Atoms]]:
    """Structures of a family by temperature, coldest first."""
    found: dict[float, list[Atoms]] = {}
    for frame in frames:
        if frame.info[FAMILY] == family:
            found.setdefault(float(frame.info[TEMPERATURE_K]), []).append(frame)
    return dict(sorted(found.items()))
