"""Structures from the JSON files of the set `mlearn`, with the stress labels that can be trusted."""

from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge.errors import DataError
from pesforge.io import read_json
from pesforge.published.mlearn import KILOBAR_PER_EV_ANG3, stress_order

VOIGT = ("xx", "yy", "zz", "yz", "xz", "xy")
"""ASE's order."""


def read_published(path: Path, element: str) -> list[Atoms]:
    """The structures of a published file, with energy, forces, and the stress where its order is known.

    Args:
        path: JSON file, a list of structures in the form of pymatgen with their `outputs`.
        element: the only element that may occur.

    Raises:
        DataError: the file has another form; the message names the structure.
    """
    content = read_json(path)
    if not isinstance(content, list) or not content:
        raise DataError(f"{path}: is not the list of structures that was published. Delete the file and get it again.")
    frames = []
    for index, item in enumerate(content):
        try:
            frames.append(_structure(item, element))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            what = f"`{error.args[0]}` is missing" if isinstance(error, KeyError) else str(error)
            raise DataError(f"{path}: structure {index}: {what}. Get the file again from its source.") from error
    return frames


def _structure(item: dict[str, Any], element: str) -> Atoms:
    structure, outputs, group = item["structure"], item["outputs"], str(item["group"])
    symbols = [str(site["species"][0]["element"]) for site in structure["sites"]]
    if set(symbols) != {element} or any(len(site["species"]) != 1 for site in structure["sites"]):
        raise ValueError(f"holds {', '.join(sorted(set(symbols))) or 'nothing'}, {element} alone is wanted")
    cell = _numbers(structure["lattice"]["matrix"], (3, 3), "matrix")
    positions = _numbers([site["xyz"] for site in structure["sites"]], (len(symbols), 3), "xyz")
    atoms = Atoms(symbols, positions=positions, cell=cell, pbc=True)
    labels: dict[str, Any] = {
        "energy": float(_numbers(outputs["energy"], (), "energy")),
        "forces": _numbers(outputs["forces"], (len(symbols), 3), "forces"),
    }
    order = stress_order(element, group)
    if order is not None:
        labels["stress"] = stress_of(_numbers(outputs["virial_stress"], (6,), "virial_stress"), order)
    atoms.calc = SinglePointCalculator(atoms, **labels)
    atoms.info["group"] = group
    return atoms


def _numbers(value: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    array = np.asarray(value, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"`{name}` has the shape {array.shape}, {shape} is wanted")
    return array


def stress_of(raw: np.ndarray, order: tuple[str, ...]) -> np.ndarray:
    """Stress (6,) in eV/Å³ with ASE's sign and order.

    Args:
        raw: (6,) in kbar, positive under compression.
        order: names of its components.
    """
    return -raw[[order.index(component) for component in VOIGT]] / KILOBAR_PER_EV_ANG3
