"""Kills and faults at random moments of the tiny study with rounds, which must end as an undisturbed run does.

    python benchmarks/chaos.py --trials 50 --store results/tiny/store

One undisturbed run gives what must come out. Then the study runs again and again from an empty folder, with most of its
labels in the store and some left out, so that real DFT is killed too. At a random moment comes a fault: SIGKILL of a
worker, of the master, of the launcher or of all, a full disk, or results that become read-only; then perhaps torn
outputs of unfinished jobs, torn journals, stray temporary files, and clocks that jump. The next `pesforge run` must go
on. A run that ends must have the evidence, labels and potential of the undisturbed one, every label computed once at
most, and none lost.

The full disk and the read-only results need root, for a small tmpfs and a mount.
"""

import argparse
import base64
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from pesforge.archive.verify import TIMED
from pesforge.dft.labelling import read_journals

REPOSITORY = Path(__file__).resolve().parents[1]
PARTS = ("Snakefile", "workflow", "config", "envs", "profiles", "pyproject.toml")
ROUNDS = """
learn:
  rounds: 2
  per_round: 2
  test: 4
  pool: {temperatures_k: [300.0, 600.0], strains: [0.0], count: 5, equilibration_ps: 0.2, max_ps: 4.0}
  stop: {energy_mae_mev_per_atom: 0.0001}
"""
RUN = [sys.executable, "-c", "from pesforge.cli import main; raise SystemExit(main())", "run", "tiny"]
RESULTS = "results/tiny"
BYTES = ("label/labels.extxyz", "potential/weights.safetensors", "potential/model.json")
DISK = "64m"
PATIENCE_S = 3600
DAY_S = 86400


