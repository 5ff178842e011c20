"""Adapter of the rule `filter_labels`."""

from _adapter import run
from _frames import Counted

from pesforge.curation.filters import Sieve
from pesforge.errors import DataError
from pesforge.io import iter_frames, write_frames, write_json
from pesforge.settings import Curate


def work(job):
    sieve, kept = Sieve(Curate.model_validate(job.params.curate)), Counted()
    write_frames(job.output.frames, kept.through(sieve.kept(iter_frames(job.input.labels))))
    labels = kept.number + len(sieve.decisions)
    if not kept.number:
        raise DataError(f"no label of {labels} passed the filters of `curate`: loosen them, or see the failures.")
    write_json(job.output.decisions, [decision.to_dict() for decision in sieve.decisions])
    return f"{kept.number} of {labels} labels kept"


run(snakemake, work)
