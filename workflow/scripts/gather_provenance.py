"""Adapter of the rule `gather_provenance`."""

from pathlib import Path

import pandas as pd
from _adapter import run

from pesforge.io import read_json, write_json
from pesforge.provenance import derive_seed, digest, fingerprint, versions

PARTS = ("dft", "sampling", "curation", "representations", "potentials", "training", "validation", "export", "report")


DFT_RULES = (
    "scan_parameter",
    "check_derivatives",
    "measure_stiffness",
    "label_batch",
    "compute_eos",
    "compute_elastic",
)


def cost(benchmarks, store, code):
    """Seconds, jobs and largest memory of every stage, and how much of it was spent in reference calculations.

    The store remembers the time of every calculation, the benchmarks that of the last run of every job. A job that was
    killed and run again may therefore be shorter than its calculations; its overhead then counts as nothing.
    """
    stages, other, around = [], 0.0, 0.0
    for folder in sorted(path for path in benchmarks.iterdir() if path.is_dir()):
        tables = {path.name.split(".")[0]: [] for path in folder.glob("*.tsv")}
        for path in sorted(folder.glob("*.tsv")):
            tables[path.name.split(".")[0]].append(pd.read_csv(path, sep="\t"))
        jobs = pd.concat([table for found in tables.values() for table in found])
        for rule, found in tables.items():
            seconds = sum(float(table["s"].sum()) for table in found)
            around, other = (around + seconds, other) if rule in DFT_RULES else (around, other + seconds)
        memory = pd.to_numeric(jobs["max_rss"], errors="coerce").max()
        stages.append(
            {"stage": folder.name, "seconds": float(jobs["s"].sum()), "jobs": len(jobs), "max_rss_mb": float(memory)}
        )
    records = (read_json(path) for path in sorted(store.glob("*/*.json")))
    labels = [record["label"]["seconds"] for record in records if record["code"] == code]
    inside = sum(labels)
    total = inside + max(around - inside, 0.0) + other
    return {
        "stages": stages,
        "dft_calculations": len(labels),
        "dft_seconds": inside,
        "total_seconds": total,
        "dft_share": inside / total if total else None,
    }


def work(job):
    study = job.params.study
    parent = read_json(job.input.evidence[0])
    spent = cost(Path(job.params.benchmarks), Path(job.params.store), job.params.store_code)
    write_json(
        job.output.provenance,
        {
            "study": study["name"],
            "seed": study["seed"],
            "formula": job.params.formula,
            "settings_hash": parent["settings_hash"],
            "study_hash": digest(study),
            "versions": versions(),
            "code": {part: fingerprint(part) for part in PARTS},
            "seeds": {"folds": derive_seed(study["seed"], "folds")},
        },
    )
    write_json(job.output.cost, spent)
    return f"{spent['dft_share']:.0%} of {spent['total_seconds']:.0f} s of all jobs inside reference calculations"


run(snakemake, work)
