"""Each kind of failure, provoked for real: what is tried again, what is left out, and that nothing finished is lost."""

import ctypes
import errno
import faulthandler
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from process_checks import gone

from pesforge.curation.filters import filter_labels
from pesforge.dft.engines import get_engine, remedies
from pesforge.dft.failures import CRASH, KILLED, MISSING_SETUP, NON_FINITE, SCF, TIMEOUT, TOO_CLOSE
from pesforge.dft.gpaw_engine import GpawEngine
from pesforge.dft.isolation import OwnProcess
from pesforge.dft.label import Label
from pesforge.dft.labelling import label_batch, read_journals
from pesforge.dft.repeats import Labelled, repeat_evidence
from pesforge.dft.settings import ReferenceSettings
from pesforge.dft.store import LabelStore
from pesforge.errors import LabelError, StorageError
from pesforge.fields import ID
from pesforge.settings import Curate, Dft

SETTINGS = ReferenceSettings("gpaw", "PBE", False, 0.0, 120.0, 0.9, 1e-4, 0.1)
STEPS_TOO_FEW = 5
"""Attempt 1 needs 7 on aluminium, attempt 2 with its other mixing 8 and may take 10."""
HELPERS = Path(__file__).parents[2] / "helpers"


class Emt(GpawEngine):
    """EMT under the name of an engine, with the fault that a structure asks for."""

    def calculate(self, atoms, settings, mesh, attempt):
        fault = atoms.info.get("fault")
        if fault == "segfault":
            faulthandler.disable()
            ctypes.string_at(0)
        if fault == "eigenvalues":
            np.linalg.eigh(np.random.default_rng(0).normal(size=(6000, 6000)))
        if fault is not None and fault.startswith("killed") and attempt == 1:
            mark = Path(fault.removeprefix("killed "))
            times = len(mark.read_text()) if mark.exists() else 0
            if times < atoms.info["kills"]:
                mark.write_text("." * (times + 1))
                os.kill(os.getpid(), signal.SIGKILL)
        if fault == "wait":
            time.sleep(60)
        work = Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        work.calc = EMT()
        energy = np.inf if fault == "infinite" else work.get_potential_energy()
        return Label(energy + 0.01 * (attempt - 1), work.get_forces(), work.get_stress(), seconds=0.1)


def named(atoms: Atoms, name: str, **info) -> Atoms:
    atoms.info = {ID: name, "family": "thermal", "group": name, **info}
    return atoms


def silicon(name: str, shift=(0.05, -0.03, 0.02)) -> Atoms:
    atoms = bulk("Si", a=5.47)
    atoms.positions[1] += shift
    return named(atoms, name)


def copper(name: str, **info) -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.positions[0, 0] += 0.1 + 0.01 * (sum(map(ord, name)) % 97)
    return named(atoms, name, **info)


def batch(frames, folder: Path, engine, **changes):
    options = {"settings": SETTINGS, "max_attempts": 2, "timeout_s": 600.0} | changes
    store = LabelStore(folder / "store", "code")
    return label_batch(frames, engine=engine, store=store, journal_path=folder / "journal/0.jsonl", **options)


def test_what_gpaw_cannot_do_is_tried_again_where_that_helps_and_counted(tmp_path):
    """Too few SCF steps at first: attempt 2 with its remedy brings the label; 0 Å and an unknown element never do."""
    engine = OwnProcess(GpawEngine(max_iterations=STEPS_TOO_FEW), module="gpaw")
    frames = [
        named(bulk("Al"), "cured"),
        silicon("touching", -np.array([1.0, 1.0, 1.0]) * 5.47 / 4),
        named(Atoms("Po", cell=[3.4] * 3, pbc=True), "polonium"),
    ]
    labelled, failures = batch(frames, tmp_path, engine)
    assert [atoms.info[ID] for atoms in labelled] == ["cured"]
    assert {item["id"]: (item["reason"], item["attempts"]) for item in failures} == {
        "touching": (TOO_CLOSE, 1),
        "polonium": (MISSING_SETUP, 1),
    }
    evidence = repeat_evidence(
        read_journals(tmp_path / "journal"), [*map(Labelled.of, labelled)], failures, remedies("gpaw")
    )
    assert (evidence["failed_at_first"], evidence["cured"], evidence["failed"]) == (3, 1, 2)
    (scf,) = [kind for kind in evidence["kinds"] if kind["kind"] == SCF]
    assert scf["cured_by_attempt"] == {"2": 1}
    assert scf["seconds_lost"] > 0.1
    assert [row["remedy"].split(",")[0] for row in evidence["remedies"]] == ["mixer name msr1", "mixer name pulay"]
    plain = GpawEngine().calculate(frames[0], SETTINGS, SETTINGS.mesh_of(frames[0]), 1)
    assert labelled[0].get_potential_energy() == pytest.approx(plain.energy, abs=1e-3)


