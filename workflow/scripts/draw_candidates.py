"""Adapter of the rule `draw_candidates`."""

from _adapter import run

from pesforge.coverage.cloud import draw_cloud
from pesforge.io import read_json
from pesforge.sampling.candidates import CandidateRange
from pesforge.sampling.measured import Measured
from pesforge.structure import from_plain


def work(job):
    cloud = draw_cloud(
        from_plain(job.params.parent),
        CandidateRange.model_validate(job.params.ranges),
        Measured.of(read_json(job.input.stiffness)),
        job.params.seed,
        cutoff_ang=job.params.cutoff_ang,
        min_distance_factor=job.params.min_distance_factor,
    )
    cloud.save(job.output.cloud)
    return f"{cloud.believed.sum()} of {len(cloud.believed)} candidates reach {cloud.reached.sum()} bins"


run(snakemake, work)
