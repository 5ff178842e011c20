"""What a rerun is compared by: planted differences are named, rounding is none."""

import json

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from safetensors.numpy import save_file

from pesforge.archive.compare import TRAINED, compare_files
from pesforge.errors import DataError
from pesforge.io import write_frames

OLD = {"error": 0.5, "rows": [{"id": "a", "value": 1e-17}, {"id": "b", "value": None}], "passed": True}


def compared(tmp_path, new, **options):
    old, other = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(OLD))
    other.write_text(json.dumps(new))
    return compare_files(old, other, "evidence/x.json", **options)


def changed(**values):
    return {**OLD, **values}


def test_the_same_bytes_are_identical_and_rounding_agrees(tmp_path):
    assert compared(tmp_path, OLD).words == "identical"
    rounding = changed(rows=[{"id": "a", "value": -3e-16}, {"id": "b", "value": None}])
    assert compared(tmp_path, rounding).words == "agrees to rounding"
    found = compared(tmp_path, changed(error=0.5000001))
    assert (found.differences, found.words) == ((), "agrees, numbers within 2.0e-07")


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (changed(error=0.50001), "error was 0.5, now 0.50001"),
        (changed(error=float("nan")), "error was 0.5, now nan"),
        (changed(error=None), "error was 0.5, now None"),
        (changed(passed=1), "passed was True, now 1"),
        (changed(passed=False), "passed was True, now False"),
        (changed(rows=OLD["rows"][:1]), "rows has 2 items, now 1"),
        (changed(rows=[OLD["rows"][0], {"id": "c", "value": None}]), "rows[1].id was 'b', now 'c'"),
        ({"error": 0.5, "rows": OLD["rows"]}, "passed only in the archive"),
        (changed(more=1), "more only in the rerun"),
    ],
)
def test_every_other_difference_is_named(tmp_path, new, said):
    found = compared(tmp_path, new)
    assert said in found.words
    assert found.words.startswith("DIFFERS: ")


def test_many_differences_are_counted_and_a_wider_tolerance_forgives_numbers_alone(tmp_path):
    many = {f"key{number}": number for number in range(10)}
    assert compared(tmp_path, {**OLD, **many}).words.endswith("; and 7 more")
    assert not compared(tmp_path, changed(error=0.504), relative=TRAINED).differences
    assert compared(tmp_path, changed(error=0.504, passed=False), relative=TRAINED).differences


def test_tensors_structures_and_missing_files(tmp_path):
    old, new = tmp_path / "old.safetensors", tmp_path / "new.safetensors"
    save_file({"c": np.array([1.0, 2.0])}, old)
    save_file({"c": np.array([1.0, 2.0 + 1e-9])}, new)
    assert not compare_files(old, new, "w").differences
    save_file({"c": np.array([1.0, 2.1])}, new)
    assert "c[1] was 2, now 2.1" in compare_files(old, new, "w").words
    assert compare_files(old, tmp_path / "none", "w").words == "DIFFERS: the rerun did not write it"
    paths = []
    for name, energy in (("one", -1.0), ("two", -1.0 + 1e-9), ("three", -1.1)):
        atoms = bulk("Si")
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=np.zeros((2, 3)))
        paths.append(tmp_path / f"{name}.extxyz")
        write_frames(paths[-1], [atoms])
    assert not compare_files(paths[0], paths[1], "labels").differences
    assert "[0].labels.energy was -1, now -1.1" in compare_files(paths[0], paths[2], "labels").words
    old.write_bytes(b"no tensors")
    with pytest.raises(DataError, match=r"old\.safetensors: cannot be read"):
        compare_files(old, new, "w")