def test_a_label_of_atoms_at_an_impossible_distance_is_there_and_never_trains(tmp_path):
    """GPAW converges happily at 0.8 Å. Distance and force each tell."""
    direction = np.ones(3) / np.sqrt(3)
    frames = [silicon("good"), silicon("near", direction * 0.8 - np.ones(3) * 5.47 / 4)]
    assert frames[1].get_distance(0, 1) == pytest.approx(0.8)
    labelled, failures = batch(frames, tmp_path, get_engine(Dft()))
    assert failures == []
    assert np.abs(labelled[1].get_forces()).max() > 30
    for limits, name in ((Curate(), "too_short"), (Curate(min_distance_factor=0.1), "absurd_forces")):
        kept, decisions = filter_labels(labelled, limits)
        assert [atoms.info[ID] for atoms in kept] == ["good"]
        assert [(decision.id, decision.filter) for decision in decisions] == [("near", name)]


def children() -> list[int]:
    """Processes that this one has started and that are still there."""
    return [int(pid) for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()]


def test_a_calculation_that_is_killed_is_made_again_as_it_was(tmp_path):
    """A remedy would change the label by what its tolerance lets pass; one that is killed each time is given up."""
    engine = OwnProcess(Emt(), module="numpy")
    (calm,), _ = batch([copper("same")], tmp_path / "calm", engine)
    frames = [copper("same", fault=f"killed {tmp_path / 'mark'}", kills=1), copper("lost")]
    frames[1].info |= {"fault": f"killed {tmp_path / 'other'}", "kills": 9}
    labelled, failures = batch(frames, tmp_path, engine)
    (found,) = labelled
    assert found.get_potential_energy() == calm.get_potential_energy()
    assert [(item["id"], item["reason"], item["attempts"]) for item in failures] == [("lost", KILLED, 2)]
    assert "signal 9 (SIGKILL)" in failures[0]["message"]
    evidence = repeat_evidence(read_journals(tmp_path / "journal"), [Labelled.of(found)], failures, remedies("gpaw"))
    (killed,) = [kind for kind in evidence["kinds"] if kind["kind"] == KILLED]
    assert (killed["cured_by_attempt"], killed["failed"]) == ({"1": 1}, 1)


def test_crashes_and_endless_calls_in_compiled_code_fail_one_label_each(tmp_path):
    """A segmentation fault ends no batch; a call that knows no signals is stopped on time."""
    before = children()
    faults = {"good": None, "wild": "segfault", "endless": "eigenvalues", "infinite": "infinite", "last": None}
    frames = [copper(name, **({"fault": fault} if fault else {})) for name, fault in faults.items()]
    started = time.monotonic()
    engine = OwnProcess(Emt(), module="numpy")
    labelled, failures = batch(frames, tmp_path, engine, timeout_s=2.0, max_attempts=1)
    assert time.monotonic() - started < 20
    assert [atoms.info[ID] for atoms in labelled] == ["good", "last"]
    assert {item["id"]: item["reason"] for item in failures} == {
        "wild": CRASH,
        "endless": TIMEOUT,
        "infinite": NON_FINITE,
    }
    assert "signal 11 (SIGSEGV)" in failures[0]["message"]
    assert children() == before


BATCH = f"""
import sys
sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(HELPERS)!r}]
from test_failure_drill import *
root = Path(sys.argv[1])
frames = [copper(f"cu{{number}}") for number in range(8)]
"""


def program(code: str, *arguments, prefix=(), **options) -> subprocess.Popen:
    """A Python process that knows this module and eight structures of copper."""
    command = [*prefix, sys.executable, "-c", BATCH + code, *map(str, arguments)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, **options)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's signal at the parent's death")
