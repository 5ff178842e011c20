"""A folder to run in, and the proof that a broken input ends with one clear error and leaves nothing behind."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pesforge.cli import main

REPOSITORY = Path(__file__).parents[2]
SECONDS = 10
"""Longest CPU time of one case; a hundredth of it is usual."""
PATIENCE = 30
"""How much longer a case may wait, where the machine does other work."""
CANARY = "canary"
"""Name of the file that a shell, a pickle or a YAML tag would create if anything executed them."""


class Late(BaseException):
    """No error that a broad `except` of the code under test could take for one of its own."""


class Trap:
    """What a pickle turns into a call when it is opened."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return Path.touch, (Path(CANARY),)


@contextmanager
def bounded(seconds: int = SECONDS) -> Iterator[None]:
    """A block that fails when it computes longer, or waits far longer, whatever it waits for."""

    def late(*_: object) -> None:
        raise Late(f"took longer than {seconds} s")

    clocks = ((signal.SIGPROF, signal.ITIMER_PROF, seconds), (signal.SIGALRM, signal.ITIMER_REAL, PATIENCE * seconds))
    earlier = [signal.signal(number, late) for number, _, _ in clocks]
    for _, timer, most in clocks:
        signal.setitimer(timer, most)
    try:
        yield
    finally:
        for (number, timer, _), handler in zip(clocks, earlier, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, and what it holds; links are not followed."""
    found = {}
    for root, folders, files in os.walk(folder):
        for name in folders:
            found[str(Path(root, name))] = b"folder"
        for name in files:
            path = Path(root, name)
            found[str(path)] = path.read_bytes() if path.is_file() else b"something else"
    return found


@dataclass(frozen=True)
class Desk:
    """A folder that holds the training configuration of the repository, and in which the command line runs."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    def put(self, name: str, data: str | bytes) -> Path:
        """Write an input file and return its place."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def refuses(self, *arguments: str | Path, says: str = "") -> str:
        """The message of a command that must fail as a user may expect: once, clearly, with nothing changed."""
        before = content(self.root)
        self.capsys.readouterr()
        with bounded():
            status = main([str(word) for word in arguments])
        out, err = self.capsys.readouterr()
        assert status == 1, f"exit status {status}: {out}{err}"
        errors = [line for line in err.splitlines() if line.startswith("pesforge: ")]
        assert len(errors) == 1, err
        assert "Traceback" not in out + err
        assert err.isprintable() or all(part.isprintable() for part in err.split("\n")), repr(err)
        assert len(err) < 6000, f"an error of {len(err)} characters is no clear one"
        assert says in err, err
        assert not (self.root / CANARY).exists(), "something was executed"
        assert content(self.root) == before, "files were changed"
        return err
