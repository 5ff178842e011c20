"""Published structures: equal to what was labelled, stresses as derivatives of their energies, bad files refused."""

import copy
import hashlib
import json

import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from published_files import as_published, crystals, tiny_set

from pesforge.dataset import read_dataset
from pesforge.errors import DataError
from pesforge.io import write_frames
from pesforge.published.convert import read_published
from pesforge.published.labels import prepare
from pesforge.published.mlearn import ELEMENTS, stress_order
from pesforge.published.settings import Published
from pesforge.published.sources import local_files, url_of

XZ_FIRST, YZ_FIRST = ("xx", "yy", "zz", "xy", "xz", "yz"), ("xx", "yy", "zz", "xy", "yz", "xz")
ORDERS = {
    ("Mo", "AIMD-NVT"): XZ_FIRST, ("Mo", "Vacancy"): XZ_FIRST, ("Mo", "Elastic"): XZ_FIRST,
    ("Si", "AIMD-NVT"): XZ_FIRST, ("Si", "Vacancy"): XZ_FIRST, ("Si", "Elastic"): YZ_FIRST,
    ("Ge", "AIMD-NPT"): XZ_FIRST, ("Ge", "Vacancy"): XZ_FIRST, ("Ge", "Elastic"): YZ_FIRST,
    ("Li", "AIMD-NVT"): YZ_FIRST, ("Li", "Vacancy"): YZ_FIRST, ("Li", "Elastic"): YZ_FIRST,
}  # fmt: skip
OTHER = {XZ_FIRST: YZ_FIRST, YZ_FIRST: XZ_FIRST}


def springs():
    return LennardJones(sigma=2.5, epsilon=0.3, rc=6.0, smooth=True)


def stress_by_differences(atoms, step=1e-4):
    """(6,) derivative of the energy by strain over the volume, ASE's order."""
    result = []
    for a, b in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)):
        energies = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[a, b] += sign * step / 2
            strain[b, a] += sign * step / 2
            moved = atoms.copy()
            moved.set_cell(atoms.cell.array @ strain, scale_atoms=True)
            moved.calc = springs()
            energies.append(moved.get_potential_energy())
        result.append((energies[0] - energies[1]) / (2 * step) / atoms.get_volume())
    return np.array(result)


def written(tmp_path, content, name="training.json"):
    path = tmp_path / name
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(("element", "group"), ORDERS, ids=lambda value: value)
def test_stress_is_the_derivative_of_the_energy(tmp_path, element, group):
    (atoms,) = crystals(element, 1, seed=3)
    order = ORDERS[element, group]
    (found,) = read_published(written(tmp_path, [as_published(atoms, springs(), group, order)]), element)
    expected = stress_by_differences(atoms)
    assert np.ptp(expected[3:]) > 1e-3
    np.testing.assert_allclose(found.get_stress(), expected, atol=1e-6)
    (wrong,) = read_published(written(tmp_path, [as_published(atoms, springs(), group, OTHER[order])]), element)
    assert np.abs(wrong.get_stress() - expected).max() > 1e-3, "a wrong order must show"


@pytest.mark.parametrize(
    ("element", "group"),
    [("Cu", "Elastic"), ("Ni", "AIMD-NVT"), ("Mo", "Surface"), ("Si", "Surface"), ("Li", "Surface"), ("Ge", "Ground")],
)
def test_stress_that_was_not_verified_is_left_out(tmp_path, element, group):
    (atoms,) = crystals(element, 1, seed=4)
    (found,) = read_published(written(tmp_path, [as_published(atoms, springs(), group)]), element)
    assert "stress" not in found.calc.results
    assert stress_order(element, group) is None


