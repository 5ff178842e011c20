"""Adapter of the rule `render_report`."""

from pathlib import Path

from _adapter import run

from pesforge.io import read_json, write_text
from pesforge.report import render


def work(job):
    write_text(job.output.page, render({Path(path).stem: read_json(path) for path in job.input.evidence}))
    return str(job.output.page)


run(snakemake, work)
