"""The jobs of the locality study in dry runs, and that nothing else changes; only the plan shows the jobs."""

import re


def planned(clone) -> dict[str, int]:
    """Jobs of a dry run: rule → number."""
    output = clone.snakemake("--dry-run", "--quiet", "host")
    rows = re.findall(r"^(\w+)\s+(\d+)\s*$", output, flags=re.MULTILINE)
    return {name: int(count) for name, count in rows if name != "total"}


def test_the_study_of_locality_adds_two_jobs_and_changes_no_other(make_clone, tmp_path):
    clone = make_clone(tmp_path / "pesforge")
    none = planned(clone)
    clone.edit("config/tiny.yaml", "describe:\n", "analysis: {locality: {cutoffs_ang: [3.0, 5.0]}}\ndescribe:\n")
    assert planned(clone) == none | {"measure_response": 1, "study_locality": 1}
