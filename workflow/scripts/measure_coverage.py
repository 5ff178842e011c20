"""Adapter of the rule `measure_coverage`."""

from _adapter import run
from _frames import frames_of

from pesforge.coverage.cloud import Cloud
from pesforge.coverage.evidence import coverage_evidence
from pesforge.fields import ID
from pesforge.io import iter_frames, write_json


def work(job):
    kept = {str(frame.info[ID]) for frame in iter_frames(job.input.curated)}
    evidence = coverage_evidence(Cloud.load(job.input.cloud), frames_of(job.input.pools), kept)
    write_json(job.output.evidence, evidence)
    return f"{sum(row['bins'] for row in evidence['empty'])} bins empty"


run(snakemake, work)
