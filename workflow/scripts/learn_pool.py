"""Adapter of the rule `learn_pool`."""

from _adapter import run
from _learn import moved, stopped

from pesforge.io import write_frames, write_json
from pesforge.learn_settings import LEARNED
from pesforge.sampling.drive import DrivenFrames


def work(job):
    number, over = job.wildcards.round, stopped(job.input.state)
    made = DrivenFrames([], []) if over else moved(job, LEARNED, f"{LEARNED}-{number}", edges=True)
    write_frames(job.output.pool, made.frames)
    write_json(job.output.runs, made.runs)
    if over:
        return f"round {number}: the rounds have stopped"
    ended = sum(row["stopped"] is not None for row in made.runs)
    return f"round {number}: {len(made.frames)} candidates, {ended} of {len(made.runs)} runs stopped"


run(snakemake, work)