@dataclass
class Storm:
    """A folder in which the study runs, and the dice.

    Args:
        root: the folder.
        rng: decides every moment and fault.
        killed: processes that were killed, by kind.
    """

    root: Path
    rng: random.Random
    killed: Counter[str] = field(default_factory=Counter)

    @property
    def results(self) -> Path:
        """Folder of the study."""
        return self.root / RESULTS

    def processes(self) -> list[psutil.Process]:
        """Every process that works in the folder."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if Path(process.cwd()) == self.root and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def start(self, log: Path) -> subprocess.Popen[bytes]:
        """Start a run, or go on with one."""
        threads = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        environment = {**os.environ, **threads, "PYTHONPATH": str(REPOSITORY / "src")}
        with log.open("ab") as out:
            return subprocess.Popen(RUN, cwd=self.root, env=environment, stdout=out, stderr=out, start_new_session=True)

    def kill(self, kind: str, chosen: list[psutil.Process]) -> bool:
        """SIGKILL to some processes; whether there was one."""
        some = False
        for process in chosen:
            with suppress(psutil.Error):
                process.kill()
                some = True
        self.killed[kind] += some
        return some

    def settle(self, seconds: float = PATIENCE_S) -> None:
        """Wait until nothing works in the folder any more."""
        deadline = time.monotonic() + seconds
        while self.processes():
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.root}: processes are alive after {seconds:g} s: {self.processes()}")
            time.sleep(0.2)


def is_job(process: psutil.Process) -> bool:
    """Whether a process is a job, or starts one."""
    with suppress(psutil.Error):
        words = process.cmdline()
        return any(".snakemake/scripts" in word for word in words) or "--target-jobs" in words
    return False


def is_script(process: psutil.Process) -> bool:
    """Whether a process is the script of a job."""
    with suppress(psutil.Error):
        return any(".snakemake/scripts" in word for word in process.cmdline())
    return False


def kill_worker(storm: Storm, run: subprocess.Popen[bytes]) -> bool:
    """One job dies; Snakemake sees it, lets the others end, and gives up."""
    scripts = [process for process in storm.processes() if is_script(process)]
    if not scripts or not storm.kill("worker", [storm.rng.choice(scripts)]):
        return False
    run.wait(PATIENCE_S)
    return True


def kill_master(storm: Storm, run: subprocess.Popen[bytes]) -> bool:
    """All but the jobs die; the jobs go on as orphans while the next run starts."""
    done = storm.kill("master", [process for process in storm.processes() if not is_job(process)])
    run.wait(PATIENCE_S)
    return done


def kill_launcher(storm: Storm, run: subprocess.Popen[bytes]) -> bool:
    """`pesforge run` alone dies; Snakemake still holds the folder, and is waited for."""
    done = storm.kill("launcher", [process for process in storm.processes() if process.pid == run.pid])
    run.wait(PATIENCE_S)
    storm.settle()
    return done


def kill_all(storm: Storm, run: subprocess.Popen[bytes]) -> bool:
    """As when the power fails."""
    done = storm.kill("everything", storm.processes())
    run.wait(PATIENCE_S)
    storm.settle(30)
    return done


def fill_disk(storm: Storm, run: subprocess.Popen[bytes]) -> bool:
    """No byte is left until the run gives up; what hangs then is killed."""
    filler = storm.root / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    try:
        give_up(storm, run, "full disk")
    finally:
        filler.unlink()
    return True


def lock_results(storm: Storm, run: subprocess.Popen[bytes]) -> bool:
    """Results can be read and not written until the run gives up."""
    if not storm.results.is_dir():
        return False
    for options in (["--bind", str(storm.results)], ["-o", "remount,bind,ro"]):
        subprocess.run(["mount", *options, str(storm.results)], check=True)
    try:
        give_up(storm, run, "read-only results")
    finally:
        subprocess.run(["umount", "--lazy", str(storm.results)], check=True)
    return True


def give_up(storm: Storm, run: subprocess.Popen[bytes], kind: str) -> None:
    """Wait for a run that cannot write any more; what hangs is killed."""
    with suppress(subprocess.TimeoutExpired):
        run.wait(60)
    storm.killed[kind] += 1
    for process in storm.processes():
        with suppress(psutil.Error):
            process.kill()
    run.wait(PATIENCE_S)
    storm.settle(30)


def unfinished(storm: Storm) -> list[Path]:
    """Outputs of jobs that did not end, as Snakemake has noted them."""
    found = []
    for marker in (storm.root / ".snakemake" / "incomplete").rglob("*"):
        if marker.is_file():
            name = str(marker.relative_to(storm.root / ".snakemake" / "incomplete")).replace("/", "")
            with suppress(ValueError, UnicodeDecodeError):
                found.append(storm.root / base64.b64decode(name, altchars=b"-_").decode())
    return found


def tear(storm: Storm) -> None:
    """Half-written files, as a file system leaves them: outputs of unfinished jobs, tails of journals, strays."""
    for path in unfinished(storm):
        if path.parent.is_dir() and not path.is_dir():
            path.write_bytes(b'{"torn": [1, 2')
    for journal in storm.results.rglob("*.jsonl"):
        if storm.rng.random() < 0.3:
            with journal.open("ab") as file:
                file.write(b'{"event": "finished", "key": "to')
    for folder in [path for path in storm.results.rglob("*") if path.is_dir()]:
        if storm.rng.random() < 0.1:
            (folder / f".stray.{storm.rng.randrange(10**6)}.json").write_bytes(b"{")


def shift_clocks(storm: Storm) -> None:
    """Files from tomorrow and from ten years ago."""
    for path in storm.results.rglob("*"):
        if path.is_file() and storm.rng.random() < 0.1:
            shift = storm.rng.choice([DAY_S, -3650 * DAY_S])
            with suppress(FileNotFoundError):
                os.utime(path, (time.time() + shift,) * 2)


KILLS: tuple[tuple[Callable[[Storm, subprocess.Popen[bytes]], bool], int], ...] = (
    (kill_worker, 4),
    (kill_master, 4),
    (kill_all, 4),
    (kill_launcher, 1),
    (fill_disk, 1),
    (lock_results, 1),
)
"""Faults, and how often each comes."""


def without_times(value: Any) -> Any:
    """Evidence without the seconds that calculations took, which are never the same."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if not key.endswith("_seconds")}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def outcome(results: Path) -> dict[str, Any]:
    """What a run came to: evidence but for times and versions, labels and potential."""
    found: dict[str, Any] = {name: (results / name).read_bytes() for name in BYTES}
    for path in sorted((results / "evidence").glob("[!.]*.json")):
        if path.stem not in TIMED:
            timed = path.stem == "learn"
            found[path.name] = without_times(json.loads(path.read_bytes())) if timed else path.read_bytes()
    return found


def labels_of(results: Path) -> set[str]:
    """Keys of the labels in the store."""
    return {path.stem for path in (results / "store").glob("*/*.json") if not path.name.startswith(".")}


def computed(results: Path) -> Counter[str]:
    """How often each label was computed to its end, by all journals."""
    folders = {path.parent for path in results.rglob("*.jsonl")}
    events = [event for folder in sorted(folders) for event in read_journals(folder)]
    return Counter(event["key"] for event in events if event["event"] == "finished")


def complaints(results: Path, wanted: dict[str, Any], known: set[str], given: set[str]) -> list[str]:
    """What is wrong with a run that has ended.

    Args:
        results: its folder.
        wanted: outcome of the undisturbed run.
        known: keys of all labels of that one.
        given: keys that were in the store before.
    """
    found = outcome(results)
    wrong = [f"{name} differs" for name in sorted(wanted) if found.get(name) != wanted[name]]
    wrong += [f"{name} is new" for name in sorted(set(found) - set(wanted))]
    times = computed(results)
    wrong += [f"label {key} computed {count} times" for key, count in times.items() if count > 1]
    wrong += [f"label {key} computed although it was there" for key in given & set(times)]
    wrong += [f"label {key} lost" for key in known - labels_of(results)]
    return wrong