def test_the_structures_are_those_that_were_labelled(tmp_path):
    cells = crystals("Cu", 4, seed=5)
    path = written(tmp_path, [as_published(atoms, EMT(), "Vacancy") for atoms in cells])
    targets = {"training": tmp_path / "out.extxyz"}
    about = prepare("Cu", {"training": path}, targets, sha256={})["training"]
    assert about["n_structures"] == 4
    assert about["n_atoms"] == 16
    assert about["families"] == {"Vacancy": 4}
    assert about["n_stress"] == 0
    assert "2.7 GPa" in about["stress_remark"]
    assert about["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    for atoms, found in zip(cells, read_dataset(targets["training"]).frames, strict=True):
        atoms.calc = EMT()
        np.testing.assert_allclose(found.positions, atoms.positions, atol=1e-7)
        np.testing.assert_allclose(found.cell.array, atoms.cell.array, atol=1e-7)
        np.testing.assert_allclose(found.get_forces(), atoms.get_forces(), atol=1e-7)
        assert found.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-7)
        assert found.pbc.all()


def test_local_extended_xyz_is_checked_and_copied_byte_by_byte(tmp_path):
    frames = read_published(written(tmp_path, json.loads(tiny_set("Cu", 4)["/Cu/training.json"])), "Cu")
    source, target = tmp_path / "Cu_training.extxyz", tmp_path / "out" / "Cu_training.extxyz"
    write_frames(source, frames)
    prepare("Cu", {"training": source}, {"training": target}, sha256={})
    assert target.read_bytes() == source.read_bytes()
    with pytest.raises(DataError, match=r"Cu_training\.extxyz: holds Cu, Ni alone is wanted"):
        prepare("Ni", {"training": source}, {"training": tmp_path / "no.extxyz"}, sha256={})
    with pytest.raises(DataError, match=r"Cu_training\.extxyz: has the SHA-256 .*, but 000"):
        prepare("Cu", {"training": source}, {"training": target}, sha256={"Cu_training": "0" * 64})


def _without(*keys):
    def change(item):
        place = item
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]

    return change


def _set(value, *keys):
    def change(item):
        place = item
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_without("outputs", "energy"), "`energy` is missing"),
        (_without("structure", "lattice"), "`lattice` is missing"),
        (_without("group"), "`group` is missing"),
        (_set([[0.0, 0.0, 0.0]], "outputs", "forces"), r"`forces` has the shape \(1, 3\), \(4, 3\) is wanted"),
        (_set([1.0, 2.0], "outputs", "virial_stress"), r"`virial_stress` has the shape \(2,\)"),
        (_set("much", "outputs", "energy"), "could not convert"),
        (_set([{"element": "Ge", "occu": 1}], "structure", "sites", 0, "species"), "holds Ge, Si, Si alone"),
        (_set([], "structure", "sites"), "holds nothing, Si alone"),
    ],
)
def test_a_damaged_structure_is_named(tmp_path, change, expected):
    items = [as_published(atoms, springs(), "AIMD-NVT") for atoms in crystals("Si", 2, seed=6)]
    damaged = copy.deepcopy(items)
    change(damaged[1])
    with pytest.raises(DataError, match=rf"training\.json: structure 1: .*{expected}"):
        read_published(written(tmp_path, damaged), "Si")


@pytest.mark.parametrize("content", [{}, [], "text"])
def test_another_kind_of_file_is_refused(tmp_path, content):
    with pytest.raises(DataError, match="not the list of structures"):
        read_published(written(tmp_path, content), "Si")


def test_local_files_in_either_form(tmp_path):
    with pytest.raises(DataError, match=r"no labels of Si: .*Si_training\.extxyz.* or .*training\.json"):
        local_files(tmp_path, "Si")
    (tmp_path / "Si").mkdir()
    for split in ("training", "test"):
        (tmp_path / "Si" / f"{split}.json").write_text("[]")
    assert local_files(tmp_path, "Si")["test"] == tmp_path / "Si" / "test.json"
    for split in ("training", "test"):
        (tmp_path / f"Si_{split}.extxyz").write_text("")
    assert local_files(tmp_path, "Si")["test"] == tmp_path / "Si_test.extxyz"


def test_addresses_name_a_commit_or_a_copy():
    assert "/a04d3b6ecaac47c27aa8f7e452c16a5c9a2a8cff/data/Mo/test.json" in url_of(
        Published(elements=("Mo",)), "Mo", "test"
    )
    assert url_of(Published(elements=("Mo",), base_url="http://here/x/"), "Mo", "test") == "http://here/x/Mo/test.json"
    assert {element for element, _ in ORDERS} <= set(ELEMENTS)
