"""CPU time of a process, and what the environment of a tool needs."""

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def cpu_seconds(
    command: Sequence[str | Path], *, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> tuple[float, str]:
    """User plus system time of a process and its children on one thread, and its last message where it failed.

    Args:
        command: program and arguments.
        folder: where it runs; None: here.
        environment: variables beside those of this process.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as messages:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=subprocess.DEVNULL,
            stderr=messages,
            cwd=folder,
            env={**os.environ, **THREADS, **(environment or {})},
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        messages.seek(0)
        lines = messages.read().strip().splitlines()
    failure = (lines[-1] if lines else f"exit status {process.returncode}") if process.returncode else ""
    return used.ru_utime + used.ru_stime, failure


def least(repeats: int, command: Sequence[str | Path], **options: object) -> tuple[float, str]:
    """The least CPU time of several runs."""
    runs = [cpu_seconds(command, **options) for _ in range(repeats)]
    return min(seconds for seconds, _ in runs), runs[-1][1]


def packages(python: Path, names: Sequence[str]) -> str:
    """Versions of packages of another Python, such as `fitsnap3 3.1.0.4`; empty where one is not installed."""
    code = "import sys; from importlib.metadata import version as v; print(*(n + ' ' + v(n) for n in sys.argv[1:]))"
    try:
        done = subprocess.run([python, "-c", code, *names], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return "" if done.returncode else done.stdout.strip()
