"""Adapter of the rule `filter_labels`."""

from _adapter import run

from pesforge.curation.filters import filter_labels
from pesforge.errors import DataError
from pesforge.io import read_frames, write_frames, write_json
from pesforge.settings import Curate


def work(job):
    labels = read_frames(job.input.labels)
    kept, decisions = filter_labels(labels, Curate.model_validate(job.params.curate))
    if not kept:
        raise DataError(f"no label of {len(labels)} passed the filters of `curate`: loosen them, or see the failures.")
    write_frames(job.output.frames, kept)
    write_json(job.output.decisions, [decision.to_dict() for decision in decisions])
    return f"{len(kept)} of {len(labels)} labels kept"


run(snakemake, work)
