"""Adapter of the rule `label_batch`."""

import os

from _adapter import run
from _labels import label, place

from pesforge.io import read_frames


def work(job):
    start, stop = place(int(job.wildcards.batch) - job.params.first_batch, job.params.batch_size)
    label(job, read_frames(job.input.pool, start, stop), "label", int(os.environ["PESFORGE_LABELS"]))


run(snakemake, work)