@contextmanager
def folder(parent: Path) -> Iterator[tuple[Path, bool]]:
    """A new folder for a study, and whether its disk can be filled."""
    root = Path(tempfile.mkdtemp(prefix="storm-", dir=parent)).resolve()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(root)]
    small = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        for part in PARTS:
            source = REPOSITORY / part
            if source.is_dir():
                shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, root / part)
        study = root / "config" / "tiny.yaml"
        study.write_text(study.read_text() + ROUNDS)
        yield root, small
    finally:
        if small:
            subprocess.run(["umount", "--lazy", str(root)], check=False)
        shutil.rmtree(root, ignore_errors=True)


def give_labels(store: Path, results: Path, left_out: set[str]) -> set[str]:
    """Copy a store but for some labels; the keys that were copied."""
    given = set()
    for path in store.glob("*/*.json"):
        if path.stem not in left_out:
            place = results / "store" / path.parent.name / path.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
            given.add(path.stem)
    return given


def undisturbed(parent: Path, store: Path | None) -> tuple[dict[str, Any], Path]:
    """What must come out, and a store of all labels."""
    kept = parent / "store"
    with folder(parent) as (root, _):
        storm = Storm(root, random.Random(0))
        if store is not None:
            give_labels(store, storm.results, set())
        status = storm.start(parent / "calm.log").wait()
        if status:
            raise SystemExit(f"the undisturbed run failed: {(parent / 'calm.log').read_text()[-3000:]}")
        used = {
            event["key"] for path in storm.results.rglob("*.jsonl") for event in read_journals(path.parent, path.name)
        }
        shutil.copytree(storm.results / "store", kept)
        for path in kept.glob("*/*.json"):
            if path.stem not in used:
                path.unlink()
        return outcome(storm.results), kept


def one_life(storm: Storm, small: bool, trials: int, longest_s: float, log: Path) -> int:
    """Run the study to its end, with faults as long as there are some left to try; returns the number of starts."""
    starts = 0
    kills = [kill for kill, times in KILLS for _ in range(times) if small or kill not in (fill_disk, lock_results)]
    while True:
        starts += 1
        run = storm.start(log)
        if storm.killed.total() >= trials:
            status = run.wait()
            if status == 0:
                return starts
            raise SystemExit(f"a run that nobody disturbed failed: {log.read_text()[-4000:]}")
        with suppress(subprocess.TimeoutExpired):
            status = run.wait(storm.rng.uniform(1.0, longest_s))
            storm.settle()
            if status == 0:
                return starts
            if "another run is active" not in log.read_text()[-400:]:
                raise SystemExit(f"a run ended by itself: {log.read_text()[-4000:]}")
            continue
        kill = storm.rng.choice(kills)
        if not kill(storm, run) and run.poll() is None:
            kill = kill_all
            kill(storm, run)
        print(f"{storm.killed.total():4d} {kill.__name__}", flush=True)
        if not storm.processes():
            if storm.rng.random() < 0.5:
                tear(storm)
            if storm.rng.random() < 0.3:
                shift_clocks(storm)


def main() -> int:
    """Exit status: 1 where a run ended otherwise than the undisturbed one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=50, help="kills and faults (%(default)s)")
    parser.add_argument("--store", type=Path, help="labels of the tiny study that are known already")
    parser.add_argument("--left-out", type=int, default=15, help="labels per life that are computed (%(default)s)")
    parser.add_argument("--longest-s", type=float, default=25.0, help="longest time until a fault, s (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the dice (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where to work, new or empty (a temporary folder)")
    chosen = parser.parse_args()
    rng, killed, lives, bad = random.Random(chosen.seed), Counter[str](), 0, 0
    parent = chosen.folder or Path(tempfile.mkdtemp(prefix="pesforge-chaos-"))
    parent.mkdir(parents=True, exist_ok=True)
    wanted, store = undisturbed(parent, chosen.store)
    known = {path.stem for path in store.glob("*/*.json")}
    print(f"undisturbed: {len(known)} labels, {len(wanted)} files of evidence, labels and potential", flush=True)
    while killed.total() < chosen.trials:
        with folder(parent) as (root, small):
            storm = Storm(root, rng, killed)
            left_out = set(rng.sample(sorted(known), min(chosen.left_out, len(known))))
            given = give_labels(store, storm.results, left_out)
            starts = one_life(storm, small, chosen.trials, chosen.longest_s, parent / f"life-{lives}.log")
            wrong = complaints(storm.results, wanted, known, given)
            times = computed(storm.results)
        lives, bad = lives + 1, bad + bool(wrong)
        print(
            f"life {lives}: {starts} starts, {len(times)} labels computed, {'; '.join(wrong) or 'as undisturbed'}",
            flush=True,
        )
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(killed.items()))
    print(f"{killed.total()} faults ({kinds}) in {lives} lives of the study: {lives - bad} ended as undisturbed")
    return int(bad > 0)


if __name__ == "__main__":
    raise SystemExit(main())
