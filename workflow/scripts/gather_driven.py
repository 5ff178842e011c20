"""Adapter of the rule `gather_driven`."""

from collections import Counter

from _adapter import run

from pesforge.fields import FAMILY
from pesforge.io import read_frames, read_json, write_frames, write_json


def work(job):
    frames = [frame for path in job.input.frames for frame in read_frames(path)]
    write_frames(job.output.pool, frames)
    write_json(
        job.output.evidence,
        {
            "driver": job.params.driver,
            "draft": read_json(job.input.draft) if job.input.draft else None,
            "requested": job.params.counts,
            "families": Counter(frame.info[FAMILY] for frame in frames),
            "runs": [row for path in job.input.runs for row in read_json(path)],
        },
    )
    return f"{len(frames)} of {sum(job.params.counts.values())} driven structures to label"


run(snakemake, work)
