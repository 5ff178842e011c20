"""Adapter of the rule `fill_gaps`."""

from _adapter import run

from pesforge.coverage.cloud import Cloud
from pesforge.coverage.gaps import fill_gaps
from pesforge.family_settings import Gaps
from pesforge.io import read_frames, read_json, write_frames
from pesforge.sampling.candidates import CandidateRange
from pesforge.sampling.measured import Measured
from pesforge.structure import from_plain


def work(job):
    frames = fill_gaps(
        from_plain(job.params.parent),
        Cloud.load(job.input.cloud),
        [frame for path in job.input.others for frame in read_frames(path)],
        Gaps.model_validate(job.params.gaps),
        CandidateRange.model_validate(job.params.ranges),
        Measured.of(read_json(job.input.stiffness)),
        job.params.seed,
    )
    write_frames(job.output.frames, frames)
    return f"{len(frames)} structures for gaps of coverage"


run(snakemake, work)
