"""What every adapter shares: one line per error, and a log."""

import io
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from pesforge.errors import PesforgeError
from pesforge.peaks import record_peak
from pesforge.progress import duration


class Log(io.TextIOBase):
    """The log of a job. What a full disk does not take is left out: a line of a log is worth no result."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb", buffering=0)

    def write(self, text: str) -> int:
        with suppress(OSError):
            self.file.write(text.encode("utf-8", errors="replace"))
        return len(text)

    def fileno(self) -> int:
        return self.file.fileno()

    def close(self) -> None:
        self.file.close()
        super().close()


class Tee:
    """A stream that writes to the log of the job, and to the terminal as long as somebody reads there."""

    def __init__(self, terminal: Any, log: Any) -> None:
        self.terminal, self.log = terminal, log

    def write(self, text: str) -> int:
        self.log.write(text)
        with suppress(BrokenPipeError):
            self.terminal.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(BrokenPipeError):
            self.terminal.flush()

    def isatty(self) -> bool:
        return bool(self.terminal.isatty())


def run(job: Any, work: Callable[[Any], str | None]) -> None:
    """Call `work(job)`; print one line at the end; an error that a user can mend ends the job with its text alone.

    `work` returns a sentence for the terminal, or None for silence.
    """
    started = time.monotonic()
    log_path = Path(job.log[0])
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with closing(Log(log_path)) as log:
        sys.stderr = Tee(sys.__stderr__, log)
        sys.stdout = log
        try:
            sentence = work(job)
        except PesforgeError as error:
            print(f"\npesforge: error in {job.rule}: {error}\n", file=sys.stderr)
            sys.exit(1)
        else:
            if sentence:
                stage = job.rule.replace("_", " ")
                print(f"{stage:<22} {sentence} ({duration(time.monotonic() - started)})", file=sys.stderr)
        finally:
            sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
            record_peak(log_path, job.rule, getattr(job.resources, "mem_mb", None))
