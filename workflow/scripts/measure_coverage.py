"""Adapter of the rule `measure_coverage`."""

from _adapter import run

from pesforge.coverage.cloud import Cloud
from pesforge.coverage.evidence import coverage_evidence
from pesforge.fields import ID
from pesforge.io import read_frames, write_json


def work(job):
    kept = {str(frame.info[ID]) for frame in read_frames(job.input.curated)}
    pool = [frame for path in job.input.pools for frame in read_frames(path)]
    evidence = coverage_evidence(Cloud.load(job.input.cloud), pool, kept)
    write_json(job.output.evidence, evidence)
    return f"{sum(row['bins'] for row in evidence['empty'])} bins empty"


run(snakemake, work)
