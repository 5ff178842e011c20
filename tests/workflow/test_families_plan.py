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
