"""What the adapters share that ask the reference code: its settings, and labels from the store or computed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pesforge.dft.engines import get_engine
from pesforge.dft.labelling import Journal
from pesforge.dft.pseudopotentials import settings_from_dict
from pesforge.dft.store import LabelStore, calculate_or_recall
from pesforge.io import read_json
from pesforge.settings import Dft


def calculator_of(job: Any) -> Callable[..., Any]:
    """A function (atoms, settings, mesh) → label: from the store where it is there, otherwise computed and stored.

    What was asked for, and what it took, goes into a journal of the job beside the store.
    """
    dft = Dft.model_validate(job.params.dft)
    engine, store = get_engine(dft), LabelStore(Path(job.params.store), job.params.store_code)
    journal = Journal(store.journals / f"{Path(job.log[0]).stem}.jsonl")

    def calculate(atoms: Any, settings: Any, mesh: Any = None) -> Any:
        return calculate_or_recall(
            atoms,
            settings=settings,
            engine=engine,
            store=store,
            max_attempts=dft.max_attempts,
            timeout_s=dft.timeout_s,
            mesh=mesh,
            on_event=journal.append,
        )

    return calculate


def settings_of(job: Any) -> Any:
    """The converged reference settings that the job has as an input."""
    return settings_from_dict(read_json(job.input.settings)["settings"])