def test_a_killed_worker_leaves_no_process_and_repeats_no_finished_label(tmp_path):
    code = "frames[2].info['fault'] = 'wait'; batch(frames[:4], root, OwnProcess(Emt(), module='numpy'))"
    worker = program(code, tmp_path)
    for _ in range(1200):
        if sum(event["event"] == "started" for event in read_journals(tmp_path / "journal")) == 3:
            break
        time.sleep(0.05)
    time.sleep(0.3)
    found = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    assert len(found) == 1, "the label is not computed in a process of its own"
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert gone(int(found[0]))
    worker.communicate()
    frames = [copper(f"cu{number}") for number in range(4)]
    labelled, failures = batch(frames, tmp_path, Emt())
    events = list(read_journals(tmp_path / "journal"))
    finished = [event["id"] for event in events if event["event"] == "finished"]
    assert finished == ["cu0", "cu1", "cu2", "cu3"]
    evidence = repeat_evidence(events, [*map(Labelled.of, labelled)], failures, [])
    assert (evidence["interrupted"], evidence["failed_at_first"]) == (1, 0)


DISK = """
import json
from pesforge.errors import StorageError
from pesforge.io import read_json, write_frames
disk = root / "disk"
def files(): return sorted(str(path.relative_to(disk)) for path in disk.rglob("*") if path.is_file())
def attempt(work):
    try:
        return work() and None
    except StorageError as error:
        return str(error)
filler = disk / "filler"
with filler.open("wb", buffering=0) as file:
    while disk_free(disk) > 5 * 4096:
        file.write(bytes(4096))
said = attempt(lambda: batch(frames, disk, Emt()))
journal = (disk / "journal/0.jsonl").read_text()
after = files()
whole = [read_json(path)["label"]["energy"] for path in disk.glob("store/*/*.json")]
filler.unlink()
labelled, failures = batch(frames, disk, Emt())
with filler.open("wb", buffering=0) as file:
    try:
        while True: file.write(bytes(4096))
    except OSError: pass
output = attempt(lambda: write_frames(disk / "0.extxyz", labelled))
there = (disk / "0.extxyz").exists()
filler.unlink()
write_frames(disk / "0.extxyz", labelled)
finished = [event["key"] for event in read_journals(disk / "journal") if event["event"] == "finished"]
print(json.dumps({"said": said, "journal": journal, "files": after, "whole": len(whole), "labelled": len(labelled),
    "failures": failures, "finished": finished, "output": output, "there": there, "end": files()}))
"""


def disk_free(path: Path) -> int:
    """Bytes that are free on the disk of a folder."""
    return shutil.disk_usage(path).free


def small_disk(folder: Path) -> list[str] | None:
    """A command prefix in whose world `folder` is a disk of 80 KiB, or None where the system allows no such thing."""
    rights = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    mount = f'mount -t tmpfs -o size=80k none "{folder}" && exec "$@"'
    prefix = ["unshare", *rights, "--mount", "sh", "-c", mount, "sh"]
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], capture_output=True).returncode:
        return None
    return prefix


def test_a_full_disk_tears_nothing_loses_no_label_and_is_told_in_one_line(tmp_path):
    (tmp_path / "disk").mkdir()
    prefix = small_disk(tmp_path / "disk")
    if prefix is None:
        pytest.skip("no right to mount a small disk")
    process = program(DISK, tmp_path, prefix=prefix)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    found = json.loads(out)
    assert "No space left on device" in found["said"]
    assert str(tmp_path / "disk") in found["said"]
    assert "\n" not in found["said"]
    assert 0 < found["whole"] < 8, "the disk was not full in the midst of the batch"
    assert all(json.loads(line) for line in found["journal"].splitlines())
    assert found["journal"].endswith("\n")
    assert [name for name in found["files"] if Path(name).name.startswith(".")] == []
    assert (found["labelled"], found["failures"]) == (8, [])
    assert len(found["finished"]) == len(set(found["finished"]))
    assert found["whole"] + len(found["finished"]) >= 8
    assert "0.extxyz: cannot be written (No space left on device)" in found["output"]
    assert not found["there"]
    assert "0.extxyz" in found["end"]
    assert [name for name in found["end"] if Path(name).name.startswith(".")] == []


