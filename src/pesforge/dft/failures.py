"""Kinds of failed reference calculations, and the limit on their time."""

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pesforge.errors import LabelError

SCF = "scf"
TOO_CLOSE = "too_close"
MISSING_SETUP = "missing_setup"
MISSING_PROGRAM = "missing_program"
TIMEOUT = "timeout"
CRASH = "crash"
KILLED = "killed"
NON_FINITE = "non_finite"

KINDS = {
    SCF: "the electronic structure did not become self-consistent",
    TOO_CLOSE: "atoms are too close to each other",
    MISSING_SETUP: "the engine has no atomic data set for an element",
    MISSING_PROGRAM: "the engine's program is not there or cannot be run",
    TIMEOUT: "the calculation took longer than `dft.timeout_s`",
    CRASH: "the engine stopped with an error",
    KILLED: "the engine was killed from outside, perhaps because there was too little memory",
    NON_FINITE: "energy, forces or stress are not finite numbers",
}
REMEDIABLE = frozenset({SCF, TIMEOUT, CRASH, NON_FINITE})
"""Kinds that the engine's next remedy may cure; the others fail again in the same way."""
REPEATABLE = frozenset({KILLED})
"""Kinds that say nothing about the calculation: it is made again as it was, and gives the label that it would have."""
KILLS = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM})
"""Signals that a program does not send to itself."""


def kind_of_end(status: int) -> str:
    """Kind of the failure of a program that left no message.

    Args:
        status: its exit status; minus the number of the signal that ended it.
    """
    return KILLED if -status in KILLS else CRASH


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Run a block that is interrupted after `seconds` of wall time.

    The limit is a Unix signal, which Python delivers only to the main thread and only between two of its own
    instructions. Engines compute in processes of their own, so that the main thread only waits and the limit holds
    however long a call into compiled code takes. Outside the main thread there is no limit.

    Raises:
        LabelError: of kind `timeout`.
    """
    if threading.current_thread() is not threading.main_thread() or not math.isfinite(seconds):
        yield
        return

    def stop(signum: int, frame: FrameType | None) -> None:
        raise LabelError(TIMEOUT, f"stopped after {seconds:g} s; raise `dft.timeout_s` if that is too short.")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
