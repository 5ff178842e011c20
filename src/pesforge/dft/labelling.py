"""Batches of labels with a journal: a killed batch goes on where it stopped, a failing structure stops nothing."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge.dft.engines import Engine
from pesforge.dft.label import Label
from pesforge.dft.settings import ReferenceSettings
from pesforge.dft.store import LabelStore, calculate_or_recall
from pesforge.errors import DataError, LabelError
from pesforge.fields import FAMILY, GROUP, ID, LABEL_KEY, SETTINGS_HASH
from pesforge.io import writing

LABEL_PREFIX = "label-"
"""Before the key of a label in files of structures, so that no reader takes it for a number."""
PASSING = frozenset({"started", "recalled"})
"""Events that tell of no work done: the next one takes them to the disk. A killed process loses none of them; a machine
that stops may forget that a calculation was begun, which is then begun again in any case."""
OnProgress = Callable[[int, int, dict[str, Any]], None]


class Journal:
    """An append-only file of JSON lines that survives a kill at any moment.

    Opening it cuts off a torn last line. It is not an output of the workflow, which deletes outputs of killed jobs.

    Args:
        path: file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            _truncate_torn_line(path)

    def append(self, event: dict[str, Any]) -> None:
        """Write one event, whole or not at all, and through to the disk unless it is of `PASSING`.

        Raises:
            StorageError: the disk is full.
        """
        line = json.dumps(event, sort_keys=True).encode() + b"\n"
        with writing(self.path), self.path.open("ab", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            try:
                while line:
                    line = line[file.write(line) :]
                if event.get("event") not in PASSING:
                    os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):  # what stays is cut off when the journal is opened again
                    file.truncate(before)
                raise

    def events(self) -> list[dict[str, Any]]:
        """All events so far."""
        if not self.path.is_file():
            return []
        return [event for line in self.path.read_bytes().split(b"\n") if (event := _event(line)) is not None]


def read_journals(folder: Path, pattern: str = "*.jsonl") -> Iterator[dict[str, Any]]:
    """All events of the journals of a folder, also while others write them: a line that is not whole yet is left out.

    Args:
        folder: folder of journals; it need not exist.
        pattern: which of its files are read.
    """
    for path in sorted(folder.glob(pattern)):
        for line in path.read_bytes().split(b"\n"):
            if (event := _event(line)) is not None:
                yield event


def _event(line: bytes) -> dict[str, Any] | None:
    """The event of a line; None where it is not whole."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def _truncate_torn_line(path: Path) -> None:
    """Cut a journal after the last whole line that is JSON."""
    content = path.read_bytes()
    keep = 0
    for line in content.split(b"\n")[:-1]:
        if _event(line) is None:
            break
        keep += len(line) + 1
    if keep < len(content):
        with path.open("r+b") as file:
            file.truncate(keep)
            os.fsync(file.fileno())


def label_batch(
    frames: Sequence[Atoms],
    *,
    settings: ReferenceSettings,
    engine: Engine,
    store: LabelStore,
    journal_path: Path,
    max_attempts: int,
    timeout_s: float,
    on_progress: OnProgress | None = None,
) -> tuple[list[Atoms], list[dict[str, Any]]]:
    """Labelled copies of the structures that could be labelled, and one record per structure that could not.

    A structure that failed in an earlier run of the batch is tried again.

    Args:
        frames: structures; each carries an `id`.
        settings: reference settings, the same for all labels of a study.
        engine: code that computes labels.
        store: store of labels.
        journal_path: JSON-lines file with the events `recalled`, `started`, `finished` and `failed`.
        max_attempts: attempts per label.
        timeout_s: longest time of one attempt in s.
        on_progress: called after each structure with the number done, the number in all, and its last event.

    Returns:
        frames with energy (eV), forces (eV/Å), stress (eV/Å³), `settings_hash` and `label_key`; records with `id`,
        `family`, `group`, `key`, `reason`, `message` and `attempts`.
    """
    journal, settings_hash = Journal(journal_path), settings.hash
    labelled: list[Atoms] = []
    failures: list[dict[str, Any]] = []
    for number, atoms in enumerate(frames, start=1):
        name = str(atoms.info[ID])
        events: list[dict[str, Any]] = []

        def record(event: dict[str, Any], name: str = name, events: list[dict[str, Any]] = events) -> None:
            events.append({"id": name} | event)
            journal.append(events[-1])

        try:
            label = calculate_or_recall(
                atoms,
                settings=settings,
                engine=engine,
                store=store,
                max_attempts=max_attempts,
                timeout_s=timeout_s,
                on_event=record,
            )
            labelled.append(attach(atoms, label, settings_hash, events[-1]["key"]))
        except LabelError as error:
            failures.append(
                {
                    "id": name,
                    "family": str(atoms.info.get(FAMILY, "")),
                    "group": str(atoms.info.get(GROUP, "")),
                    "key": events[-1]["key"],
                    "reason": error.reason,
                    "message": str(error),
                    "attempts": sum(event["event"] == "failed" for event in events),
                }
            )
        if on_progress is not None:
            on_progress(number, len(frames), events[-1])
    return labelled, failures


def attach(atoms: Atoms, label: Label, settings_hash: str, key: str) -> Atoms:
    """A copy of the structure that carries the label and says which settings made it.

    Args:
        atoms: structure.
        label: its label.
        settings_hash: digest of its reference settings.
        key: key of the label in the store.
    """
    frame = atoms.copy()
    frame.info[SETTINGS_HASH] = settings_hash
    frame.info[LABEL_KEY] = f"{LABEL_PREFIX}{key}"
    stress = {"stress": label.stress} if np.isfinite(label.stress).all() else {}
    frame.calc = SinglePointCalculator(frame, energy=label.energy, forces=label.forces, **stress)
    return frame


class SettingsSeen:
    """The settings hashes of labels that come one after the other."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def add(self, atoms: Atoms) -> None:
        """Look at a label."""
        found = str(atoms.info.get(SETTINGS_HASH, "none"))
        self.counts[found] += 1
        self.first.setdefault(found, str(atoms.info.get(ID, "?")))

    def check(self) -> str:
        """The settings hash that all labels share.

        Raises:
            DataError: there is no label, a label does not say its settings, or labels of different settings are mixed.
        """
        return _one_hash(self.counts, self.first)


def check_one_settings(frames: Iterable[Atoms]) -> str:
    """The settings hash that all labels share; see `SettingsSeen.check`."""
    seen = SettingsSeen()
    for atoms in frames:
        seen.add(atoms)
    return seen.check()


def _one_hash(counts: Mapping[str, int], first: Mapping[str, str]) -> str:
    if not counts:
        raise DataError("there is no label; all reference calculations failed, see `failures` and the logs of `label`.")
    if "none" in counts:
        raise DataError(f"{counts['none']} structures carry no settings hash (first: {first['none']}).")
    if len(counts) > 1:
        found = "; ".join(f"{count} with {key} (first: {first[key]})" for key, count in sorted(counts.items()))
        raise DataError(
            f"labels of different reference settings are mixed: {found}. Their energies cannot be compared; label all "
            "structures again with one set of settings."
        )
    return next(iter(counts))
