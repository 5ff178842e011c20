"""Running a study: one run at a time in a folder, and a run that was killed goes on where it stopped."""

import fcntl
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pesforge.errors import PesforgeError

STATE = Path(".snakemake")


NOISE = re.compile(
    r"(Using workflow specific profile|Assuming unrestricted|Building DAG|Using shell|Conda environments|Select jobs"
    r"|Execute \d+ jobs|Nothing to be done|Complete log|Elapsed time|Shutting down|Exiting because)"
)
"""Lines of Snakemake that say nothing about the study."""


def _snakemake(arguments: Sequence[str], *, lock: int, folder: Path) -> int:
    """Exit status of Snakemake. It inherits the lock, which therefore lives as long as the run does."""
    command = [sys.executable, "-m", "snakemake", *arguments]
    with subprocess.Popen(
        command, cwd=folder, pass_fds=(lock,), stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        assert process.stderr is not None
        while True:
            try:
                for line in process.stderr:
                    if line.strip() and not NOISE.match(line):
                        sys.stderr.write(line)
                        sys.stderr.flush()
                return process.wait()
            except KeyboardInterrupt:
                continue  # Snakemake got the signal too; it ends its jobs and then itself


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
        chosen = ["--config", f"study={study}", *extra]
        locks = state / "locks"
        if locks.is_dir() and any(locks.iterdir()):
            sys.stderr.write("an earlier run was interrupted; going on where it stopped\n")
            _snakemake(["--unlock", *chosen], lock=file.fileno(), folder=folder)
        return _snakemake(chosen, lock=file.fileno(), folder=folder)
