"""The jobs of rounds of active learning, in dry runs and on real DFT, and that nothing else changes."""

import re
import shutil
import subprocess
from collections import Counter

import pytest
from kills import kill_everything, kill_the_master, killed_when

from pesforge.dft.labelling import read_journals
from pesforge.fields import FAMILY, GROUP, ID
from pesforge.io import read_frames, read_json

SECTION = """
learn:
  rounds: 2
  per_round: 2
  test: 4
  pool: {temperatures_k: [300.0, 600.0], strains: [0.0], count: 5, equilibration_ps: 0.2, max_ps: 4.0}
  stop: {energy_mae_mev_per_atom: 1000.0, force_rmse_ev_per_ang: 100.0, calibration_error_percent: 100.0,
         standardised_residual: 1.0e6}
"""
ADDED = {
    "learn_fit": 2,
    "learn_exam": 2,
    "label_exam": 2,
    "learn_judge": 3,
    "learn_pool": 2,
    "learn_select": 2,
    "label_control": 2,
    "learn_curve": 1,
    "learn_conclude": 1,
}
TINY = "config/tiny.yaml"
LEARNED = ("results/tiny/evidence/learn.json", "results/tiny/label/labels.extxyz")


def planned(clone) -> dict[str, int]:
    """Jobs of a dry run: rule → number."""
    output = clone.snakemake("--dry-run", "--quiet", "host")
    rows = re.findall(r"^(\w+)\s+(\d+)\s*$", output, flags=re.MULTILINE)
    return {name: int(count) for name, count in rows if name != "total"}


def give_rounds(clone) -> None:
    path = clone.root / TINY
    path.write_text(path.read_text() + SECTION)


def computed(clone) -> Counter[str]:
    """How often each label was computed to its end, by all journals of batches."""
    folders = [clone.root / "results/tiny/label/journal", *(clone.root / "results/tiny/learn").glob("**/journal")]
    events = (event for folder in folders for event in read_journals(folder))
    return Counter(event["key"] for event in events if event["event"] == "finished")


def test_rounds_add_their_jobs_and_change_no_other(make_clone, tmp_path):
    clone = make_clone(tmp_path / "pesforge")
    none = planned(clone)
    assert not set(ADDED) & set(none)
    give_rounds(clone)
    assert planned(clone) == none | ADDED | {"label_batch": none["label_batch"] + 2}
    clone.edit(TINY, "rounds: 2", "rounds: 3\n  controls: 0")
    three = planned(clone)
    assert {name: three[name] for name in ADDED if name in three} == {
        "learn_fit": 3,
        "learn_exam": 3,
        "label_exam": 3,
        "learn_judge": 4,
        "learn_pool": 3,
        "learn_select": 3,
        "learn_curve": 1,
        "learn_conclude": 1,
    }
    assert three["label_batch"] == none["label_batch"] + 3
    clone.edit(TINY, "per_round: 2", "per_round: 6")
    assert planned(clone)["label_batch"] == none["label_batch"] + 6, "five to a batch"


@pytest.mark.slow
def test_a_finished_study_learns_on_after_a_stop_when_a_tolerance_is_tightened(beside):
    """Loose tolerances stop at the first exam; tighter ones go on, and no label is computed twice, kills or not."""
    results, before = beside.root / "results/tiny", computed(beside)
    give_rounds(beside)
    plan = planned(beside)
    assert plan["label_batch"] == 2, "finished labels stay"
    assert not set(plan) & {"scan_parameter", "measure_stiffness", "sample_family", "gather_pool", "compute_eos"}
    beside.snakemake("--cores", "2", *LEARNED)
    first = computed(beside)
    assert sum((first - before).values()) == 4, "the exam alone: rounds after a stop label nothing"
    evidence = read_json(results / "evidence/learn.json")
    assert (evidence["stopped"], len(evidence["exams"]), evidence["rounds"]) == (True, 1, [])
    assert not (results / "learn/1/pool.extxyz").read_bytes()
    assert len(read_frames(results / "label/labels.extxyz")) == 15
    beside.edit(TINY, "energy_mae_mev_per_atom: 1000.0", "energy_mae_mev_per_atom: 0.0001")
    plan = planned(beside)
    assert plan["learn_judge"] == 3
    assert "learn_curve" in plan
    for more, kill in ((1, kill_everything), (3, kill_the_master)):
        process = beside.start("--cores", "2", *LEARNED, stdout=subprocess.DEVNULL)
        killed_when(lambda count=more: len(computed(beside)) >= len(first) + count, process, kill)
        beside.snakemake("--unlock")
    beside.snakemake("--cores", "2", *LEARNED)
    second = computed(beside)
    assert set(second.values()) == {1}
    assert {key: second[key] for key in first} == first
    evidence = read_json(results / "evidence/learn.json")
    assert (evidence["stopped"], len(evidence["exams"]), len(evidence["rounds"])) == (False, 3, 2)
    learned = [frame for frame in read_frames(results / "label/labels.extxyz") if frame.info[FAMILY] == "learned"]
    picks = [pick["id"] for row in evidence["rounds"] for pick in row["picks"]]
    assert sorted(frame.info[ID] for frame in learned) == sorted(picks)
    assert len(picks) == 4
    exam = {
        frame.info[GROUP] for path in (results / "learn").glob("*/exam/batches/*.extxyz") for frame in read_frames(path)
    }
    assert not exam & {frame.info[GROUP] for frame in read_frames(results / "label/labels.extxyz")}
    rounds = (results / "evidence/learn.json").read_bytes()
    shutil.rmtree(results / "learn")
    beside.snakemake("--cores", "2", *LEARNED)
    assert (results / "evidence/learn.json").read_bytes() == rounds, "undisturbed, the same rounds"
    assert not computed(beside) - second, "every label was known"
    beside.edit(TINY, "energy_mae_mev_per_atom: 0.0001", "energy_mae_mev_per_atom: 1000.0")
    beside.snakemake("--cores", "2", *LEARNED)
    assert not computed(beside) - second
    assert len(read_frames(results / "label/labels.extxyz")) == 15
