"""Adapter of the rule `learn_conclude`."""

from pathlib import Path

from _adapter import run

from pesforge.cost import stored_seconds
from pesforge.dft.labelling import LABEL_PREFIX
from pesforge.fields import ID, LABEL_KEY
from pesforge.io import read_frames, read_json, write_json
from pesforge.learn_settings import Learn
from pesforge.learning.evidence import learn_evidence
from pesforge.learning.state import State, check_agreement


def work(job):
    params, learn = job.params, Learn.model_validate(job.params.learn)
    state, choices = State.of(read_json(job.input.state)), [read_json(path) for path in job.input.choices]
    check_agreement(state, learn.stop, learn.rounds, [len(choice["picks"]) for choice in choices])
    stored = stored_seconds(Path(params.store), params.store_code)
    evidence = learn_evidence(
        learn,
        state,
        choices,
        curve=read_json(job.input.curve),
        drafts=[read_json(path) for path in job.input.drafts],
        runs=[read_json(path) for path in job.input.runs],
        exam_runs=[read_json(path)["runs"] for path in job.input.exam_runs],
        exam=[frame.info[ID] for path in job.input.exam for frame in read_frames(path)],
        seconds={
            frame.info[ID]: stored[frame.info[LABEL_KEY].removeprefix(LABEL_PREFIX)]
            for path in [*job.input.picks, *job.input.control]
            for frame in read_frames(path)
        },
    )
    write_json(job.output.evidence, evidence)
    return evidence["why"]


run(snakemake, work)
