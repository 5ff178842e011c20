import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge.errors import DataError
from pesforge.io import atomic_path, canonical_json, read_frames, read_json, write_frames, write_json


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "value.json"
    write_json(target, {"old": 1})

    def torn():
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        torn()
    assert read_json(target) == {"old": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["value.json"]


def test_canonical_json_ignores_the_order_of_keys_and_numpy_types():
    assert canonical_json({"b": np.float64(0.1), "a": [np.int64(1)]}) == canonical_json({"a": (1,), "b": 0.1})


def test_non_finite_numbers_become_null(tmp_path):
    write_json(tmp_path / "x.json", {"x": float("nan"), "y": np.array([1.0, np.inf])})
    assert read_json(tmp_path / "x.json") == {"x": None, "y": [1.0, None]}


def test_frames_keep_labels_and_information(tmp_path):
    atoms = bulk("Si", "diamond", 5.47)
    atoms.info.update(id="thermal-0001", reference_cell=atoms.cell.array.copy(), strain=np.arange(6) / 7)
    results = {"energy": -10.8, "forces": np.full((2, 3), 0.125), "stress": np.arange(6) / 3}
    atoms.calc = SinglePointCalculator(atoms, **results)
    write_frames(tmp_path / "frames.extxyz", [atoms])
    (again,) = read_frames(tmp_path / "frames.extxyz")
    assert again.info["id"] == "thermal-0001"
    np.testing.assert_array_equal(again.info["reference_cell"], atoms.cell.array)
    np.testing.assert_array_equal(again.info["strain"], np.arange(6) / 7)
    assert again.get_potential_energy() == -10.8
    np.testing.assert_allclose(again.get_stress(), np.arange(6) / 3, atol=1e-8)
    np.testing.assert_array_equal(again.get_forces(), results["forces"])


def test_no_frames_round_trip(tmp_path):
    write_frames(tmp_path / "none.extxyz", [])
    assert read_frames(tmp_path / "none.extxyz") == []


@pytest.mark.parametrize("reader", [read_json, read_frames])
def test_a_broken_file_is_named(tmp_path, reader):
    broken = tmp_path / "broken.file"
    broken.write_text("3\n{nonsense")
    with pytest.raises(DataError, match=r"broken\.file"):
        reader(broken)


def test_a_part_of_the_structures_is_read_by_their_numbers(tmp_path):
    frames = [Atoms("Si", positions=[[number, 0, 0]]) for number in range(7)]
    write_frames(tmp_path / "a@1.extxyz", frames)
    for first, stop in ((0, 3), (3, 6), (6, 9), (9, 12), (2, None)):
        found = read_frames(tmp_path / "a@1.extxyz", first, stop)
        assert [atoms.positions[0, 0] for atoms in found] == list(range(7))[first:stop]
