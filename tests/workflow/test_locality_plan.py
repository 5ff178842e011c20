"""The jobs of the locality study and of phonons in a wider cell in dry runs; nothing else changes in the plan."""

import re


def planned(clone) -> dict[str, int]:
    """Jobs of a dry run: rule → number."""
    output = clone.snakemake("--dry-run", "--quiet", "host")
    rows = re.findall(r"^(\w+)\s+(\d+)\s*$", output, flags=re.MULTILINE)
    return {name: int(count) for name, count in rows if name != "total"}


def test_each_adds_its_jobs_and_changes_no_other(make_clone, tmp_path):
    clone = make_clone(tmp_path / "pesforge")
    none = planned(clone)
    clone.edit("config/tiny.yaml", "describe:\n", "analysis: {locality: {cutoffs_ang: [3.0, 5.0]}}\ndescribe:\n")
    assert planned(clone) == none | {"measure_response": 1, "study_locality": 1}
    clone.edit("config/tiny.yaml", "analysis: {locality: {cutoffs_ang: [3.0, 5.0]}}\n", "")
    clone.edit("config/tiny.yaml", "  eos_points: 5\n", "  eos_points: 5\n  phonon_width_ang: 5.0\n")
    assert planned(clone) == none | {"measure_phonons": 1}
