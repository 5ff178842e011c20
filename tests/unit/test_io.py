import json
import tracemalloc

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge.errors import DataError
from pesforge.io import atomic_path, canonical_json, iter_frames, read_frames, read_json, write_frames, write_json


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


def test_structures_pass_one_by_one_whatever_stands_behind_them(tmp_path):
    path = tmp_path / "frames.extxyz"
    write_frames(path, (Atoms("Si", positions=[[number, 0, 0]]) for number in range(3)))
    whole = path.read_bytes()
    write_frames(path, read_frames(path))
    assert path.read_bytes() == whole
    path.write_bytes(whole + b"2\nbroken\n")
    assert len(read_frames(path, 1, 3)) == 2
    passing = iter_frames(path)
    assert [next(passing).positions[0, 0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DataError, match="2 atoms has 0 lines"):
        next(passing)


def test_structures_that_pass_are_not_held(tmp_path):
    def peak(frames):
        tracemalloc.start()
        try:
            write_frames(tmp_path / "copy.extxyz", frames(tmp_path / "frames.extxyz"))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    write_frames(tmp_path / "frames.extxyz", [bulk("Si", cubic=True)] * 400)
    peak(iter_frames)
    assert peak(iter_frames) < peak(read_frames) / 4


def test_numbers_are_plain_in_json_however_they_are_held():
    value = {
        "array": np.array([1.5, 2.0]),
        "nan": np.array([np.nan, 1.0]),
        "list": [np.float64(0.1), 1e-300, True, None],
    }
    plain = {"array": [1.5, 2.0], "list": [0.1, 1e-300, True, None], "nan": [None, 1.0]}
    assert canonical_json(value) == json.dumps(plain, separators=(",", ":"))
