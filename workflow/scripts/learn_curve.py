"""Adapter of the rule `learn_curve`."""

from _adapter import run
from _learn import basis_of, believed

from pesforge.fields import FAMILY, ID
from pesforge.io import read_json, write_json
from pesforge.learn_settings import LEARNED
from pesforge.learning.curve import learning_curve
from pesforge.learning.state import State
from pesforge.representations.design import describe
from pesforge.settings import Crossvalidate


def work(job):
    params, basis, curate = job.params, basis_of(job.params.model), job.params.model["curate"]
    ended = len(State.of(read_json(job.input.state)).rows) - 1
    choices = [read_json(path) for path in job.input.choices][:ended]
    exam, _ = believed(job.input.exam, curate)
    curve = []
    if exam:
        labels, _ = believed([*job.input.labels, *job.input.control], curate)
        curve = learning_curve(
            describe(labels, basis),
            describe(exam, basis),
            [frame.info[ID] for frame in labels if frame.info[FAMILY] != LEARNED],
            [[pick["id"] for pick in choice["picks"]] for choice in choices],
            [[choice["control"][draw] for choice in choices] for draw in range(params.controls)],
            Crossvalidate.model_validate(params.model["crossvalidate"]),
        )
    write_json(job.output.curve, curve)
    return f"{len(curve)} exams of the choice and {params.controls} random draws, {len(exam)} structures each"


run(snakemake, work)
