"""What a study cost: seconds, jobs and memory of every stage, and the share of the reference calculations."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pesforge.io import read_json

CONVERGE_RULES = ("scan_parameter", "check_derivatives")
LABEL_RULE = "label_batch"
DFT_RULES = (
    "scan_parameter",
    "check_derivatives",
    "measure_stiffness",
    "label_batch",
    "compute_eos",
    "compute_elastic",
)
"""Rules whose jobs do reference calculations."""


def cost(benchmarks: Path, store: Path, code: str) -> dict[str, Any]:
    """Evidence on the cost of a study.

    The store remembers the time of every calculation, the benchmarks that of the last run of every job. A job that was
    killed and run again may therefore be shorter than its calculations; its overhead then counts as nothing.

    Args:
        benchmarks: folder with one folder per stage, which holds Snakemake's benchmark table of every job.
        store: label store.
        code: fingerprint of the code whose labels count.
    """
    tables = []
    for path in sorted(benchmarks.glob("*/*.tsv")):
        table = pd.read_csv(path, sep="\t")
        table["stage"], table["rule"] = path.parent.name, path.name.split(".")[0]
        table["max_rss"] = pd.to_numeric(table["max_rss"], errors="coerce")
        tables.append(table)
    jobs = pd.concat(tables, ignore_index=True)
    stages = [
        {
            "stage": stage,
            "seconds": float(found["s"].sum()),
            "jobs": len(found),
            "max_rss_mb": float(found["max_rss"].max()),
        }
        for stage, found in jobs.groupby("stage", sort=True)
    ]
    records = [read_json(path) for path in sorted(store.glob("*/*.json"))]
    labels = [
        (str(record.get("made_for", "")), float(record["label"]["seconds"]))
        for record in records
        if record["code"] == code
    ]
    inside = sum(seconds for _, seconds in labels)
    around = jobs["rule"].isin(DFT_RULES)
    total = inside + max(float(jobs.loc[around, "s"].sum()) - inside, 0.0) + float(jobs.loc[~around, "s"].sum())
    return {
        "stages": stages,
        "dft_calculations": len(labels),
        "dft_seconds": inside,
        "total_seconds": total,
        "dft_share": inside / total if total else None,
        "convergence": convergence_cost(labels),
    }


def convergence_cost(labels: Sequence[tuple[str, float]]) -> dict[str, Any]:
    """What numerical convergence cost beside the labels that it serves.

    A calculation counts for the rule that computed it; a label that was found in the store costs nothing again. Labels
    of a store that is older than this record count for no rule.

    Args:
        labels: rule and seconds of every calculation.
    """
    of = {rule: sum(seconds for made_for, seconds in labels if made_for == rule) for rule, _ in labels}
    converge, labelled = sum(of.get(rule, 0.0) for rule in CONVERGE_RULES), of.get(LABEL_RULE, 0.0)
    return {
        "converge_seconds": converge,
        "label_seconds": labelled,
        "seconds_by_rule": {rule or "not recorded": seconds for rule, seconds in sorted(of.items())},
        "cheaper_than_labels": converge <= labelled if labelled else None,
    }


def convergence_warning(found: Mapping[str, Any]) -> str:
    """A sentence where convergence cost more than the labels; nothing otherwise.

    Args:
        found: what `convergence_cost` found.
    """
    if found["cheaper_than_labels"] is not False:
        return ""
    return (
        f"Convergence cost more than the labels ({found['converge_seconds']:.0f} s against "
        f"{found['label_seconds']:.0f} s of DFT): start the grids of `converge` nearer to what is needed, or sample "
        "more."
    )
