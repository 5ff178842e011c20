"""Adapter of the rule `gather_provenance`."""

from pathlib import Path

import pandas as pd
from _adapter import run

from pesforge.io import read_json, write_json
from pesforge.provenance import derive_seed, digest, fingerprint, versions

PARTS = ("dft", "sampling", "curation", "representations", "potentials", "training", "validation", "export", "report")


def cost(benchmarks, store, code):
    """Seconds, jobs and largest memory of every stage, and how much of it was spent in reference calculations."""
    stages = []
    for folder in sorted(path for path in benchmarks.iterdir() if path.is_dir()):
        jobs = pd.concat([pd.read_csv(path, sep="\t") for path in sorted(folder.glob("*.tsv"))])
        memory = pd.to_numeric(jobs["max_rss"], errors="coerce").max()
        stages.append(
            {"stage": folder.name, "seconds": float(jobs["s"].sum()), "jobs": len(jobs), "max_rss_mb": float(memory)}
        )
    records = (read_json(path) for path in sorted(store.glob("*/*.json")))
    labels = [record["label"]["seconds"] for record in records if record["code"] == code]
    total = sum(stage["seconds"] for stage in stages)
    return {
        "stages": stages,
        "dft_calculations": len(labels),
        "dft_seconds": sum(labels),
        "total_seconds": total,
        "dft_share": min(sum(labels) / total, 1.0) if total else None,
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
