"""Adapter of the rule `sample_family`."""

from _adapter import run

from pesforge.io import read_json, write_frames
from pesforge.sampling.families import FAMILIES
from pesforge.sampling.measured import Measured
from pesforge.structure import from_plain


def work(job):
    settings, sample = FAMILIES[job.wildcards.family]
    frames = sample(
        from_plain(job.params.parent),
        settings.model_validate(job.params.settings),
        Measured.of(read_json(job.input.stiffness)),
        job.params.seed,
    )
    write_frames(job.output.frames, frames)
    return f"{len(frames)} {job.wildcards.family} structures"


run(snakemake, work)
