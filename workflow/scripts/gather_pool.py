"""Adapter of the rule `gather_pool`."""

from collections import Counter

from _adapter import run

from pesforge.fields import FAMILY
from pesforge.io import read_frames, read_json, write_frames, write_json
from pesforge.sampling import phonon
from pesforge.sampling.measured import Measured
from pesforge.sampling.strain import strain_evidence
from pesforge.sampling.thermal import displacement_evidence
from pesforge.structure import from_plain


def work(job):
    parent, measured = from_plain(job.params.parent), Measured.of(read_json(job.input.stiffness))
    frames = [frame for path in job.input.families for frame in read_frames(path)]
    write_frames(job.output.pool, frames)
    write_json(
        job.output.evidence,
        {
            "stiffness_ev_per_ang2": measured.stiffness,
            "families": Counter(frame.info[FAMILY] for frame in frames),
            "thermal": displacement_evidence(parent, frames, measured.stiffness),
            "phonon": phonon.displacement_evidence(parent, frames, measured, job.params.statistics),
            "strain": strain_evidence(frames),
        },
    )
    return f"{len(frames)} structures to label"


run(snakemake, work)
