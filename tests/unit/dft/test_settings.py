"""Reference settings: hash and k-point arithmetic."""

import dataclasses

import numpy as np
import pytest
from ase.build import bulk

from pesforge.dft.settings import ReferenceSettings
from pesforge.errors import DataError
from pesforge.fields import REFERENCE_CELL

SETTINGS = ReferenceSettings("gpaw", "PBE", False, 0.0, 250.0, 0.3, 1e-4, 0.0)


def spacing(value):
    return dataclasses.replace(SETTINGS, k_spacing_per_ang=value)


def test_mesh_of_a_cubic_cell():
    cell = np.diag([5.0, 5.0, 5.0])  # 2π/5 = 1.2566 1/Å
    assert spacing(1.3).mesh(cell) == (1, 1, 1)
    assert spacing(1.2).mesh(cell) == (2, 2, 2)
    assert spacing(0.3).mesh(cell) == (5, 5, 5)
    assert spacing(2 * np.pi / 5 / 4).mesh(cell) == (4, 4, 4)


def test_mesh_follows_each_reciprocal_vector_of_a_skew_cell():
    cell = np.array([[0.0, 2, 2], [2, 0, 2], [2, 2, 0]])
    expected = 2 * np.pi * np.sqrt(3) / 4
    assert spacing(expected / 3 * 1.001).mesh(cell) == (3, 3, 3)
    assert spacing(expected / 3 * 0.999).mesh(cell) == (4, 4, 4)
    assert spacing(0.5).mesh(np.diag([3.0, 6.0, 12.0]), (True, True, False)) == (5, 3, 1)
    hexagonal = bulk("Mg", "hcp", a=3.2, c=5.2).cell
    lengths = 2 * np.pi * hexagonal.reciprocal().lengths()
    assert spacing(0.1).mesh(hexagonal.array) == tuple(np.ceil(lengths / 0.1).astype(int)) == (23, 23, 13)
    monoclinic = np.array([[3.0, 0, 0], [0, 4, 0], [2.5, 0, 5]])
    assert spacing(0.1).mesh(monoclinic) == (24, 16, 13)


def test_a_strained_structure_keeps_the_mesh_of_its_reference_cell():
    atoms = bulk("Si", cubic=True, a=5.47)
    wide = spacing(2 * np.pi / 5.47 / 4)
    stretched = atoms.copy()
    stretched.set_cell(atoms.cell.array * 0.95, scale_atoms=True)
    assert wide.mesh_of(stretched) == (5, 5, 5)
    stretched.info[REFERENCE_CELL] = atoms.cell.array
    assert wide.mesh_of(stretched) == wide.mesh_of(atoms) == (4, 4, 4)


def test_every_setting_changes_the_hash_and_the_dict_comes_back():
    changes = {
        "engine": "x",
        "functional": "LDA",
        "spin_polarized": True,
        "initial_moment": 1.0,
        "cutoff_ev": 251.0,
        "k_spacing_per_ang": 0.31,
        "scf_tolerance": 1e-5,
        "smearing_ev": 0.1,
    }
    assert set(changes) == set(SETTINGS.to_dict())
    hashes = {dataclasses.replace(SETTINGS, **{key: value}).hash for key, value in changes.items()}
    assert len(hashes | {SETTINGS.hash}) == 9
    assert ReferenceSettings.from_dict(SETTINGS.to_dict()) == SETTINGS
    with pytest.raises(DataError, match="need the keys"):
        ReferenceSettings.from_dict({"engine": "gpaw"})
