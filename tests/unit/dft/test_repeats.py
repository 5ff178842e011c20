"""Counts of failures and remedies from journals whose truth is known, and the limit on lost labels."""

import pytest
from ase import Atoms

from pesforge.dft.engines import ENGINE_MODULES, remedies
from pesforge.dft.failures import CRASH, KILLED, KINDS, SCF, TIMEOUT
from pesforge.dft.repeats import Labelled, check_failed_share, repeat_evidence
from pesforge.errors import DataError
from pesforge.fields import ID, LABEL_KEY


def event(key, kind, attempt=1, **more):
    return {"id": f"name-{key}", "key": key, "event": kind, "attempt": attempt, **more}


def failed(key, attempt, reason=SCF, seconds=10.0):
    return event(key, "failed", attempt, reason=reason, message=f"{reason} at {attempt}", seconds=seconds)


def frame(key):
    atoms = Atoms("H")
    atoms.info = {ID: f"name-{key}", "family": "thermal", LABEL_KEY: f"label-{key}"}
    return atoms


def record(key, reason):
    return {"id": f"name-{key}", "family": "strain", "key": key, "reason": reason, "message": "no", "attempts": 2}


EVENTS = [
    event("plain", "started"),
    event("plain", "finished"),
    event("second", "started"),
    failed("second", 1),
    event("second", "started", 2),
    event("second", "finished", 2),
    event("third", "started"),
    failed("third", 1),
    event("third", "started", 2),
    failed("third", 2, TIMEOUT, 100.0),
    event("third", "started", 3),
    event("third", "finished", 3),
    event("never", "started"),
    failed("never", 1, TIMEOUT, 100.0),
    event("never", "started", 2),
    failed("never", 2, TIMEOUT, 100.0),
    event("later", "started"),
    failed("later", 1, CRASH),
    event("later", "started", 2),
    failed("later", 2, CRASH),
    event("killed", "started"),
    # Here the run was killed and begun again.
    event("plain", "recalled"),
    event("later", "started"),
    event("later", "finished"),
    event("killed", "started"),
    event("killed", "finished"),
    event("other settings", "started"),
    failed("other settings", 1),
    {"event": "of an earlier version"},
]


def test_counts_by_kind_by_remedy_and_in_all():
    labelled = [Labelled.of(frame(key)) for key in ("plain", "second", "third", "later", "killed")]
    evidence = repeat_evidence(EVENTS, labelled, [record("never", TIMEOUT)], ["first", "next", "last"])
    assert {key: evidence[key] for key in ("requested", "failed_at_first", "cured", "failed", "interrupted")} == {
        "requested": 6,
        "failed_at_first": 4,
        "cured": 3,
        "failed": 1,
        "interrupted": 1,
    }
    assert evidence["seconds_lost"] == 10 + 110 + 200 + 20
    kinds = {row["kind"]: row for row in evidence["kinds"]}
    assert list(kinds) == list(KINDS)
    assert kinds[SCF]["cured_by_attempt"] == {"2": 1, "3": 1}
    assert kinds[SCF]["seconds_lost"] == 120
    assert (kinds[TIMEOUT]["failed_at_first"], kinds[TIMEOUT]["failed"]) == (1, 1)
    assert (kinds[CRASH]["cured_by_attempt"], kinds[CRASH]["failed"]) == ({"1": 1}, 0)
    assert [tuple(row.values()) for row in evidence["remedies"]] == [
        (1, "first", 4, 1),
        (2, "next", 3, 1),
        (3, "last", 0, 1),
    ]
    assert [(row["id"], row["labelled"], row["failed_attempts"]) for row in evidence["labels"]] == [
        ("name-never", False, 2),
        ("name-later", True, 2),
        ("name-second", True, 1),
        ("name-third", True, 2),
    ]


@pytest.mark.parametrize(("before", "finished"), [((), 1), ((failed("shot", 1),), 2)])
def test_what_was_killed_came_by_the_remedy_that_was_at_work(before, finished):
    events = [*before, failed("shot", finished, KILLED), event("shot", "finished", finished)]
    evidence = repeat_evidence(events, [Labelled.of(frame("shot"))], [], ["first", "next"])
    assert [row["cured_by"] for row in evidence["labels"]] == [finished]


def test_a_study_without_failures_counts_none():
    evidence = repeat_evidence(
        [event("plain", "started"), event("plain", "finished")], [Labelled.of(frame("plain"))], [], []
    )
    assert (evidence["failed_at_first"], evidence["labels"], evidence["remedies"]) == (0, [], [])


def test_journals_without_seconds_are_counted_with_none_lost():
    old = {key: value for key, value in failed("second", 1).items() if key != "seconds"}
    evidence = repeat_evidence([event("second", "started"), old], [], [record("second", SCF)], ["a"])
    assert (evidence["failed"], evidence["seconds_lost"]) == (1, 0.0)


def test_too_many_failures_are_refused_by_kind_and_with_the_way_out():
    failures = [record(str(number), SCF) for number in range(3)] + [record("x", TIMEOUT)]
    check_failed_share(20, failures, 0.2)
    check_failed_share(0, [], 0.0)
    with pytest.raises(DataError, match=r"4 of 19 reference calculations failed.*3 × scf .*1 × timeout.*--forcerun"):
        check_failed_share(19, failures, 0.2)
    with pytest.raises(DataError, match=r"1 of 9 .*First: name-x: no"):
        check_failed_share(9, failures[3:], 0.0)


@pytest.mark.parametrize("engine", ENGINE_MODULES)
def test_every_engine_tells_its_remedies_in_words(engine):
    words = remedies(engine)
    assert len(words) == len(set(words)) == 3
    assert all(word and "{" not in word for word in words)
