"""Adapter of the rule `choose_potential`."""

from pathlib import Path

from _adapter import run

from pesforge.io import read_json, write_json
from pesforge.training.stages import choose_candidate, training_evidence


def work(job):
    metrics = {}
    for path in job.input.metrics:
        metrics.setdefault(Path(path).parents[1].name, []).append(read_json(path))
    evidence = choose_candidate(metrics, job.params.use, job.params.kinds)
    chosen = next(candidate for candidate in evidence["candidates"] if candidate["chosen"])
    write_json(job.output.evidence, evidence)
    write_json(job.output.training, training_evidence(metrics))
    write_json(job.output.choice, chosen)
    return f"{chosen['name']} for use `{job.params.use}`, among {len(evidence['candidates'])} candidates"


run(snakemake, work)
