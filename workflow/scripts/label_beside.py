"""Adapter of the rules `label_exam` and `label_control`: labels that no potential of the study is fitted to."""

from _adapter import run
from _labels import label, place

from pesforge.io import read_frames


def work(job):
    pool = read_frames(job.input.pool)
    start, stop = place(int(job.wildcards.batch), job.params.batch_size)
    label(job, pool[start:stop], job.rule.replace("_", " "), len(pool))


run(snakemake, work)
