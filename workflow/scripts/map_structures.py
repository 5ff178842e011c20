"""Adapter of the rule `map_structures`."""

from _adapter import run

from pesforge.coverage.cloud import Cloud
from pesforge.coverage.map import map_evidence
from pesforge.io import read_frames, read_json, write_json


def work(job):
    frames = read_frames(job.input.frames)
    cloud, held_out = Cloud.load(job.input.cloud), read_json(job.input.held_out)
    write_json(job.output.evidence, map_evidence(cloud.bins.descriptors, frames, held_out["structures"]))
    return f"{len(frames)} structures"


run(snakemake, work)
