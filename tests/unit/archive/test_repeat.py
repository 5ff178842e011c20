"""Two runs are the same by the bytes of what they found; a planted difference is named."""

import shutil

import pytest
from ase.build import bulk

from pesforge.archive.repeat import compare_runs, text
from pesforge.errors import DataError
from pesforge.io import read_json, write_frames, write_json


@pytest.fixture
def runs(tmp_path):
    """Results of two runs that found the same and took different times."""
    first = tmp_path / "first"
    write_json(first / "evidence/curate.json", {"kept": 3, "influence": {"noise": 0.1}})
    write_json(first / "evidence/train.json", {"runs": [{"force_rmse_ev_per_ang": 0.1}]})
    write_json(first / "evidence/cost.json", {"total_seconds": 10.0})
    write_json(first / "store/aa/aa1.json", {"label": {"energy": -1.0, "seconds": 2.0}})
    write_frames(first / "label/labels.extxyz", [bulk("Si")])
    second = tmp_path / "second"
    shutil.copytree(first, second)
    write_json(second / "evidence/cost.json", {"total_seconds": 11.0})
    write_json(second / "store/aa/aa1.json", {"label": {"energy": -1.0, "seconds": 3.0}})
    return first, second


def differing(runs):
    return [one.name for one in compare_runs(*runs) if one.differences]


def test_times_make_no_difference(runs):
    assert differing(runs) == []
    names = [one.name for one in compare_runs(*runs)]
    assert names == ["evidence/curate.json", "evidence/train.json", "label/labels.extxyz", "names of 1 labels"]
    assert text(compare_runs(*runs)).endswith("4 of 4 identical; none differs")


def test_a_number_that_differs_by_rounding_is_a_difference(runs):
    found = read_json(runs[1] / "evidence/curate.json")
    found["influence"]["noise"] = 0.1 + 2e-17
    write_json(runs[1] / "evidence/curate.json", found)
    assert differing(runs) == ["evidence/curate.json"]
    assert "1 differ: evidence/curate.json" in text(compare_runs(*runs))


def test_what_lightning_trains_may_differ_by_its_tolerance_alone(runs):
    place = runs[1] / "evidence/train.json"
    write_json(place, {"runs": [{"force_rmse_ev_per_ang": 0.1005}]})
    assert differing(runs) == []
    assert "3 of 4 identical" in text(compare_runs(*runs))
    write_json(place, {"runs": [{"force_rmse_ev_per_ang": 0.12}]})
    assert differing(runs) == ["evidence/train.json"]


@pytest.mark.parametrize("side", [0, 1])
def test_a_file_or_a_label_of_one_run_alone_is_a_difference(runs, side):
    write_json(runs[side] / "evidence/more.json", {})
    write_json(runs[side] / "store/bb/bb1.json", {})
    one, labels = (one for one in compare_runs(*runs) if one.differences)
    assert (one.name, labels.differences) == ("evidence/more.json", ("store/bb/bb1.json only in one run",))


def test_without_evidence_there_is_nothing_to_compare(tmp_path):
    with pytest.raises(DataError, match="no evidence"):
        compare_runs(tmp_path, tmp_path)
