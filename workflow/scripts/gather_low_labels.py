"""Adapter of the rule `gather_low_labels`."""

from _adapter import run

from pesforge.dft.labelling import check_one_settings
from pesforge.io import read_frames, read_json, write_frames, write_json


def work(job):
    frames = [frame for path in job.input.labels for frame in read_frames(path)]
    failures = [failure for path in job.input.failures for failure in read_json(path)]
    check_one_settings(frames)
    write_frames(job.output.labels, frames)
    write_json(job.output.failures, failures)
    return f"{len(frames)} labels of the low level, {len(failures)} failed"


run(snakemake, work)
