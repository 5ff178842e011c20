"""Adapter of the rule `learn_judge`."""

from _adapter import run
from _learn import basis_of, believed

from pesforge.io import read_json, write_json
from pesforge.learn_settings import Stop
from pesforge.learning.exam import examine
from pesforge.learning.state import State
from pesforge.representations.design import describe
from pesforge.settings import Crossvalidate


def work(job):
    number, stop = int(job.wildcards.round), Stop.model_validate(job.params.stop)
    state = State.of(read_json(job.input.state)) if job.input.state else State.begin(stop)
    if not state.stopped:
        state = state.after(figures(job), read_json(job.input.sittings[-1])["missing"])
    write_json(job.output.state, state.plain())
    return f"round {number}: {'; '.join(state.rows[-1]['misses']) or 'every tolerance is met'}"


def figures(job):
    """Figures of the fit to all labels so far; None where the exam has no label that is believed."""
    params, basis = job.params, basis_of(job.params.model)
    curate = params.model["curate"]
    exam, _ = believed(job.input.exam, curate)
    if not exam:
        return None
    labels, _ = believed(job.input.labels, curate)
    model = Crossvalidate.model_validate(params.model["crossvalidate"])
    return examine(describe(labels, basis), describe(exam, basis), model)


run(snakemake, work)
