"""Adapter of the rule `learn_judge`."""

from _adapter import run
from _learn import basis_of, believed

from pesforge.errors import DataError
from pesforge.fields import FAMILY, ID
from pesforge.io import read_json, write_json
from pesforge.learn_settings import LEARNED, Stop
from pesforge.learning.choose import of_ids
from pesforge.learning.exam import examine
from pesforge.learning.state import State
from pesforge.representations.design import describe
from pesforge.settings import Crossvalidate


def work(job):
    number, stop = int(job.wildcards.round), Stop.model_validate(job.params.stop)
    state = State.of(read_json(job.input.state)) if job.input.state else State.begin(stop)
    if not state.stopped:
        state = state.after(*figures(job))
    write_json(job.output.state, state.plain())
    return f"round {number}: {'; '.join(state.rows[-1]['misses']) or 'every tolerance is met'}"


def figures(job):
    """Figures of the fit with the picks so far, and of that with the control in their place."""
    params, basis = job.params, basis_of(job.params.model)
    model, curate = Crossvalidate.model_validate(params.model["crossvalidate"]), params.model["curate"]
    exam, _ = believed(job.input.exam, curate)
    if not exam:
        raise DataError("no structure of the exam has a label that is believed: see the failures in `learn/exam`.")
    active, _ = believed(job.input.labels, curate)
    described = describe(exam, basis)
    found = examine(describe(active, basis), described, model)
    if not params.control:
        return found, None
    beside, _ = believed(job.input.control, curate)
    names = [name for path in job.input.choices for name in read_json(path)["control"]]
    first = [frame for frame in active if frame.info[FAMILY] != LEARNED]
    random = [*first, *of_ids([*active, *beside], names)]
    same = {frame.info[ID] for frame in random} == {frame.info[ID] for frame in active}
    return found, found if same else examine(describe(random, basis), described, model)


run(snakemake, work)
