"""An engine that computes inside this interpreter, moved into a process of its own for every calculation."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from ase import Atoms

from pesforge.dft.engines import Engine
from pesforge.dft.failures import CRASH, kind_of_end
from pesforge.dft.label import Label
from pesforge.dft.program_engine import die_with_parent
from pesforge.dft.settings import Mesh, ReferenceSettings
from pesforge.errors import LabelError
from pesforge.settings import Dft

FORK = multiprocessing.get_context("fork")
Answer = Label | tuple[str, str]
"""A label, or kind and message of a failure."""


@dataclass(frozen=True)
class OwnProcess:
    """An engine whose calculations each run in a copy of this process.

    A crash in compiled code ends the copy and fails one label; a time limit kills the copy, however long a call into
    compiled code takes. On Linux the copy is also killed when this process is.

    Args:
        engine: engine that computes in the interpreter.
        module: what it imports, loaded here once instead of in every copy.
    """

    engine: Engine
    module: str

    @property
    def name(self) -> str:
        """Name in the settings."""
        return self.engine.name

    def problems(self, dft: Dft, elements: Sequence[str]) -> list[str]:
        """Sentences about what would fail; see `Engine.problems`."""
        return self.engine.problems(dft, elements)

    def estimate_seconds(self, atoms: Atoms, settings: ReferenceSettings, mesh: Mesh) -> float:
        """Rough time of one label in s; see `Engine.estimate_seconds`."""
        return self.engine.estimate_seconds(atoms, settings, mesh)

    def calculate(self, atoms: Atoms, settings: ReferenceSettings, mesh: Mesh, attempt: int) -> Label:
        """The label of a structure; see `Engine.calculate`."""
        import_module(self.module)
        receiver, sender = FORK.Pipe(duplex=False)
        work = (sender, os.getpid(), self.engine, atoms, settings, mesh, attempt)
        process = FORK.Process(target=_answer, args=work, daemon=True)
        try:
            process.start()
            sender.close()
            answer: Answer = receiver.recv()
        except EOFError:
            process.join()
            status = process.exitcode or 0
            raise LabelError(kind_of_end(status), f"{self.name} {_end(status)} and left no message.") from None
        finally:
            if process.pid is not None:
                process.kill()
                process.join()
            receiver.close()
            sender.close()
        if isinstance(answer, Label):
            return answer
        raise LabelError(*answer)


def _answer(sender: "Connection[Any, Any]", parent: int, engine: Engine, *work: Any) -> None:
    """Send what the engine says about a structure. A keyboard interrupt is for the parent, which then kills this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        die_with_parent()
        if os.getppid() != parent:
            return
    try:
        answer: Answer = engine.calculate(*work)
    except LabelError as error:
        answer = (error.reason, str(error))
    except Exception as error:
        answer = (CRASH, f"{engine.name} stopped with {type(error).__name__}: {error}")
    sender.send(answer)


def _end(status: int) -> str:
    """How a process ended, in words."""
    if status >= 0:
        return f"ended with exit status {status}"
    return f"was ended by signal {-status} ({signal.Signals(-status).name})"
