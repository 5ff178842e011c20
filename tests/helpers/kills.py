"""Runs that are killed at a moment."""

import os
import signal
import subprocess
import time
from collections.abc import Callable

import psutil

PATIENCE_S = 600


def kill_everything(process: subprocess.Popen) -> None:
    """SIGKILL to the run and to all of its jobs."""
    os.killpg(process.pid, signal.SIGKILL)


def kill_the_master(process: subprocess.Popen) -> None:
    """SIGKILL to everything but the jobs, which go on as orphans."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        if not any(".snakemake/scripts" in word for word in member.cmdline()):
            member.kill()


def killed_when(
    reached: Callable[[], bool],
    process: subprocess.Popen,
    kill: Callable[[subprocess.Popen], None] = kill_everything,
) -> None:
    """Kill a run, the leader of a process group, as soon as a moment is reached; it must not end before."""
    deadline = time.monotonic() + PATIENCE_S
    while not reached() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert process.poll() is None, "the run ended before it could be killed"
    assert reached(), f"the moment did not come within {PATIENCE_S} s"
    kill(process)
    process.wait()
