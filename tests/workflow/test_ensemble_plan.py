"""The jobs of an ensemble in dry runs, and that nothing else changes; the plan is cheap, and only it shows the jobs."""

import re


def planned(clone) -> dict[str, int]:
    """Jobs of a dry run: rule → number."""
    output = clone.snakemake("--dry-run", "--quiet", "host")
    rows = re.findall(r"^(\w+)\s+(\d+)\s*$", output, flags=re.MULTILINE)
    return {name: int(count) for name, count in rows if name != "total"}


def test_members_add_a_job_each_in_every_fold_and_change_no_other(make_clone, tmp_path):
    clone = make_clone(tmp_path / "pesforge")
    none = planned(clone)
    clone.edit("config/tiny.yaml", "  folds: 3\n", "  folds: 3\n  members: 5\n")
    assert planned(clone) == none | {"train_member": 5 * (3 + 1), "calibrate_ensemble": 1}
    clone.edit("config/tiny.yaml", "  members: 5\n", "")
    clone.edit("config/tiny.yaml", "overrides: [", "overrides: [model.dropout=0.1, ")
    assert planned(clone) == none | {"calibrate_ensemble": 1}, "dropout needs no more training"
