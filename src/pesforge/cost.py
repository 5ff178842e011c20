"""What a study cost: seconds, jobs and memory of every stage, and the share of the reference calculations."""

from pathlib import Path
from typing import Any

import pandas as pd

from pesforge.io import read_json

DFT_RULES = (
    "scan_parameter",
    "check_derivatives",
    "measure_stiffness",
    "label_batch",
    "compute_eos",
    "compute_elastic",
    "compute_phases",
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
    records = (read_json(path) for path in sorted(store.glob("*/*.json")))
    labels = [record["label"]["seconds"] for record in records if record["code"] == code]
    inside = float(sum(labels))
    around = jobs["rule"].isin(DFT_RULES)
    total = inside + max(float(jobs.loc[around, "s"].sum()) - inside, 0.0) + float(jobs.loc[~around, "s"].sum())
    return {
        "stages": stages,
        "dft_calculations": len(labels),
        "dft_seconds": inside,
        "total_seconds": total,
        "dft_share": inside / total if total else None,
    }
