"""What the adapters share that label a batch: the batch of a job, with its journal, its store and its progress."""

from pathlib import Path

from _reference import settings_of

from pesforge.dft.engines import get_engine
from pesforge.dft.labelling import label_batch
from pesforge.dft.store import LabelStore
from pesforge.dft.tally import Tally
from pesforge.io import write_frames, write_json
from pesforge.progress import Progress
from pesforge.settings import Dft


def place(batch, size):
    """Numbers of the first structure of a batch, and of the first one behind it."""
    return batch * size, (batch + 1) * size


def label(job, frames, stage, total):
    """Label the structures of a batch, and write its labels and failures.

    Progress counts the structures of all batches that have a label, by the journals, which also hold those that the
    study no longer asks for: `stage` is its first word, `total` how many there will be.
    """
    params, dft, journals = job.params, Dft.model_validate(job.params.dft), Path(job.params.journals)
    progress, tally = Progress(stage, total), Tally(journals)
    progress.begin_at(min(total, len(tally.names)))
    labelled, failures = label_batch(
        frames,
        settings=settings_of(job),
        engine=get_engine(dft),
        store=LabelStore(Path(params.store), params.store_code),
        journal_path=journals / f"{job.wildcards.batch}.jsonl",
        max_attempts=dft.max_attempts,
        timeout_s=dft.timeout_s,
        on_progress=lambda _done, _total, event: progress.update(
            min(total, tally.add(event)), f"({event['id']} {event['event']})"
        ),
    )
    write_frames(job.output.labels, labelled)
    write_json(job.output.failures, failures)
