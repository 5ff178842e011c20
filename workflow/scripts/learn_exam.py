"""Adapter of the rule `learn_exam`."""

from _adapter import run
from _learn import moved

from pesforge.io import write_frames, write_json
from pesforge.learning.choose import drawn
from pesforge.provenance import derive_seed


def work(job):
    made = moved(job, "exam", "exam")
    exam = drawn(made.frames, job.params.test, derive_seed(job.params.motion["seed"], "exam", "draw"))
    write_frames(job.output.pool, exam)
    write_json(job.output.runs, made.runs)
    return f"{len(exam)} structures to label, of {len(made.frames)} in {len(made.runs)} runs"


run(snakemake, work)
