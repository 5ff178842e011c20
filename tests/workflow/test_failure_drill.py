"""The tiny study with structures that cannot be labelled, or should not have been: it goes on and lists them."""

import subprocess
from collections import Counter

import numpy as np
import pytest

from pesforge.dft.labelling import read_journals
from pesforge.fields import ID
from pesforge.io import read_frames, read_json, write_frames

pytestmark = pytest.mark.slow
DISTANCE_ANG = 0.8


def touching(atoms) -> None:
    atoms.positions[1] = atoms.positions[0]


def near(atoms) -> None:
    atoms.positions[1] = atoms.positions[0] + DISTANCE_ANG * np.ones(3) / np.sqrt(3)


def unknown(atoms) -> None:
    atoms.symbols[1] = "Po"


def plant(clone, faults) -> list[str]:
    """Give structures of the pool a fault, as a sampler that is wrong would, and return all of their names."""
    path = clone.root / "results/tiny/sample/pool.extxyz"
    frames = read_frames(path)
    for number, fault in faults.items():
        fault(frames[number])
    write_frames(path, frames)
    return [frame.info[ID] for frame in frames]


def finished_labels(clone) -> Counter[str]:
    events = read_journals(clone.root / "results/tiny/label/journal")
    return Counter(event["id"] for event in events if event["event"] == "finished")


def test_planted_failures_are_counted_and_left_out_and_the_rest_goes_on(beside):
    """First too many, which stops the study with the reason; then few enough for it to reach its report."""
    results = beside.root / "results/tiny"
    beside.edit(
        "config/tiny.yaml",
        "w_energy: [40.0, 400.0], w_force: [1.0], w_stress: [2500.0], lambda_m: [0.0, 0.01], seeds: 2",
        "w_energy: [400.0], w_force: [1.0], w_stress: [2500.0], lambda_m: [0.0], seeds: 1",
    )
    pool = (results / "sample/pool.extxyz").read_bytes()
    before = finished_labels(beside)
    plant(beside, dict.fromkeys(range(4), touching))
    process = beside.start()
    said, _ = process.communicate(timeout=900)
    assert process.returncode != 0
    assert (
        "4 of 15 reference calculations failed, more than `label.max_failed_fraction` (0.2) allows: 4 × too_close"
        in said
    )
    assert "Traceback" not in said
    (results / "sample/pool.extxyz").write_bytes(pool)
    names = plant(beside, {1: touching, 3: near, 6: unknown})
    beside.snakemake()
    label, repeats = (read_json(results / f"evidence/{stage}.json") for stage in ("label", "repeats"))
    assert (label["labelled"], label["requested"]) == (13, 15)
    assert {item["id"]: item["reason"] for item in label["failed"]} == {
        names[1]: "too_close",
        names[6]: "missing_setup",
    }
    assert {row["kind"]: row["failed"] for row in repeats["kinds"] if row["failed_at_first"]} == {
        "too_close": 1,
        "missing_setup": 1,
    }
    dropped = {item["id"]: item["filter"] for item in read_json(results / "evidence/curate.json")["dropped"]}
    assert dropped[names[3]] == "too_short"
    trained = {frame.info[ID] for frame in read_frames(results / "curate/curated.extxyz")}
    assert not trained & {names[1], names[3], names[6]}
    assert len(trained) >= 10
    assert finished_labels(beside) - before == Counter([names[3]])
    page = (results / "report/index.html").read_text()
    assert "2 of 15 labels failed at first, 0 were cured, 2 failed for good" in page
    for name in (names[1], names[6]):
        assert name in page


def test_a_missing_program_is_refused_by_the_dry_run(finished, tmp_path):
    study = tmp_path / "missing.yaml"
    text = (finished.root / "config/tiny.yaml").read_text().replace("name: tiny", "name: missing")
    (tmp_path / "Si.UPF").write_text(
        '<UPF version="2.0.1">\n<PP_HEADER element="Si" pseudo_type="NC" functional="PBE" z_valence="4.0" />\n'
    )
    dft = "dft: {engine: espresso, command: no-such-pw.x, pseudopotential_folder: ., pseudopotentials: {Si: Si.UPF}}"
    study.write_text(text.replace("dft: {smearing_ev: 0.1}", dft))
    command = ["snakemake", "-n", "--config", f"study={study}"]
    ended = subprocess.run(
        command, cwd=finished.root, env=finished.environment, capture_output=True, text=True, timeout=120
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode != 0
    assert "the program 'no-such-pw.x' is not there or cannot be run" in said
    assert "apt-get install quantum-espresso" in said
    assert "Traceback" not in said
