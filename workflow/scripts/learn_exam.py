"""Adapter of the rule `learn_exam`."""

from _adapter import run
from _learn import moved, stopped

from pesforge.io import read_json, write_frames, write_json
from pesforge.learn_settings import Pool
from pesforge.learning.exam import Sitting, shares, sit
from pesforge.provenance import derive_seed
from pesforge.sampling.drive import DrivenFrames
from pesforge.sampling.md import group_of

SERIES = "exam"


def work(job):
    motion, number = job.params.motion, job.wildcards.round
    pool = Pool.model_validate(motion["pool"])
    groups = [group_of(SERIES, kelvin, strain) for strain in pool.strains for kelvin in pool.temperatures_k]
    lacking = read_json(job.input.earlier[-1])["missing"] if job.input.earlier else groups
    made, added = DrivenFrames([], []), Sitting([], lacking)
    if lacking and not stopped(job.input.state):
        made = moved(job, SERIES, SERIES, [pool.supercell], without={*groups} - {*lacking})
        seed = derive_seed(motion["seed"], SERIES, "draw")
        added = sit(made.frames, made.runs, shares(groups, job.params.test), seed)
    write_frames(job.output.pool, added.frames)
    write_json(job.output.runs, {"runs": made.runs, "missing": added.missing})
    return f"round {number}: {len(added.frames)} structures to label, {len(added.missing)} runs stopped by the guard"


run(snakemake, work)
