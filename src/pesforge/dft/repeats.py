"""What failed at first, what the remedies cured, and what it cost: the evidence on failed and repeated calculations."""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from ase import Atoms

from pesforge.dft.failures import KINDS, REPEATABLE
from pesforge.errors import DataError
from pesforge.fields import FAMILY, ID, LABEL_KEY

LABEL_KEY_PREFIX = "label-"
Event = dict[str, Any]


class Labelled(NamedTuple):
    """What counts here of a structure with a label: key of the label, name and family of the structure."""

    key: str
    id: str
    family: str

    @classmethod
    def of(cls, atoms: Atoms) -> Self:
        """That of a labelled structure."""
        key = str(atoms.info[LABEL_KEY]).removeprefix(LABEL_KEY_PREFIX)
        return cls(key, str(atoms.info[ID]), sys.intern(str(atoms.info.get(FAMILY, ""))))


@dataclass(slots=True)
class History:
    """What the journals tell of one label.

    Args:
        failed: events of its failed attempts, in their order.
        interrupted: attempts that neither ended nor failed: the run was killed, and began them again.
        cured_by: number of the attempt that gave the label; None if it was not computed after a failure.
        running: whether an attempt was begun and has not ended.
    """

    failed: list[Event] = field(default_factory=list)
    interrupted: int = 0
    cured_by: int | None = None
    running: bool = False

    def add(self, event: Event) -> None:
        """Go on with the next event of this label."""
        kind = event["event"]
        if kind == "started":
            self.interrupted += self.running
            self.running = True
            return
        if kind == "failed":
            self.failed.append(event)
        elif kind == "finished" and self.failed:
            # An attempt that is not later than the last one that a remedy followed is one again: in a later run, or
            # because it was killed.
            remedied = [failure["attempt"] for failure in self.failed if failure["reason"] not in REPEATABLE]
            self.cured_by = int(event["attempt"]) if event["attempt"] > max(remedied[-1:], default=0) else 1
        elif kind == "recalled":
            self.interrupted += self.running
        self.running = False


UNEVENTFUL = History()
"""The history of a label that came at the first attempt, and of one that was not begun."""


def histories(events: Iterable[Event], keys: Set[str]) -> dict[str, History]:
    """The history of each label of `keys` that did not come at the first attempt, by key.

    Args:
        events: events of the journals in their order.
        keys: keys of the labels that count; events of other settings are left out.
    """
    found: dict[str, History] = defaultdict(History)
    for event in events:
        key = str(event.get("key"))
        if key in keys:
            found[key].add(event)
            if found[key] == UNEVENTFUL:  # what most labels are: nothing of them is held
                del found[key]
    return dict(found)


def repeat_evidence(
    events: Iterable[Event], labelled: Sequence[Labelled], failures: Sequence[Event], remedies: Sequence[str]
) -> dict[str, Any]:
    """Evidence on failed and repeated calculations: counts per kind and per remedy, seconds lost, and each label.

    A label counts under the kind of its first failure. Failures of runs before are counted too, so a label may be cured
    by attempt 1: in a later run, or after a calculation that was killed.

    Args:
        events: events of the journals in their order.
        labelled: structures with labels.
        failures: records of the structures that failed for good, see `label_batch`.
        remedies: the engine's remedies in words, that of attempt 1 first.
    """
    structures = {label.key: label for label in labelled}
    lost = {failure["key"]: failure for failure in failures}
    known = histories(events, structures.keys() | lost.keys())
    rows = []
    for key, history in known.items():
        if not history.failed:
            continue
        label = structures.get(key)
        rows.append(
            {
                "id": str(lost[key]["id"]) if label is None else label.id,
                "family": str(lost[key]["family"]) if label is None else label.family,
                "kind": history.failed[0]["reason"],
                "failed_attempts": len(history.failed),
                "seconds_lost": _seconds(history.failed),
                "cured_by": history.cured_by if label is not None else None,
                "labelled": label is not None,
                "message": history.failed[-1]["message"],
            }
        )
    rows.sort(key=lambda row: (row["labelled"], row["kind"], row["id"]))
    return {
        "requested": len(labelled) + len(failures),
        "failed_at_first": len(rows),
        "cured": sum(row["labelled"] for row in rows),
        "failed": len(failures),
        "interrupted": sum(history.interrupted for history in known.values()),
        "seconds_lost": _seconds(event for history in known.values() for event in history.failed),
        "kinds": [_kind(kind, [row for row in rows if row["kind"] == kind]) for kind in KINDS],
        "remedies": _remedies(known.values(), rows, remedies),
        "labels": rows,
    }


def _kind(kind: str, rows: Sequence[Event]) -> dict[str, Any]:
    """Counts of one kind of failure."""
    cured = Counter(row["cured_by"] for row in rows if row["cured_by"] is not None)
    return {
        "kind": kind,
        "meaning": KINDS[kind],
        "failed_at_first": len(rows),
        "cured_by_attempt": {str(attempt): cured[attempt] for attempt in sorted(cured)},
        "failed": sum(not row["labelled"] for row in rows),
        "seconds_lost": sum(row["seconds_lost"] for row in rows),
    }


def _remedies(known: Iterable[History], rows: Sequence[Event], remedies: Sequence[str]) -> list[dict[str, Any]]:
    """How often each attempt was made, failed, and cured a label that had failed before."""
    failed = Counter(event["attempt"] for history in known for event in history.failed)
    cured = Counter(row["cured_by"] for row in rows if row["cured_by"] is not None)
    return [
        {
            "attempt": attempt,
            "remedy": remedies[min(attempt, len(remedies)) - 1] if remedies else "",
            "failed": failed[attempt],
            "cured": cured[attempt],
        }
        for attempt in sorted({*failed, *cured})
    ]


def _seconds(events: Iterable[Event]) -> float:
    """Seconds of failed attempts; journals of earlier versions do not tell them, and count as nothing."""
    return round(sum(float(event.get("seconds", 0.0)) for event in events), 3)


def check_failed_share(requested: int, failures: Sequence[Event], largest: float) -> None:
    """Refuse a set of labels of which too many are missing: what is left is no sample of what was asked for.

    Args:
        requested: structures that were to be labelled.
        failures: records of those that failed.
        largest: largest share of them that is allowed.

    Raises:
        DataError: more failed.
    """
    if not requested or len(failures) <= largest * requested:
        return
    counts = Counter(failure["reason"] for failure in failures)
    kinds = "; ".join(f"{count} × {kind} ({KINDS[kind]})" for kind, count in counts.most_common())
    first = failures[0]
    raise DataError(
        f"{len(failures)} of {requested} reference calculations failed, more than `label.max_failed_fraction` "
        f"({largest:g}) allows: {kinds}. First: {first['id']}: {first['message']} Put the cause right and run with "
        "`--forcerun label_batch`, which computes the failed ones alone; or raise the limit, if their loss is harmless."
    )
