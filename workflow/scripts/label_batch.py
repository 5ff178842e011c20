"""Adapter of the rule `label_batch`."""

import os
from pathlib import Path

from _adapter import run, settings_of

from pesforge.dft.engines import get_engine
from pesforge.dft.labelling import label_batch, read_journals
from pesforge.dft.store import LabelStore
from pesforge.io import read_frames, write_frames, write_json
from pesforge.progress import Progress
from pesforge.settings import Dft


def finished(journals):
    """Structures of all batches that have a label, by the journals."""
    return len({event["id"] for event in read_journals(journals) if event["event"] in ("finished", "recalled")})


def work(job):
    dft, params = Dft.model_validate(job.params.dft), job.params
    start = (int(job.wildcards.batch) - params.first_batch) * params.batch_size
    frames = read_frames(job.input.pool)[start : start + params.batch_size]
    journals = Path(params.journals)
    progress = Progress("label", int(os.environ["PESFORGE_LABELS"]))
    progress.begin_at(finished(journals))
    labelled, failures = label_batch(
        frames,
        settings=settings_of(job),
        engine=get_engine(dft),
        store=LabelStore(Path(params.store), params.store_code),
        journal_path=journals / f"{job.wildcards.batch}.jsonl",
        max_attempts=dft.max_attempts,
        timeout_s=dft.timeout_s,
        on_progress=lambda done, total, event: progress.update(finished(journals), f"({event['id']} {event['event']})"),
    )
    write_frames(job.output.labels, labelled)
    write_json(job.output.failures, failures)


run(snakemake, work)
