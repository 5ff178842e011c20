"""Evidence that Gaussian displacements are those of their temperature: their size, and the energy that they cost."""

from collections.abc import Callable, Iterable
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


class ByTemperature:
    """Numbers of the structures of one family by temperature, taken from one structure after the other.

    Args:
        family: the family; structures of others are passed over.
        measure: the numbers of a structure, which alone are kept.
        frames: structures to begin with.
    """

    def __init__(self, family: str, measure: Callable[[Atoms], FloatArray], frames: Iterable[Atoms] = ()) -> None:
        self.family, self.measure = family, measure
        self._found: dict[float, list[FloatArray]] = {}
        for frame in frames:
            self.add(frame)

    def add(self, frame: Atoms) -> None:
        """Take the numbers of a structure."""
        if frame.info[FAMILY] == self.family:
            self._found.setdefault(float(frame.info[TEMPERATURE_K]), []).append(self.measure(frame))

    def items(self) -> list[tuple[float, FloatArray]]:
        """Temperatures in K with the numbers (S, …) of their structures, coldest first."""
        return [(temperature, np.array(values)) for temperature, values in sorted(self._found.items())]


def squares_of(parent: Atoms, family: str, frames: Iterable[Atoms] = ()) -> ByTemperature:
    """Squared displacements of every atom from its place in the parent, (n,) in Å², of the structures of a family."""
    return ByTemperature(family, lambda frame: (displacements_of(parent, frame) ** 2).sum(axis=1), frames)


def rises_of(parent_energy: float, family: str, frames: Iterable[Atoms] = ()) -> ByTemperature:
    """Rises of the energy per atom over that of the parent, in eV, of the labelled structures of a family."""
    return ByTemperature(
        family, lambda frame: np.asarray((frame.get_potential_energy() - parent_energy) / len(frame)), frames
    )


def displacement_rows(
    parent: Atoms, observed: ByTemperature, expected: Callable[[float], Expected]
) -> list[dict[str, Any]]:
    """Observed ⟨u²⟩ in Å² against what is expected, for every temperature of a family.

    A row holds `temperature_k`, `count` (structures), `msd_ang2` and `msd_expected_ang2` over all atoms, the standard
    error `msd_standard_error_ang2` of Gaussian displacements, and the two again `by_species`.

    Args:
        parent: parent crystal.
        observed: squared displacements, see `squares_of`.
        expected: what is expected at a temperature in K.
    """
    symbols = np.array([str(symbol) for symbol in parent.symbols])
    rows = []
    for temperature, squares in observed.items():
        theory = expected(temperature)
        variance = 2 * theory.trace_of_square_ang4 / (len(symbols) ** 2 * len(squares))
        rows.append(
            {
                "temperature_k": temperature,
                "count": len(squares),
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


def energy_rows(observed: ByTemperature, expected: Callable[[float], float]) -> list[dict[str, Any]]:
    """Mean rise of the energy per atom in eV against what is expected, for every temperature of a family.

    Args:
        observed: rises of the energy, see `rises_of`.
        expected: rise per atom in eV that is expected at a temperature in K.
    """
    rows = []
    for temperature, rises in observed.items():
        spread = float(rises.std(ddof=1) / np.sqrt(len(rises))) if len(rises) > 1 else None
        rows.append(
            {
                "temperature_k": temperature,
                "count": len(rises),
                "rise_ev_per_atom": float(rises.mean()),
                "rise_standard_error_ev_per_atom": spread,
                "expected_ev_per_atom": expected(temperature),
            }
        )
    return rows
