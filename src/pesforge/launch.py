"""Running a study: one run at a time in a folder, and a run that was killed goes on where it stopped.

As a program it is Snakemake without the lines that say nothing: nobody between it and the terminal, on whose death it
would hang.
"""

import fcntl
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, cast

from pesforge.errors import PesforgeError

STATE = Path(".snakemake")
RESULTS = Path("results")
FUTURE_S = 60.0
"""Clocks of nodes and of file systems differ by seconds; a file that is further ahead was written by a wrong one."""


NOISE = re.compile(
    r"(Using workflow specific profile|Assuming unrestricted|Building DAG|Using shell|Conda environments|Select jobs"
    r"|Execute \d+ jobs|Nothing to be done|Complete log|Elapsed time|Shutting down|Exiting because)"
)
"""Lines of Snakemake that say nothing about the study."""


class Quiet:
    """A stream of text without the lines that say nothing; once nobody reads it, nothing is written."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.begun = ""

    def write(self, text: str) -> int:
        """Write the lines that are whole by now."""
        *lines, self.begun = (self.begun + text).split("\n")
        with suppress(BrokenPipeError):
            for line in lines:
                if line.strip() and not NOISE.match(line):
                    self.stream.write(f"{line}\n")
        return len(text)

    def flush(self) -> None:
        """Write what the stream holds back."""
        with suppress(BrokenPipeError):
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _snakemake(arguments: Sequence[str], *, lock: int, folder: Path) -> int:
    """Exit status of Snakemake. It inherits the lock, which therefore lives as long as the run does."""
    command = [sys.executable, "-m", "pesforge.launch", *arguments]
    with subprocess.Popen(command, cwd=folder, pass_fds=(lock,)) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # Snakemake got the signal too; it ends its jobs and then itself


def mend_times(folder: Path, now: float) -> int:
    """Bring files that a wrong clock has dated into the future back to now, in their order; return their number.

    Snakemake refuses results that are older than what they are made from, and would until that future is past. The
    stores of labels are no files of its own and are left alone.

    Args:
        folder: of the results.
        now: seconds since the epoch.
    """
    ahead = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "store"]
        paths = (Path(place, name) for name in names)
        ahead += [(path.lstat().st_mtime, path) for path in paths]
    ahead = [(time_s, path) for time_s, path in ahead if time_s > now + FUTURE_S]
    rank = {time_s: number for number, time_s in enumerate(sorted({time_s for time_s, _ in ahead}, reverse=True))}
    for time_s, path in ahead:
        os.utime(path, (now - 1e-3 * rank[time_s],) * 2, follow_symlinks=False)
    return len(ahead)


def run(study: str, extra: Sequence[str] = (), *, folder: Path = Path()) -> int:
    """Exit status of a run of a study.

    The lock belongs to this folder. Snakemake's own lock outlives a kill; it is taken away here when no run is alive.

    Args:
        study: name below config/ or path of a study file.
        extra: further arguments for Snakemake.
        folder: repository or a copy of its workflow.

    Raises:
        PesforgeError: another run is active in this folder.
    """
    state = folder / STATE
    state.mkdir(exist_ok=True)
    with (state / "pesforge.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PesforgeError("another run is active in this folder; wait for its end, or stop it first.") from error
        if mended := mend_times(folder / RESULTS, time.time()):
            sys.stderr.write(f"a clock was wrong: {mended} files of earlier runs had times to come; they are of now\n")
        chosen = ["--config", f"study={study}", *extra]
        locks = state / "locks"
        if locks.is_dir() and any(locks.iterdir()):
            sys.stderr.write("an earlier run was interrupted; going on where it stopped\n")
            _snakemake(["--unlock", *chosen], lock=file.fileno(), folder=folder)
        return _snakemake(chosen, lock=file.fileno(), folder=folder)


def snakemake() -> None:
    """Snakemake with the arguments of this process, which ends with it."""
    sys.stderr = cast(TextIO, Quiet(sys.stderr))
    from snakemake.cli import main

    main()


if __name__ == "__main__":
    snakemake()
