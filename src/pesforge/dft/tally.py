"""How many structures of a study have a label, told while many jobs write their journals."""

import time
from pathlib import Path
from typing import Any

from pesforge.dft.labelling import read_journals

DONE = ("finished", "recalled")
SHARE = 0.02
"""Largest share of its time that a job spends on reading the journals of the others."""


class Tally:
    """Counts the structures that have a label, those of other jobs as the journals tell.

    Each reading takes as long as the study has labels; it is done again only when the last one is long enough ago.

    Args:
        journals: folder of the journals of all batches.
    """

    def __init__(self, journals: Path) -> None:
        self.journals = journals
        self._read()

    def _read(self) -> None:
        started = time.monotonic()
        self.names = {event["id"] for event in read_journals(self.journals) if event["event"] in DONE}
        ended = time.monotonic()
        self._next = ended + (ended - started) / SHARE

    def add(self, event: dict[str, Any]) -> int:
        """Number of structures with a label after an event of this job."""
        if time.monotonic() >= self._next:
            self._read()
        if event["event"] in DONE:
            self.names.add(event["id"])
        return len(self.names)