LIMITED = """
import resource
from pesforge.errors import StorageError
from pesforge.dft.labelling import Journal
journal = Journal(root / "j.jsonl")
journal.append({"event": "first"})
resource.setrlimit(resource.RLIMIT_FSIZE, (60, resource.RLIM_INFINITY))
try:
    journal.append({"event": "second", "message": "x" * 100})
except StorageError as error:
    said = str(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append({"event": "third"})
print(said)
"""


def test_an_event_that_fits_the_journal_in_part_only_is_not_there_at_all(tmp_path):
    """A limit on the size of a file takes the first bytes of a line and refuses the rest, as a disk does."""
    process = program(LIMITED, tmp_path)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert f"{tmp_path}/j.jsonl: cannot be written (File too large)" in out
    assert [event["event"] for event in read_journals(tmp_path)] == ["first", "third"]


def test_a_full_scratch_disk_stops_the_batch_and_fails_no_label(tmp_path, espresso):
    """A program without room for its files has not failed; its label is computed when there is room."""
    (tmp_path / "disk").mkdir()
    prefix = small_disk(tmp_path / "disk")
    if prefix is None:
        pytest.skip("no right to mount a small disk")
    code = f"""
import tempfile
from pesforge.dft.pseudopotentials import reference_settings
from pesforge.errors import StorageError
tempfile.tempdir = str(root / "disk")
(root / "disk/filler").write_bytes(bytes(72 * 1024))
dft = Dft.model_validate({espresso.model_dump(mode="json") | {"command": ["sh", "-c", "yes > more; exit 3"]}!r})
settings = reference_settings(dft, cutoff_ev=400.0, k_spacing_per_ang=0.5, scf_tolerance=1e-4, smearing_ev=0.1)
try:
    batch([silicon("a")], root, get_engine(dft), settings=settings)
except StorageError as error:
    print(error)
"""
    process = program(code, tmp_path, prefix=prefix)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert f"{tmp_path}/disk/pesforge-espresso-" in out
    assert "cannot be written (No space left on device)" in out
    assert [event["event"] for event in read_journals(tmp_path / "journal")] == ["started"]


ADAPTER = """
from types import SimpleNamespace
sys.path.insert(0, sys.argv[2])
from _adapter import run
from pesforge.io import write_json
def work(job):
    print("a line of the log")
    Journal(Path("/dev/full")).append({"event": "x"})
from pesforge.dft.labelling import Journal
run(SimpleNamespace(log=["/dev/full"], rule="label_batch", resources=SimpleNamespace(mem_mb=1000)), work)
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's file that is always full")
def test_a_job_tells_of_a_full_disk_in_one_line_even_if_its_log_is_on_it(tmp_path):
    scripts = Path(__file__).parents[3] / "workflow/scripts"
    process = program(ADAPTER, tmp_path, scripts)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    said = "/dev/full: cannot be written (No space left on device). Make room and run again; what is finished is kept."
    assert err.strip() == f"pesforge: error in label_batch: {said}"
    assert out == ""


class Cramped(Emt):
    """An engine that finds no place for its folder."""

    def calculate(self, atoms, settings, mesh, attempt):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_engine_that_finds_no_place_for_its_folder_has_not_failed(tmp_path):
    with pytest.raises(StorageError, match="gpaw has no room for its files"):
        batch([copper("a")], tmp_path, Cramped())
    assert [event["event"] for event in read_journals(tmp_path / "journal")] == ["started"]


def test_an_engine_in_a_process_of_its_own_gives_the_same_numbers(tmp_path):
    frame = copper("a")
    outside, inside = OwnProcess(Emt(), module="numpy"), Emt()
    first, second = (engine.calculate(frame, SETTINGS, (1, 1, 1), 1) for engine in (outside, inside))
    assert first.energy == second.energy
    assert (first.forces == second.forces).all()
    with pytest.raises(LabelError, match="gpaw stopped with NotImplementedError") as caught:
        outside.calculate(bulk("Si"), SETTINGS, (1, 1, 1), 1)
    assert caught.value.reason == CRASH
