"""Adapter of the rule `gather_pool`."""

from collections import Counter

from _adapter import run

from pesforge.fields import FAMILY
from pesforge.io import read_frames, read_json, write_frames, write_json
from pesforge.sampling.strain import strain_evidence
from pesforge.sampling.thermal import displacement_evidence
from pesforge.structure import from_plain


def work(job):
    parent, measured = from_plain(job.params.parent), read_json(job.input.stiffness)
    frames = [frame for path in job.input.families for frame in read_frames(path)]
    stiffness = measured["stiffness_ev_per_ang2"]
    write_frames(job.output.pool, frames)
    write_json(
        job.output.evidence,
        {
            "stiffness_ev_per_ang2": stiffness,
            "families": Counter(frame.info[FAMILY] for frame in frames),
            "thermal": displacement_evidence(parent, frames, stiffness),
            "strain": strain_evidence(frames),
        },
    )
    return f"{len(frames)} structures to label"


run(snakemake, work)
