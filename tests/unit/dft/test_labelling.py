"""Store, journal and batches, with an engine that fails on demand."""

import json
import select
import subprocess
import sys
import time

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from pesforge.dft.failures import CRASH, NON_FINITE, SCF, TIMEOUT, TOO_CLOSE, time_limit
from pesforge.dft.label import Label
from pesforge.dft.labelling import Journal, attach, check_one_settings, label_batch
from pesforge.dft.settings import ReferenceSettings
from pesforge.dft.store import LabelStore, calculate_or_recall
from pesforge.errors import DataError, LabelError
from pesforge.fields import ID, LABEL_KEY, SETTINGS_HASH
from pesforge.io import read_frames, write_frames

SETTINGS = ReferenceSettings("toy", "PBE", False, 0.0, 250.0, 0.3, 1e-4, 0.0)


class ToyEngine:
    """EMT, with the failures that a structure asks for by the name it carries."""

    name = "toy"

    def __init__(self):
        self.calls = []

    def problems(self, dft, elements):
        return []

    def estimate_seconds(self, atoms, settings, mesh):
        return 0.0

    def calculate(self, atoms, settings, mesh, attempt):
        fault = atoms.info.get("fault", "")
        self.calls.append((atoms.info.get(ID), attempt))
        if fault == "kill":
            raise KeyboardInterrupt
        if fault == "scf_once" and attempt == 1:
            raise LabelError(SCF, "no")
        if fault in (SCF, TOO_CLOSE):
            raise LabelError(fault, "never")
        if fault == "bug":
            raise ZeroDivisionError("oops")
        if fault == "slow":
            while True:
                time.sleep(0.01)
        work = atoms.copy()
        work.calc = EMT()
        energy = np.nan if fault == "nan" else work.get_potential_energy()
        return Label(energy, work.get_forces(), work.get_stress(), seconds=1.5)


def frame(name, fault="", shift=0.0):
    atoms = bulk("Cu", cubic=True)
    atoms.positions[0, 0] += 0.1 + shift
    atoms.info = {ID: name, "family": "thermal", "group": name} | ({"fault": fault} if fault else {})
    return atoms


def batch(frames, tmp_path, engine, **more):
    store = LabelStore(tmp_path / "store", "code")
    options = {"max_attempts": 2, "timeout_s": 0.3} | more
    return label_batch(
        frames, settings=SETTINGS, engine=engine, store=store, journal_path=tmp_path / "a.jsonl", **options
    )


def test_store_gives_back_what_was_put_bit_for_bit(tmp_path):
    store = LabelStore(tmp_path, "code")
    rng = np.random.default_rng(0)
    label = Label(-1 / 3, rng.normal(size=(4, 3)), rng.normal(size=6), 12.3456789, 2)
    key = store.key(frame("a"), SETTINGS, (4, 4, 4))
    assert store.get(key) is None
    store.put(key, label, SETTINGS, (4, 4, 4))
    found = store.get(key)
    assert store.path(key).parent.name == key[:2]
    assert found.energy == label.energy
    assert (found.forces == label.forces).all()
    assert (found.stress == label.stress).all()
    assert (found.seconds, found.attempt) == (12.346, 2)
    molecule = Label(1.0, np.zeros((1, 3)), np.full(6, np.nan))
    store.put("ffff", molecule, SETTINGS, (1, 1, 1))
    assert np.isnan(store.get("ffff").stress).all()
    store.path(key).write_text('{"label": {}}')
    with pytest.raises(DataError, match="is not a label"):
        store.get(key)


def test_the_key_depends_on_structure_mesh_settings_and_code_and_on_nothing_else(tmp_path):
    store = LabelStore(tmp_path, "code")
    key = store.key(frame("a"), SETTINGS, (4, 4, 4))
    assert store.key(frame("b", shift=1e-10), SETTINGS, (4, 4, 4)) == key
    other = ReferenceSettings.from_dict(SETTINGS.to_dict() | {"cutoff_ev": 251.0})
    stretched, alloy = frame("a"), frame("a")
    stretched.cell[0, 0] += 1e-6
    alloy.symbols[1] = "Ag"
    keys = {
        key,
        store.key(frame("a", shift=1e-6), SETTINGS, (4, 4, 4)),
        store.key(stretched, SETTINGS, (4, 4, 4)),
        store.key(alloy, SETTINGS, (4, 4, 4)),
        store.key(frame("a"), SETTINGS, (4, 4, 3)),
        store.key(frame("a"), other, (4, 4, 4)),
        LabelStore(tmp_path, "other").key(frame("a"), SETTINGS, (4, 4, 4)),
    }
    assert len(keys) == 7


def test_failures_are_listed_by_reason_retried_where_that_helps_and_stop_nothing(tmp_path):
    engine = ToyEngine()
    faults = {
        "good": "",
        "cured": "scf_once",
        "never": SCF,
        "close": TOO_CLOSE,
        "bug": "bug",
        "nan": "nan",
        "t": "slow",
    }
    progress = []
    labelled, failures = batch(
        [frame(name, fault, 0.01 * number) for number, (name, fault) in enumerate(faults.items())],
        tmp_path,
        engine,
        on_progress=lambda done, total, event: progress.append((done, total, event["event"])),
    )
    assert [atoms.info[ID] for atoms in labelled] == ["good", "cured"]
    reasons = {item["id"]: (item["reason"], item["attempts"]) for item in failures}
    assert reasons == {
        "never": (SCF, 2),
        "close": (TOO_CLOSE, 1),
        "bug": (CRASH, 2),
        "nan": (NON_FINITE, 2),
        "t": (TIMEOUT, 2),
    }
    assert "ZeroDivisionError: oops" in next(item["message"] for item in failures if item["id"] == "bug")
    assert progress[0] == (1, 7, "finished")
    assert progress[-1] == (7, 7, "failed")
    assert len(list((tmp_path / "store").rglob("*.json"))) == 2
    lost = [event for event in Journal(tmp_path / "a.jsonl").events() if event["event"] == "failed"]
    assert len(lost) == 10
    assert all(event["seconds"] >= (0.3 if event["id"] == "t" else 0.0) for event in lost)


