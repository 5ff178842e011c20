"""Progress in words: which stage, how much is done, how fast, how long it will take."""

import sys
import time
from typing import TextIO


def duration(seconds: float) -> str:
    """A time in words, such as `45 s`, `12 min` or `1 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


class Progress:
    """Lines such as `label    17/48  3.4 per minute, about 9 min left` on a stream.

    Args:
        stage: word that starts every line.
        total: number of steps.
        stream: where to write; standard error unless given.
        least_interval_s: shortest time between two lines, except for the last one.
    """

    def __init__(self, stage: str, total: int, stream: TextIO | None = None, least_interval_s: float = 1.0) -> None:
        self.stage, self.total = stage, total
        self.stream = stream if stream is not None else sys.stderr
        self.least_interval_s = least_interval_s
        self.started = time.monotonic()
        self.first = 0
        self.last_line = -float("inf")

    def begin_at(self, done: int) -> None:
        """Declare steps that were there before, so that they do not count for the rate."""
        self.first = done

    def say(self, text: str) -> None:
        """Write one line."""
        self.stream.write(f"{self.stage:<14} {text}\n")
        self.stream.flush()

    def update(self, done: int, note: str = "") -> None:
        """Report that `done` steps are finished, at most once per interval."""
        now = time.monotonic()
        if now - self.last_line < self.least_interval_s and done < self.total:
            return
        self.last_line = now
        fresh, passed = done - self.first, now - self.started
        pace = ""
        if fresh > 0 and done < self.total:
            pace = (
                f"  {60 * fresh / passed:.1f} per minute, about {duration((self.total - done) * passed / fresh)} left"
            )
        self.say(f"{done}/{self.total}{pace}{'  ' + note if note else ''}")
