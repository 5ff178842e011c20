"""The jobs that a cheap level adds, in dry runs and on real DFT, and that nothing else changes."""

import re

import pytest

from pesforge.fields import SETTINGS_HASH
from pesforge.io import read_frames, read_json

SECTION = """
fidelity:
  low: {cutoff_ev: 100.0, k_spacing_per_ang: 0.9}
  budgets: [4, 8]
  seeds: 2
  folds: 3
"""
ADDED = {"choose_low_settings": 1, "label_low_batch": 3, "gather_low_labels": 1, "compare_fidelities": 1}


def planned(clone) -> dict[str, int]:
    """Jobs of a dry run: rule → number."""
    output = clone.snakemake("--dry-run", "--quiet", "host")
    rows = re.findall(r"^(\w+)\s+(\d+)\s*$", output, flags=re.MULTILINE)
    return {name: int(count) for name, count in rows if name != "total"}


def test_a_cheap_level_adds_its_jobs_and_changes_no_other(make_clone, tmp_path):
    clone = make_clone(tmp_path / "pesforge")
    one = planned(clone)
    assert not set(ADDED) & set(one)
    path = clone.root / "config" / "tiny.yaml"
    path.write_text(path.read_text() + SECTION)
    assert planned(clone) == one | ADDED
    clone.edit("config/tiny.yaml", "budgets: [4, 8]", "budgets: [4]\n  families: [strain, volume]")
    assert planned(clone)["label_low_batch"] == 2


def test_a_level_that_cannot_be_looser_ends_the_dry_run(make_clone, tmp_path):
    clone = make_clone(tmp_path / "pesforge")
    path = clone.root / "config" / "tiny.yaml"
    path.write_text(path.read_text() + SECTION.replace("100.0", "200.0"))
    process = clone.start("--dry-run")
    said, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "`fidelity.low.cutoff_ev` is 200, tighter than the tightest value 180" in said
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.nightly
def test_a_finished_study_gets_a_cheap_level_without_touching_its_labels(beside):
    path = beside.root / "config" / "tiny.yaml"
    path.write_text(path.read_text() + SECTION)
    below = dict.fromkeys(("weigh_families", "gather_provenance", "render_report", "all"), 1)
    assert planned(beside) == ADDED | below
    beside.snakemake()
    results = beside.root / "results/tiny"
    evidence = read_json(results / "evidence/fidelity.json")
    assert evidence["n_structures"] == 15
    assert evidence["levels"]["high"]["settings"]["cutoff_ev"] > evidence["levels"]["low"]["settings"]["cutoff_ev"]
    hashes = {
        level: {frame.info[SETTINGS_HASH] for frame in read_frames(results / folder / "labels.extxyz")}
        for level, folder in (("high", "label"), ("low", "fidelity"))
    }
    assert hashes == {level: {evidence["levels"][level]["hash"]} for level in hashes}
    assert {row["method"] for row in evidence["points"]} >= {"high_only", "low_only", "blend", "delta"}
    assert '<h2 id="fidelity">' in (results / "report/index.html").read_text()
