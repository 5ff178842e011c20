"""Parent crystals: prototypes against known densities, files, and every refusal."""

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from pesforge.errors import StructureError
from pesforge.settings import Structure
from pesforge.structure import build_parent, from_plain, to_plain

CIF = """data_x
_cell_length_a 4.0
_cell_length_b 4.0
_cell_length_c 4.0
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
{sites}
"""


def prototype(name, species, **more):
    return Structure(prototype=name, species=species, lattice_constant_ang=4.0, **more)


@pytest.mark.parametrize(
    ("name", "species", "atoms", "volume_per_atom"),
    [
        ("sc", ("Po",), 1, 64.0),
        ("fcc", ("Al",), 4, 16.0),
        ("bcc", ("Fe",), 2, 32.0),
        ("hcp", ("Mg",), 2, 64 * np.sqrt(3) / 4 * np.sqrt(8 / 3)),
        ("diamond", ("Si",), 8, 8.0),
        ("zincblende", ("Ga", "As"), 8, 8.0),
        ("rocksalt", ("Na", "Cl"), 8, 8.0),
        ("cesiumchloride", ("Cs", "Cl"), 2, 32.0),
        ("fluorite", ("Ca", "F"), 12, 64 / 12),
        ("wurtzite", ("Zn", "O"), 4, 64 * np.sqrt(3) / 8 * np.sqrt(8 / 3)),
    ],
)
def test_every_prototype_has_its_number_of_atoms_and_volume(name, species, atoms, volume_per_atom):
    ratio = {"c_over_a": np.sqrt(8 / 3)} if name in ("hcp", "wurtzite") else {}
    parent = build_parent(prototype(name, species, **ratio), Path())
    assert len(parent) == atoms
    assert parent.get_volume() / atoms == pytest.approx(volume_per_atom, rel=1e-8)
    assert set(parent.symbols) == set(species)
    assert parent.pbc.all()


def test_supercell_and_primitive_cell():
    assert len(build_parent(prototype("fcc", ("Al",), cubic=False, supercell=(2, 1, 3)), Path())) == 6


def test_plain_form_is_builtin_and_comes_back():
    parent = build_parent(prototype("diamond", ("Si",), cubic=False), Path())
    plain = to_plain(parent)
    assert repr(plain) == repr(to_plain(from_plain(plain)))
    assert type(plain["symbols"][0]) is str
    assert type(plain["positions"][1][2]) is float
    assert type(plain["pbc"][0]) is bool
    assert np.abs(from_plain(plain).positions - parent.positions).max() < 1e-10
    minus_zero = Atoms("H", positions=[[-1e-14, 0, 0]], cell=np.eye(3), pbc=True)
    assert repr(to_plain(minus_zero)["positions"][0][0]) == "0.0"


def test_files_of_all_kinds_give_the_same_parent(tmp_path):
    crystal = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    for name in ("a.cif", "POSCAR", "b.vasp", "c.extxyz"):
        fmt = {"a.cif": "cif", "c.extxyz": "extxyz"}.get(name, "vasp")
        ase.io.write(tmp_path / name, crystal, format=fmt)
        parent = build_parent(Structure(file=Path(name), species=("Cl", "Na")), tmp_path)
        assert sorted(parent.symbols) == sorted(crystal.symbols)
        assert parent.get_volume() == pytest.approx(crystal.get_volume(), rel=1e-6)
        assert type(parent) is Atoms


def refuse(path, species, *words):
    with pytest.raises(StructureError) as caught:
        build_parent(Structure(file=Path(path.name), species=species), path.parent)
    for word in words:
        assert word in str(caught.value)


def test_fractional_occupancies_are_refused(tmp_path):
    path = tmp_path / "x.cif"
    path.write_text(CIF.format(sites="A Si 0 0 0 0.5\nB Ge 0 0 0 0.5"))
    refuse(path, ("Si", "Ge"), "x.cif", "fractional occupancies", "ordered")


def test_other_elements_than_stated_are_refused(tmp_path):
    path = tmp_path / "x.cif"
    path.write_text(CIF.format(sites="A Si 0 0 0 1\nB Ge 0.5 0.5 0.5 1"))
    refuse(path, ("Si",), "Ge, Si", "structure.species")


def test_atoms_on_top_of_each_other_are_refused(tmp_path):
    path = tmp_path / "x.extxyz"
    ase.io.write(path, Atoms("Si2", positions=[[0, 0, 0], [3.95, 0, 0]], cell=[4, 4, 4], pbc=True))
    refuse(path, ("Si",), "atoms 0 and 1", "0.050 Å")


def test_cells_that_are_not_periodic_left_handed_flat_or_many_are_refused(tmp_path):
    path = tmp_path / "x.extxyz"
    ase.io.write(path, Atoms("Si", cell=[4, 4, 4], pbc=(True, True, False)))
    refuse(path, ("Si",), "periodic in 2 directions")
    ase.io.write(path, Atoms("Si", cell=[[0, 4, 0], [4, 0, 0], [0, 0, 4]], pbc=True))
    refuse(path, ("Si",), "left-handed")
    ase.io.write(path, Atoms("Si", cell=[[4, 0, 0], [4, 0.1, 0], [0, 0, 4]], pbc=True))
    refuse(path, ("Si",), "opposite faces")
    ase.io.write(path, [Atoms("Si", cell=[4, 4, 4], pbc=True)] * 2)
    refuse(path, ("Si",), "2 structures")


def test_unreadable_missing_and_unknown_files_are_refused(tmp_path):
    path = tmp_path / "x.cif"
    refuse(path, ("Si",), "does not exist", "relative to the study file")
    path.write_text("nonsense")
    refuse(path, ("Si",), "cannot be read")
    path.write_bytes(b"\xff\xfe\x00")
    refuse(path, ("Si",), "cannot be read")
    other = tmp_path / "x.pdb"
    other.write_text("")
    refuse(other, ("Si",), "unknown kind", "extxyz")


def test_prototypes_with_wrong_keys_are_refused():
    with pytest.raises(StructureError, match=r"2 kind\(s\) of sites"):
        build_parent(prototype("rocksalt", ("Na",)), Path())
    with pytest.raises(StructureError, match="c_over_a"):
        build_parent(prototype("fcc", ("Al",), c_over_a=1.6), Path())
    with pytest.raises(StructureError, match="twice"):
        build_parent(prototype("rocksalt", ("Na", "Na")), Path())
    with pytest.raises(StructureError, match="5324 atoms"):
        build_parent(prototype("fcc", ("Al",), supercell=(11, 11, 11)), Path())
