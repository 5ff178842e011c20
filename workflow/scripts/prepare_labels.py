"""Adapter of the rule `prepare_labels`."""

from pathlib import Path

from _adapter import run

from pesforge.io import write_json
from pesforge.published.labels import prepare
from pesforge.published.settings import SPLITS


def work(job):
    element = job.wildcards.element
    files = {split: Path(job.input[split]) for split in SPLITS}
    targets = {split: Path(job.output[split]) for split in SPLITS}
    found = prepare(element, files, targets, sha256=job.params.sha256)
    write_json(job.output.about, found)
    counts = ", ".join(f"{found[split]['n_structures']} {split}" for split in SPLITS)
    return f"{element}: {counts} structures, {sum(row['n_stress'] for row in found.values())} with stress"


run(snakemake, work)
