"""What the engines share that drive another program through ASE's input and output files."""

import ctypes
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
from ase import Atoms

from pesforge.dft.failures import MISSING_PROGRAM, SCF, kind_of_end
from pesforge.dft.label import Label
from pesforge.dft.pseudopotentials import (
    Pseudopotential,
    pseudopotential_path,
    pseudopotential_problems,
    pseudopotentials_of,
)
from pesforge.dft.settings import Mesh, ReferenceSettings
from pesforge.errors import LabelError
from pesforge.io import writing
from pesforge.settings import Dft

PROPERTIES = ("energy", "forces", "stress")
MESSAGE_LENGTH = 300
LEAST_ROOM = 2**20
"""Bytes that a folder must still take when a program failed in it; otherwise it failed for want of room."""
LIBC = ctypes.CDLL(None)
DEATH_SIGNAL = 1
"""Linux's PR_SET_PDEATHSIG."""
Failure = tuple[str, str]
"""Kind and message of a failure that a program's text tells."""


class OwnGroup:
    """For a profile of ASE: the program runs in a process group of its own, which ends with the calculation."""

    def run(
        self,
        directory: Path,
        inputfile: str | None,
        outputfile: str,
        errorfile: str | None = None,
        append: bool = False,
    ) -> None:
        """Run the program in a folder; see `ase.calculators.genericfileio.BaseProfile.run`."""
        command = self.get_command(inputfile)  # type: ignore[attr-defined]
        run_program(command, Path(directory), Path(directory) / outputfile, Path(directory) / (errorfile or "errors"))


def run_program(command: Sequence[str], folder: Path, output: Path, errors: Path) -> None:
    """Run a program to its end; nothing of it is left when this is interrupted, by a time limit for example.

    Its temporary files go to its folder too. On Linux it is also killed when this process is.

    Args:
        command: program and arguments; no shell reads them.
        folder: folder in which it runs.
        output: file for its text.
        errors: file for its error text.

    Raises:
        LabelError: of kind `missing_program`: there is no such program.
        subprocess.CalledProcessError: it ended with a failure.
    """
    environment = os.environ | {"TMPDIR": str(folder)}
    with output.open("wb") as out, errors.open("wb") as err:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                process_group=0,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
            )
        except (FileNotFoundError, PermissionError) as error:
            message = f"`dft.command`: {command[0]!r} cannot be run ({error.strerror})."
            raise LabelError(MISSING_PROGRAM, message) from error
        try:
            status = process.wait()
        except BaseException:
            _end_group(process)
            raise
    if status:
        raise subprocess.CalledProcessError(status, list(command))


