"""What all samplers share: the entries that a structure carries, thermal displacements, and reading both back."""

from collections.abc import Mapping

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from numpy.typing import NDArray

from pesforge.errors import DataError
from pesforge.fields import (
    BOLTZMANN_EV_PER_K,
    FAMILY,
    GROUP,
    ID,
    PARENT,
    REFERENCE_CELL,
    SEED,
    STRAIN,
    TEMPERATURE_K,
)
from pesforge.provenance import digest

DECIMALS = 8
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
FloatArray = NDArray[np.float64]


def make_frame(
    parent: Atoms,
    *,
    name: str,
    family: str,
    group: str,
    seed: int,
    strain: FloatArray | None = None,
    displacements: FloatArray | None = None,
    temperature_k: float = 0.0,
) -> Atoms:
    """A structure made from the parent: cell L' = (I + ε) L₀, atoms moved affinely, then displaced.

    Args:
        parent: parent crystal.
        name: unique name.
        family: sampler.
        group: structures that no split may separate.
        seed: seed of its random numbers.
        strain: (3, 3) symmetric ε; None for none.
        displacements: (n, 3) in Å, applied after the strain; None for none.
        temperature_k: temperature of the displacements in K.
    """
    tensor = np.zeros((3, 3)) if strain is None else strain
    cell = Atoms(parent.symbols, positions=parent.positions, cell=parent.cell, pbc=parent.pbc)
    cell.set_cell(parent.cell.array @ (np.eye(3) + tensor).T, scale_atoms=True)
    frame = make_cell_frame(
        cell,
        origin=parent,
        name=name,
        family=family,
        group=group,
        seed=seed,
        displacements=displacements,
        temperature_k=temperature_k,
        reference_cell=parent.cell.array,
    )
    frame.info[STRAIN] = np.array([tensor[row, column] for row, column in VOIGT])
    return frame


def make_cell_frame(
    cell: Atoms,
    *,
    origin: Atoms,
    name: str,
    family: str,
    group: str,
    seed: int,
    displacements: FloatArray | None = None,
    temperature_k: float = 0.0,
    reference_cell: FloatArray | None = None,
) -> Atoms:
    """A structure that is no strained parent, such as a slab or a molecule: a cell, displaced, of strain 0.

    Args:
        cell: its atoms and cell before displacements.
        origin: crystal that it was made from; for a molecule the molecule itself.
        name: unique name.
        family: sampler.
        group: structures that no split may separate.
        seed: seed of its random numbers.
        displacements: (n, 3) in Å; None for none.
        temperature_k: temperature of the displacements in K.
        reference_cell: (3, 3) in Å, the cell that decides the k-point mesh; None: the cell itself.
    """
    frame = Atoms(cell.symbols, positions=cell.positions, cell=cell.cell, pbc=cell.pbc)
    if displacements is not None:
        frame.positions += displacements
    frame.positions = np.round(frame.positions, DECIMALS)
    frame.info = {
        ID: name,
        FAMILY: family,
        GROUP: group,
        TEMPERATURE_K: float(temperature_k),
        STRAIN: np.zeros(6),
        PARENT: parent_name(origin),
        SEED: int(seed),
        REFERENCE_CELL: np.array(cell.cell.array if reference_cell is None else reference_cell),
    }
    return frame


def parent_name(parent: Atoms) -> str:
    """Name of a parent by its content; it starts with a letter, so that no reader takes it for a number."""
    content = {
        "symbols": list(parent.symbols),
        "positions": np.round(parent.positions, DECIMALS) + 0.0,
        "cell": np.round(parent.cell.array, DECIMALS) + 0.0,
    }
    return f"cell-{digest(content)}"


def thermal_displacements(parent: Atoms, stiffness: Mapping[str, float], temperature_k: float, seed: int) -> FloatArray:
    """Independent Gaussian displacements in Å, (n, 3), of variance σ² = k_B T / k_eff per component (equipartition).

    The centre of mass is left where it falls: a rigid shift costs no energy, and taking it out would make ⟨u²⟩ smaller
    than 3 k_B T / k_eff.

    Args:
        parent: parent crystal.
        stiffness: k_eff of every species in eV/Å².
        temperature_k: temperature in K.
        seed: seed.

    Raises:
        DataError: a species has no stiffness.
    """
    missing = sorted(set(parent.symbols) - set(stiffness))
    if missing:
        raise DataError(f"no stiffness for {', '.join(missing)}; found {', '.join(sorted(stiffness)) or 'none'}.")
    constants = np.array([stiffness[symbol] for symbol in parent.symbols])
    sigma = np.sqrt(BOLTZMANN_EV_PER_K * temperature_k / constants)
    return np.asarray(np.random.default_rng(seed).normal(size=(len(parent), 3)) * sigma[:, None])


def displacements_of(parent: Atoms, frame: Atoms) -> FloatArray:
    """Displacements in Å, (n, 3), of a structure from its strained parent, by the nearest periodic image.

    Args:
        parent: parent crystal.
        frame: structure that `make_frame` made from it.
    """
    affine = parent.get_scaled_positions(wrap=False) @ frame.cell.array
    return np.asarray(find_mic(frame.positions - affine, frame.cell, frame.pbc)[0])
