"""Adapter of the rule `render_report`."""

from pathlib import Path

from _adapter import run

from pesforge.io import read_json, sha256_of, write_json, write_text
from pesforge.report import model_card, render


def work(job):
    evidence = {Path(path).stem: read_json(path) for path in job.input.evidence}
    model = Path(job.input.model)
    files = {path.name: sha256_of(path) for path in model.parent.iterdir() if not path.name.startswith(".")}
    write_json(job.output.card, model_card(evidence, read_json(model), files))
    write_text(job.output.page, render(evidence))
    return str(job.output.page)


run(snakemake, work)
