"""Adapter of the rule `label_batch`."""

import os

from _adapter import run
from _labels import label

from pesforge.io import read_frames


def work(job):
    number = int(job.wildcards.batch) - job.params.first_batch
    label(job, read_frames(job.input.pool), number, "label", int(os.environ["PESFORGE_LABELS"]))


run(snakemake, work)