def die_with_parent() -> None:
    """Ask the kernel to kill this process as soon as its parent is gone; Linux alone can."""
    LIBC.prctl(DEATH_SIGNAL, signal.SIGKILL)


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill a program and everything that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@dataclass(frozen=True)
class ProgramEngine(ABC):
    """An engine that writes input files, runs a program in a folder of its own, and reads what it wrote.

    Args:
        dft: reference method: program and pseudopotentials.
        max_iterations: SCF steps of the first attempt; each further attempt may take as many again.
    """

    dft: Dft
    max_iterations: int = 100

    title: ClassVar[str]
    """Name of the code for people."""
    program: ClassVar[str]
    """Its program where `dft.command` is empty."""
    package: ClassVar[str]
    """How to install it."""
    source: ClassVar[str]
    """Where pseudopotentials can be had."""
    seconds: ClassVar[tuple[float, float]]
    """Start-up time, and time per k-point at 8 electrons and 400 eV, from rattled Si₂ and Si₈, in s."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Name in the settings."""

    @staticmethod
    @abstractmethod
    def read_potential(path: Path) -> Pseudopotential:
        """The header of a pseudopotential file; DataError if it is not readable."""

    @abstractmethod
    def calculator(
        self,
        atoms: Atoms,
        settings: ReferenceSettings,
        mesh: Mesh,
        attempt: int,
        potentials: dict[str, Pseudopotential],
        folder: Path,
    ) -> Any:
        """ASE's calculator of a structure in a folder; it may put files there and moments on the atoms."""

    @staticmethod
    @abstractmethod
    def failure(text: str) -> Failure | None:
        """What went wrong, by the text of the program; None if the text tells of nothing."""

    @property
    def command(self) -> tuple[str, ...]:
        """Program and its leading arguments; the program with its whole path where it is found."""
        program, *arguments = self.dft.command or (self.program,)
        found = shutil.which(program)
        return (program if found is None else str(Path(found).absolute()), *arguments)

    def problems(self, dft: Dft, elements: Sequence[str]) -> list[str]:
        """Sentences about what would fail: no program, pseudopotentials missing or unfit, an impossible spin."""
        found = []
        if shutil.which(self.command[0]) is None:
            found.append(
                f"{self.title}: the program {self.command[0]!r} is not there or cannot be run. {self.package}, or give "
                "its path in `command`."
            )
        found += pseudopotential_problems(dft, elements, self.read_potential, source=self.source)
        if dft.initial_moment > 0 and not dft.spin_polarized:
            found.append("`initial_moment` above 0 needs `spin_polarized: true`.")
        if dft.spin_polarized and not dft.initial_moment:
            found.append(f"{self.title} needs an `initial_moment` above 0 with `spin_polarized: true`.")
        if dft.spin_polarized and not dft.smearing_ev:
            found.append(f"{self.title} needs `smearing_ev` above 0 with `spin_polarized: true`.")
        return found

    def calculate(self, atoms: Atoms, settings: ReferenceSettings, mesh: Mesh, attempt: int) -> Label:
        """The label of a structure; see `Engine.calculate`."""
        started = time.perf_counter()
        potentials = pseudopotentials_of(self.dft, settings, list(atoms.symbols), self.read_potential)
        work = Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        # A killed MPI leaves a daemon that clears its own files for a moment; meeting it is no failure of the label.
        with TemporaryDirectory(prefix=f"pesforge-{self.name}-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            try:
                calculator = self.calculator(work, settings, mesh, attempt, potentials, folder)
                results = self._results(calculator, work, settings, attempt, folder)
            except Exception:
                with writing(folder):
                    (folder / "room").write_bytes(bytes(LEAST_ROOM))
                raise
        return Label(
            energy=float(results["free_energy"]),
            forces=np.array(results["forces"], dtype=float),
            stress=np.array(results["stress"], dtype=float) if work.pbc.all() else np.full(6, np.nan),
            seconds=time.perf_counter() - started,
            attempt=attempt,
        )

    def _results(
        self, calculator: Any, work: Atoms, settings: ReferenceSettings, attempt: int, folder: Path
    ) -> dict[str, Any]:
        """What the program wrote, by ASE's names; LabelError where its text or its exit status tell of a failure."""
        calculator.write_inputfiles(work, PROPERTIES)
        status = 0
        try:
            calculator.template.execute(folder, calculator.profile)
        except subprocess.CalledProcessError as error:
            status = error.returncode
        text = (folder / calculator.template.outputname).read_text(encoding="utf-8", errors="replace")
        found = self.failure(text)
        if found is not None:
            raise self._refusal(found, settings, attempt)
        if status:
            how = f"was ended by signal {-status}" if status < 0 else f"ended with exit status {status}"
            errors = (folder / calculator.template.errorname).read_text(encoding="utf-8", errors="replace")
            words = _last_words(text) or _last_words(errors) or "none"
            raise LabelError(kind_of_end(status), f"{self.title} {how}; its last words: {words}")
        results: dict[str, Any] = calculator.template.read_results(folder)
        return results

    def _refusal(self, found: Failure, settings: ReferenceSettings, attempt: int) -> LabelError:
        """The error for what a program's text tells."""
        kind, message = found
        if kind == SCF:
            steps = self.max_iterations * attempt
            hint = "" if settings.smearing_ev else " The gap may have closed: set `dft.smearing_ev` to 0.05 or more."
            return LabelError(SCF, f"{self.title} did not converge within {steps} SCF steps (attempt {attempt}).{hint}")
        return LabelError(kind, f"{self.title} stopped: {' '.join(message.split())[:MESSAGE_LENGTH]}")

    def estimate_seconds(self, atoms: Atoms, settings: ReferenceSettings, mesh: Mesh) -> float:
        """Rough time of one label without symmetry in s on one core, ± a factor of 2; electrons by the headers."""
        start, per_point = self.seconds
        k_points = math.prod(mesh) // 2 + 1
        counts = Counter(atoms.symbols)
        valences = {element: self.read_potential(pseudopotential_path(self.dft, element)).valence for element in counts}
        electrons = sum(count * valences[element] for element, count in counts.items())
        spins = 2 if settings.spin_polarized else 1
        work = per_point * spins * k_points
        return start + work * (electrons / 8) ** 1.9 * (settings.cutoff_ev / 400) ** 1.2


def _last_words(text: str) -> str:
    """The last line with letters in it; empty if there is none."""
    lines = [line.strip() for line in text.splitlines() if any(character.isalpha() for character in line)]
    return lines[-1][:MESSAGE_LENGTH] if lines else ""
