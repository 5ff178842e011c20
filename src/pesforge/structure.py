"""The parent crystal: built from a prototype or read from a file, checked, and written as builtin types."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list

from pesforge.errors import DataError, StructureError
from pesforge.io import read_frames
from pesforge.pairs import unfit
from pesforge.settings_types import Structure

MAX_ATOMS = 5000
MAX_BYTES = 200 * MAX_ATOMS
MIN_DISTANCE_ANG = 0.5
"""No two nuclei of a solid are nearer (the shortest bond, H-H, is 0.74 Å): below it atoms stand twice."""
MIN_WIDTH_ANG = 1.0
"""Smallest distance of opposite faces of a cell; a thinner cell is flat or in wrong units."""
DECIMALS = 10
HEXAGONAL = frozenset({"hcp", "wurtzite"})
SITES = {
    **dict.fromkeys(("sc", "fcc", "bcc", "hcp", "diamond"), 1),
    **dict.fromkeys(("zincblende", "rocksalt", "cesiumchloride", "fluorite", "wurtzite"), 2),
}
CIF_SUFFIXES = frozenset({".cif"})
POSCAR_SUFFIXES = frozenset({".vasp", ".poscar"})
XYZ_SUFFIXES = frozenset({".xyz", ".extxyz"})


def build_parent(settings: Structure, folder: Path, key: str = "structure") -> Atoms:
    """The parent crystal of a study, periodic in three directions, repeated to the cell of every label.

    Args:
        settings: where it comes from.
        folder: folder that `settings.file` is relative to.
        key: section of the study file that they stand in, for messages.

    Raises:
        StructureError: the file cannot be used, or the crystal is not one that can be labelled.
    """
    if settings.file is not None:
        path = folder / settings.file
        atoms, source = _read(path, key), str(path)
    else:
        atoms, source = _prototype(settings, key), f"prototype {settings.prototype}"
    _check_cell(atoms, source)
    _check_species(atoms, settings, source, key)
    count = len(atoms) * int(np.prod(settings.supercell))
    if not 1 <= count <= MAX_ATOMS:
        raise StructureError(f"{source}: {count} atoms; allowed are 1 to {MAX_ATOMS}. Lower `{key}.supercell`.")
    _check_distances(atoms, source)
    return from_plain(to_plain(atoms.repeat(settings.supercell)))


def to_plain(atoms: Atoms) -> dict[str, Any]:
    """The structure as builtin types: `symbols`, `positions` and `cell` in Å with 10 decimals, `pbc`."""
    return {
        "symbols": [str(symbol) for symbol in atoms.symbols],
        "positions": (np.round(atoms.positions, DECIMALS) + 0.0).tolist(),
        "cell": (np.round(atoms.cell.array, DECIMALS) + 0.0).tolist(),
        "pbc": [bool(periodic) for periodic in atoms.pbc],
    }


def from_plain(plain: dict[str, Any]) -> Atoms:
    """The structure that `to_plain` wrote."""
    return Atoms(plain["symbols"], positions=plain["positions"], cell=plain["cell"], pbc=plain["pbc"])


def _prototype(settings: Structure, key: str) -> Atoms:
    """The crystal of a prototype; without c/a, hcp takes the measured one of the element, wurtzite the ideal one."""
    name = str(settings.prototype)
    if len(settings.species) != SITES[name]:
        raise StructureError(
            f"{key}.species: {name} has {SITES[name]} kind(s) of sites, but {len(settings.species)} element(s) "
            f"are given ({', '.join(settings.species)})."
        )
    if settings.c_over_a is not None and name not in HEXAGONAL:
        raise StructureError(f"{key}.c_over_a: {name} has no c/a; remove the key (it belongs to hcp and wurtzite).")
    formula = "".join(settings.species) + (settings.species[1] if name == "fluorite" else "")
    cubic = settings.cubic and name not in HEXAGONAL
    atoms = bulk(formula, name, a=settings.lattice_constant_ang, covera=settings.c_over_a, cubic=cubic)
    atoms.set_initial_magnetic_moments(None)
    return atoms


def _read(path: Path, key: str) -> Atoms:
    """The structure of a file."""
    try:
        size = path.stat().st_size if path.is_file() else None
    except OSError as error:
        raise StructureError(f"{key}.file: {str(path)[:80]}…: {error.strerror}.") from error
    if size is None:
        raise StructureError(f"{key}.file: {path} does not exist. The path is relative to the study file.")
    if size > MAX_BYTES:
        raise StructureError(f"{path}: {size} bytes; a parent file holds {MAX_ATOMS} atoms at most, {MAX_BYTES} bytes.")
    suffix, name = path.suffix.lower(), path.name.upper()
    try:
        if suffix in CIF_SUFFIXES | POSCAR_SUFFIXES or name.startswith(("POSCAR", "CONTCAR")):
            return _read_with_pymatgen(path, "cif" if suffix in CIF_SUFFIXES else "poscar")
        if suffix in XYZ_SUFFIXES:
            frames = read_frames(path)
            if len(frames) != 1:
                raise StructureError(f"{path}: holds {len(frames)} structures; a parent file holds exactly one.")
            return frames[0]
    except StructureError:
        raise
    except DataError as error:
        raise StructureError(str(error)) from error
    except Exception as error:
        raise StructureError(f"{path}: cannot be read as a structure ({type(error).__name__}: {error}).") from error
    raise StructureError(f"{path}: unknown kind of file; allowed: .cif, POSCAR* or .vasp, .xyz or .extxyz.")


def _read_with_pymatgen(path: Path, kind: str) -> Atoms:
    """The structure of a CIF or POSCAR file, without site properties."""
    from pymatgen.core import Structure as Crystal

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is wrong ends up in the error
        crystal = Crystal.from_str(path.read_text(encoding="utf-8"), fmt=kind)  # type: ignore[arg-type]
    if not crystal.is_ordered:
        sites = [f"{site.species_string} at {np.round(site.frac_coords, 4).tolist()}" for site in crystal]
        partial = [text for text, site in zip(sites, crystal, strict=True) if not site.is_ordered]
        raise StructureError(
            f"{path}: fractional occupancies ({'; '.join(partial[:3])}); every site must hold one whole atom. "
            "Choose one ordered arrangement and save it as a file."
        )
    symbols = [site.specie.symbol for site in crystal]
    return Atoms(symbols, scaled_positions=crystal.frac_coords, cell=crystal.lattice.matrix, pbc=True)


def _check_cell(atoms: Atoms, source: str) -> None:
    if not atoms.pbc.all():
        raise StructureError(
            f"{source}: periodic in {int(atoms.pbc.sum())} directions; a parent crystal is periodic in three. "
            'In an extxyz file give `Lattice="…" pbc="T T T"`.'
        )
    if wrong := unfit(atoms):
        raise StructureError(f"{source}: {wrong}; lengths are in Å.")
    cell = atoms.cell.array
    volume = float(np.linalg.det(cell))
    faces = [float(np.linalg.norm(np.cross(cell[i - 1], cell[i - 2]))) for i in range(3)]
    if abs(volume) < MIN_WIDTH_ANG * max(faces):
        raise StructureError(
            f"{source}: opposite faces of the cell are less than {MIN_WIDTH_ANG} Å apart; lengths are in Å."
        )
    if volume < 0:
        raise StructureError(f"{source}: the lattice vectors are left-handed; swap two of them and the coordinates.")


def _check_species(atoms: Atoms, settings: Structure, source: str, key: str) -> None:
    found, stated = sorted(set(atoms.symbols)), sorted(set(settings.species))
    if len(stated) != len(settings.species):
        raise StructureError(f"{key}.species: {', '.join(settings.species)} names an element twice.")
    if found != stated:
        raise StructureError(
            f"{source}: holds {', '.join(found)}, but `{key}.species` says {', '.join(stated)}; make them equal."
        )


def _check_distances(atoms: Atoms, source: str) -> None:
    first, second, distance = neighbor_list("ijd", atoms, MIN_DISTANCE_ANG)
    if len(distance):
        worst = int(np.argmin(distance))
        raise StructureError(
            f"{source}: atoms {first[worst]} and {second[worst]} are {distance[worst]:.3f} Å apart, less than "
            f"{MIN_DISTANCE_ANG} Å. Are sites listed twice, or is the unit not Å?"
        )
