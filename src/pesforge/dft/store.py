"""The label store: a label once computed is never computed again."""

import fcntl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.dft.engines import Engine
from pesforge.dft.failures import CRASH, NON_FINITE, REMEDIABLE, REPEATABLE, time_limit
from pesforge.dft.label import Label
from pesforge.dft.settings import Mesh, ReferenceSettings
from pesforge.errors import DataError, LabelError, PesforgeError, StorageError
from pesforge.io import no_room, read_json, write_json, writing
from pesforge.provenance import digest

LOCK_FILE = "locks"
LOCK_DIGITS = 15
"""Hexadecimal digits of a key that place its lock; 60 bits fit into a file offset."""
POSITION_DECIMALS = 8
CELL_DECIMALS = 10
OnEvent = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class LabelStore:
    """One JSON file per label below `root`, named by what decides the label.

    Args:
        root: folder of the store.
        code: fingerprint of the code that computes labels; other code never finds these labels.
    """

    root: Path
    code: str

    @property
    def journals(self) -> Path:
        """Folder of the journals of jobs that label no batch, `<rule>.jsonl` or `<rule>.<wildcards>.jsonl`."""
        return self.root / "journals"

    def key(self, atoms: Atoms, settings: ReferenceSettings, mesh: Mesh) -> str:
        """Name of a label: digest of the structure, the k-point mesh, the settings and the code."""
        return digest(
            {
                "symbols": list(atoms.symbols),
                "positions": np.round(atoms.positions, POSITION_DECIMALS) + 0.0,
                "cell": np.round(atoms.cell.array, CELL_DECIMALS) + 0.0,
                "pbc": [bool(periodic) for periodic in atoms.pbc],
                "mesh": list(mesh),
                "settings": settings.to_dict(),
                "code": self.code,
            },
            32,
        )

    def path(self, key: str) -> Path:
        """File of a label."""
        return self.root / key[:2] / f"{key}.json"

    def get(self, key: str) -> Label | None:
        """The label of a key, or None when it was not computed yet.

        Raises:
            DataError: the file is there but not readable.
        """
        path = self.path(key)
        if not path.is_file():
            return None
        plain = read_json(path)
        try:
            return Label.from_dict(plain["label"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: is not a label ({error!r}). Delete the file and run again.") from error

    @contextmanager
    def claim(self, key: str) -> Iterator[None]:
        """Hold the right to compute a label; a second process that wants the same label waits here.

        The lock is one byte of one file, at a place that follows from the key. The system gives it up when its process
        ends in any way, so that a killed run leaves nothing behind.
        """
        with writing(self.root / LOCK_FILE):
            self.root.mkdir(parents=True, exist_ok=True)
            opened = (self.root / LOCK_FILE).open("a+b")
        with opened as file:
            fcntl.lockf(file, fcntl.LOCK_EX, 1, int(key[:LOCK_DIGITS], 16))
            yield

    def put(self, key: str, label: Label, settings: ReferenceSettings, mesh: Mesh) -> None:
        """Write a label; the file appears whole or not at all.

        Raises:
            StorageError: the disk is full.
        """
        record = {"label": label.to_dict(), "settings": settings.to_dict(), "mesh": list(mesh), "code": self.code}
        write_json(self.path(key), record)


def calculate_or_recall(
    atoms: Atoms,
    *,
    settings: ReferenceSettings,
    engine: Engine,
    store: LabelStore,
    max_attempts: int,
    timeout_s: float,
    mesh: Mesh | None = None,
    on_event: OnEvent | None = None,
) -> Label:
    """The label of a structure, from the store where it is there, otherwise computed and stored.

    A failure that a remedy may cure is tried again with the next one, and a calculation that was killed as it was, up
    to `max_attempts` calculations in all. Failures are never stored.

    Args:
        atoms: structure; its `reference_cell` decides the mesh unless `mesh` is given.
        settings: reference settings.
        engine: code that computes labels.
        store: store of labels.
        max_attempts: calculations in all.
        timeout_s: longest time of one attempt in s.
        mesh: Γ-centred k-points.
        on_event: called with a dict at `recalled`, `started`, `finished` and `failed`, which says the seconds lost.

    Raises:
        LabelError: the last attempt failed, or no remedy exists.
        DataError: the store holds an unreadable file.
        StorageError: there is no room for the label or for the files of the engine; a full disk fails no label.
    """
    tell = on_event or (lambda event: None)
    mesh = settings.mesh_of(atoms) if mesh is None else mesh
    key = store.key(atoms, settings, mesh)
    with store.claim(key):
        found = store.get(key)
        if found is not None:
            tell({"event": "recalled", "key": key})
            return found
        attempt = 1
        for left in reversed(range(max_attempts)):
            tell({"event": "started", "key": key, "attempt": attempt})
            started = time.perf_counter()
            try:
                with time_limit(timeout_s):
                    label = _calculate(atoms, settings, mesh, engine, attempt)
            except LabelError as error:
                lost = round(time.perf_counter() - started, 3)
                failed = {"event": "failed", "key": key, "attempt": attempt, "seconds": lost}
                tell(failed | {"reason": error.reason, "message": str(error)})
                if not left or error.reason not in REMEDIABLE | REPEATABLE:
                    raise
                attempt += error.reason in REMEDIABLE
            else:
                store.put(key, label, settings, mesh)
                tell({"event": "finished", "key": key, "attempt": attempt, "seconds": round(label.seconds, 3)})
                return label
    raise AssertionError("unreachable: the last attempt returns or raises")


def _calculate(atoms: Atoms, settings: ReferenceSettings, mesh: Mesh, engine: Engine, attempt: int) -> Label:
    """A label with finite numbers; whatever goes wrong becomes a LabelError."""
    try:
        label = engine.calculate(atoms, settings, mesh, attempt)
    except PesforgeError:
        raise
    except Exception as error:
        if no_room(error):
            place = tempfile.gettempdir()
            raise StorageError(
                f"{place}: {engine.name} has no room for its files ({error}). Make room there."
            ) from error
        raise LabelError(CRASH, f"{engine.name} stopped with {type(error).__name__}: {error}") from error
    numbers = [label.energy, *label.forces.ravel(), *(label.stress if atoms.pbc.all() else ())]
    if label.forces.shape != (len(atoms), 3) or not np.isfinite(numbers).all():
        raise LabelError(NON_FINITE, f"{engine.name} returned an energy, force or stress that is not finite.")
    return replace(label, attempt=attempt)