def test_a_killed_batch_recomputes_no_finished_label(tmp_path):
    engine = ToyEngine()
    frames = [frame("a"), frame("b", shift=0.1), frame("c", "kill", 0.2)]
    with pytest.raises(KeyboardInterrupt):
        batch(frames, tmp_path, engine)
    path = tmp_path / "a.jsonl"
    with path.open("a") as file:
        file.write('{"event": "finis')
    del frames[2].info["fault"]
    engine.calls.clear()
    labelled, failures = batch(frames, tmp_path, engine)
    assert engine.calls == [("c", 1)]
    assert len(labelled) == 3
    assert failures == []
    events = [json.loads(line)["event"] for line in path.read_text().splitlines()]
    assert events == ["started", "finished"] * 2 + ["started", "recalled", "recalled", "started", "finished"]


def test_a_journal_is_cut_after_its_last_whole_line(tmp_path):
    path = tmp_path / "j.jsonl"
    whole = '{"event": "started"}\n{"event": "finished", "id": "Å"}\n'
    for torn in ("", '{"event"', '{"event": "x"}', "\x00\x00\x00\n", '"Å'):
        path.write_text(whole + torn, encoding="utf-8")
        journal = Journal(path)
        assert path.read_text(encoding="utf-8") == whole
        journal.append({"event": "later"})
        assert [item["event"] for item in journal.events()] == ["started", "finished", "later"]
    path.write_bytes(whole.encode() + "Å".encode()[:1])
    assert len(Journal(path).events()) == 2


def test_labelled_frames_carry_label_and_settings_through_a_file(tmp_path):
    engine = ToyEngine()
    (labelled,), _ = batch([frame("a")], tmp_path, engine)
    write_frames(tmp_path / "x.extxyz", [labelled])
    (read,) = read_frames(tmp_path / "x.extxyz")
    reference = frame("a")
    reference.calc = EMT()
    assert read.get_potential_energy() == pytest.approx(reference.get_potential_energy(), abs=1e-7)
    assert np.abs(read.get_forces() - reference.get_forces()).max() < 1e-7
    assert np.abs(read.get_stress() - reference.get_stress()).max() < 1e-7
    assert read.info[SETTINGS_HASH] == SETTINGS.hash
    assert read.info[LABEL_KEY].startswith("label-")


def test_labels_of_different_settings_are_never_mixed():
    label = Label(0.0, np.zeros((4, 3)), np.zeros(6))
    other = ReferenceSettings.from_dict(SETTINGS.to_dict() | {"cutoff_ev": 300.0})
    one, two = attach(frame("a"), label, SETTINGS.hash, "1"), attach(frame("b"), label, other.hash, "2")
    assert check_one_settings([one, one]) == SETTINGS.hash
    with pytest.raises(DataError, match="are mixed"):
        check_one_settings([one, two])
    with pytest.raises(DataError, match="no settings hash"):
        check_one_settings([one, frame("c")])
    with pytest.raises(DataError, match="no label"):
        check_one_settings([])


def test_recall_asks_the_engine_once(tmp_path):
    engine, store = ToyEngine(), LabelStore(tmp_path, "code")
    options = {"settings": SETTINGS, "engine": engine, "store": store, "max_attempts": 1, "timeout_s": 10}
    first = calculate_or_recall(frame("a"), **options)
    second = calculate_or_recall(frame("b"), **options)
    assert engine.calls == [("a", 1)]
    assert first.energy == second.energy


def test_the_time_limit_interrupts_and_leaves_no_alarm_behind():
    with pytest.raises(LabelError) as caught, time_limit(0.05):
        time.sleep(5)
    assert caught.value.reason == TIMEOUT
    with time_limit(0.05):
        pass
    time.sleep(0.1)


def test_a_label_is_claimed_by_one_process_and_given_up_when_that_process_is_killed(tmp_path):
    key = "0123456789abcdef" * 2
    program = (
        "import sys, time; from pathlib import Path; from pesforge.dft.store import LabelStore\n"
        "with LabelStore(Path(sys.argv[1]), 'code').claim(sys.argv[2]):\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(tmp_path), key], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    waiter = subprocess.Popen([sys.executable, "-c", program, str(tmp_path), key], stdout=subprocess.PIPE, text=True)
    other = LabelStore(tmp_path, "code")
    with other.claim("f" * 32):
        pass
    time.sleep(1.5)
    assert waiter.stdout is not None
    assert not select.select([waiter.stdout], [], [], 0)[0], "two processes hold the same label"
    holder.kill()
    assert waiter.stdout.readline() == "held\n"
    waiter.kill()
    for process in (holder, waiter):
        process.communicate()


def test_what_tells_of_work_done_goes_through_to_the_disk(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr("os.fsync", lambda handle: flushed.append(handle))
    journal = Journal(tmp_path / "journal.jsonl")
    for kind in ("started", "failed", "started", "finished", "recalled"):
        before = len(flushed)
        journal.append({"event": kind})
        assert len(flushed) - before == (kind in ("failed", "finished"))
    assert [event["event"] for event in journal.events()][-1] == "recalled"
    LabelStore(tmp_path / "store", "code").put("a" * 32, Label(0.0, np.zeros((1, 3)), np.zeros(6)), SETTINGS, (1, 1, 1))
    assert len(flushed) == 3
