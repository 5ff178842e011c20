"""Adapter of the rule `label_low_batch`."""

import os

from _adapter import run
from _labels import label, place

from pesforge.fidelity.levels import of_families
from pesforge.io import read_frames


def work(job):
    pool = of_families(read_frames(job.input.pool), job.params.families)
    start, stop = place(int(job.wildcards.batch), job.params.batch_size)
    label(job, pool[start:stop], "label low", int(os.environ["PESFORGE_LOW_LABELS"]))


run(snakemake, work)
