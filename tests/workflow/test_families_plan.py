"""Dry runs: which jobs a study of all families has, and that families that are off add none."""

import re

from all_families import COUNTS, sample_section


def planned(clone) -> dict[str, int]:
    """Jobs of a dry run: rule → number."""
    output = clone.snakemake("--dry-run", "--quiet", "host")
    rows = re.findall(r"^(\w+)\s+(\d+)\s*$", output, flags=re.MULTILINE)
    return {name: int(count) for name, count in rows}


def test_every_family_is_a_job_and_every_structure_is_in_a_batch(make_clone, tmp_path):
    clone = make_clone(tmp_path / "pesforge")
    few = planned(clone)
    path = clone.root / "config" / "tiny.yaml"
    text = path.read_text()
    section = text[text.index("sample:\n") : text.index("label:\n")]
    path.write_text(text.replace(section, sample_section("Si")))
    every = planned(clone)
    total = sum(COUNTS.values()) + 1 + 4
    assert (few["sample_family"], few["label_batch"]) == (3, 3)
    assert (every["sample_family"], every["label_batch"]) == (len(COUNTS), -(-total // 5))
    assert "fill_gaps" not in few
    changed = ("sample_family", "label_batch", "fill_gaps", "total")
    assert {name: count for name, count in few.items() if name not in changed} == {
        name: count for name, count in every.items() if name not in changed
    }


DRIVEN = """\
  md: {supercell: [2, 1, 1], temperatures_k: [300.0, 600.0], count: 3}
  liquid: {melt_temperature_k: 3000.0, temperatures_k: [2000.0], count: 2}
  relaxed: {rattled: 0}
  vacancy: {supercell: [2, 1, 1], count: 1}
"""


def test_driven_families_are_a_second_wave_behind_a_draft(make_clone, tmp_path):
    clone = make_clone(tmp_path / "pesforge")
    clone.edit("config/tiny.yaml", "sample:\n", "sample:\n  vacancy: {supercell: [2, 1, 1], count: 1}\n")
    few = planned(clone)
    clone.edit("config/tiny.yaml", "sample:\n  vacancy: {supercell: [2, 1, 1], count: 1}\n", "sample:\n" + DRIVEN)
    both = planned(clone)
    wave = {"fit_draft": 1, "sample_driven": 3, "gather_driven": 1}
    assert not set(wave) & set(few)
    assert {name: both.pop(name) for name in wave} == wave
    assert (few["label_batch"], both["label_batch"]) == (4, 4 + 2), "16 structures, then 6 + 2 + 1, five to a batch"
    changed = ("label_batch", "total")
    assert {name: count for name, count in few.items() if name not in changed} == {
        name: count for name, count in both.items() if name not in changed
    }
    clone.edit("config/tiny.yaml", "sample:\n", "sample:\n  driver: {kind: dft}\n")
    coarse = planned(clone)
    assert "fit_draft" not in coarse
    assert (coarse["sample_driven"], coarse["label_batch"]) == (3, 6)


def test_a_driver_without_a_driven_family_has_no_effect(make_clone, tmp_path):
    clone = make_clone(tmp_path / "pesforge")
    few = planned(clone)
    clone.edit("config/tiny.yaml", "sample:\n", "sample:\n  driver: {kind: dft, cutoff_ev: 100.0}\n")
    assert planned(clone) == few
