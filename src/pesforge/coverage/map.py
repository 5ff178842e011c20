"""The map of a study: where every structure lies among the descriptors, how wrong its prediction is, and its atoms."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.data.colors import jmol_colors

from pesforge.coverage.bins import DescriptorBins, mean_descriptors
from pesforge.fields import FAMILY, ID

Row = Mapping[str, Any]
DIGITS = 2
"""Of positions and cells in Å, which are drawn and not computed with."""


def map_evidence(descriptors: DescriptorBins, frames: Sequence[Atoms], errors: Sequence[Row]) -> dict[str, Any]:
    """Every structure in the plane of the descriptors of coverage, with its held-out errors and its atoms.

    Args:
        descriptors: the plane; structures of species that it does not know are left out.
        frames: structures that were kept.
        errors: rows with `id`, `energy_error_mev_per_atom` and `force_error_ev_per_ang` of those that were judged.
    """
    known = set(descriptors.species)
    drawn = [atoms for atoms in frames if set(map(str, atoms.symbols)) <= known]
    places = np.zeros((0, 2))
    if drawn:
        places = descriptors.scores(mean_descriptors(drawn, descriptors.species, descriptors.cutoff_ang))
    found = {str(row["id"]): row for row in errors}
    return {
        "explained_percent": (100 * descriptors.explained).tolist(),
        "left_out": len(frames) - len(drawn),
        "elements": {name: _look(name) for name in descriptors.species},
        "structures": [_structure(atoms, place, found) for atoms, place in zip(drawn, places, strict=True)],
    }


def _look(symbol: str) -> dict[str, Any]:
    """Colour and radius in Å of a ball."""
    number = atomic_numbers[symbol]
    color = "#" + "".join(f"{round(255 * part):02x}" for part in jmol_colors[number])
    return {"color": color, "radius": round(float(covalent_radii[number]), DIGITS)}


def _structure(atoms: Atoms, place: np.ndarray, errors: Mapping[str, Row]) -> dict[str, Any]:
    name = str(atoms.info[ID])
    error = errors.get(name, {})
    return {
        "id": name,
        "family": str(atoms.info[FAMILY]),
        "place": [round(float(value), 4) for value in place],
        "energy_error_mev_per_atom": error.get("energy_error_mev_per_atom"),
        "force_error_ev_per_ang": error.get("force_error_ev_per_ang"),
        "formula": atoms.get_chemical_formula(),
        "species": [str(symbol) for symbol in atoms.symbols],
        "cell": np.round(atoms.cell.array, DIGITS).ravel().tolist(),
        "positions": np.round(atoms.get_positions(wrap=True), DIGITS).ravel().tolist(),
    }
