"""What is done to a running study: kills, a full disk, results that become read-only, torn files, clocks that jump."""

import base64
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[1]
RUN = [sys.executable, "-c", "from pesforge.cli import main; raise SystemExit(main())", "run", "tiny"]
RESULTS = "results/tiny"
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
