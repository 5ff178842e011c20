"""Adapter of the rule `render_published`."""

from _adapter import run

from pesforge.io import read_json, write_text
from pesforge.report import render_published


def work(job):
    found = {name: read_json(job.input[name]) for name in ("published", "cost", "provenance")}
    write_text(job.output.page, render_published(found))
    return str(job.output.page)


run(snakemake, work)
