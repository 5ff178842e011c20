"""The count of labels while other jobs write theirs."""

import json
import time

from pesforge.dft import tally
from pesforge.dft.tally import Tally


def write(folder, batch, *events):
    with (folder / f"{batch}.jsonl").open("a") as file:
        file.writelines(json.dumps({"event": event, "id": name}) + "\n" for name, event in events)


def test_structures_are_counted_once_those_of_other_jobs_too(tmp_path):
    write(tmp_path, "0000", ("a", "finished"), ("a", "recalled"), ("b", "started"), ("c", "failed"))
    count = Tally(tmp_path)
    assert count.names == {"a"}
    assert count.add({"event": "finished", "id": "d"}) == 2
    assert count.add({"event": "failed", "id": "e"}) == 2
    write(tmp_path, "0001", ("d", "finished"), ("f", "finished"))
    time.sleep(0.001 + (count._next - time.monotonic() if count._next > time.monotonic() else 0))
    assert count.add({"event": "recalled", "id": "a"}) == 3


def test_reading_the_journals_of_many_labels_takes_no_time_of_each(tmp_path, monkeypatch):
    readings = []

    def slow(folder):
        readings.append(folder)
        time.sleep(0.05)
        return iter([{"event": "finished", "id": "other"}])

    monkeypatch.setattr(tally, "read_journals", slow)
    count = Tally(tmp_path)
    assert [count.add({"event": "finished", "id": str(number)}) for number in range(1000)] == list(range(2, 1002))
    assert len(readings) == 1
