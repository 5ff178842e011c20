"""Adapter of the rule `gather_provenance`."""

from pathlib import Path

from _adapter import run

from pesforge.cost import cost
from pesforge.io import read_json, write_json
from pesforge.provenance import derive_seed, digest, fingerprint, versions

PARTS = (
    "dft",
    "sampling",
    "curation",
    "representations",
    "potentials",
    "training",
    "uncertainty",
    "acquisition",
    "learning",
    "validation",
    "export",
    "report",
)


def work(job):
    study = job.params.study
    parent = read_json(job.input.evidence[0])
    moving = job.params.moving_store and Path(job.params.moving_store)
    spent = cost(Path(job.params.benchmarks), Path(job.params.store), job.params.store_code, moving)
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
