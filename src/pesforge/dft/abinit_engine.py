"""Labels from ABINIT."""

import math
import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ase import Atoms
from ase.calculators.abinit import Abinit, AbinitProfile

from pesforge.dft.failures import CRASH, SCF, TOO_CLOSE
from pesforge.dft.program_engine import Failure, OwnGroup, ProgramEngine
from pesforge.dft.pseudopotentials import PSP8_FUNCTIONALS, Pseudopotential, read_psp8
from pesforge.dft.settings import Mesh, ReferenceSettings
from pesforge.settings import Dft

EMPTY_BANDS = 0.2
MIN_EMPTY_BANDS = 4
"""Empty bands over occupied ones, and their smallest number, as Quantum ESPRESSO takes them."""
REMEDIES: tuple[dict[str, Any], ...] = ({}, {"diemix": 0.3}, {"diemix": 0.3, "iprcel": 45})
"""Parameters of attempt 1, 2, 3 and more: by the program's documentation less mixing, then a preconditioner from the
computed dielectric matrix."""


class Profile(OwnGroup, AbinitProfile):
    """ASE's profile of ABINIT, with a process group of its own."""


@dataclass(frozen=True)
class AbinitEngine(ProgramEngine):
    """ABINIT with norm-conserving psp8 files, Γ-centred k-points and Fermi-Dirac occupations."""

    title: ClassVar[str] = "ABINIT"
    program: ClassVar[str] = "abinit"
    package: ClassVar[str] = "Install it (Debian: apt-get install abinit)"
    source: ClassVar[str] = (
        "Name a psp8 file for each element; Debian's abinit-data has some in "
        "/usr/share/abinit/psp/Pseudodojo_nc_sr_04_pbe_standard_psp8."
    )
    seconds: ClassVar[tuple[float, float]] = (0.7, 0.11)

    @property
    def name(self) -> str:
        """Name in the settings."""
        return "abinit"

    @staticmethod
    def read_potential(path: Path) -> Pseudopotential:
        """The header of a psp8 file; DataError if it is not readable."""
        return read_psp8(path)

    def problems(self, dft: Dft, elements: Sequence[str]) -> list[str]:
        """Sentences about what would fail; see `ProgramEngine.problems`."""
        if dft.functional not in PSP8_FUNCTIONALS:
            return [f"functional {dft.functional!r} is unknown; allowed with ABINIT: {', '.join(PSP8_FUNCTIONALS)}."]
        return super().problems(dft, elements)

    def calculator(
        self,
        atoms: Atoms,
        settings: ReferenceSettings,
        mesh: Mesh,
        attempt: int,
        potentials: dict[str, Pseudopotential],
        folder: Path,
    ) -> Any:
        """See `ProgramEngine.calculator`; ASE looks for files by the name of the element."""
        for element, potential in potentials.items():
            shutil.copyfile(potential.path, folder / f"{element}.psp8")
        if settings.spin_polarized:
            atoms.set_initial_magnetic_moments([settings.initial_moment] * len(atoms))
        return Abinit(
            profile=Profile(command=shlex.join(self.command), pp_paths=[str(folder)]),
            directory=folder,
            pps="psp8",
            xc=settings.functional,
            **self.parameters(atoms, settings, mesh, attempt, potentials),
        )

    def parameters(
        self,
        atoms: Atoms,
        settings: ReferenceSettings,
        mesh: Mesh,
        attempt: int,
        potentials: dict[str, Pseudopotential],
    ) -> dict[str, Any]:
        """Input variables of ABINIT.

        ASE would shift an even mesh off Γ, so that the mesh is given in ABINIT's own words. `tolvrs` bounds the square
        of the residual of the potential, so it goes with the square of the SCF tolerance. With smearing a fifth of the
        occupied bands, at least 4, are added: ABINIT's own choice is so few that they cut off the tail of a wide one.
        """
        variables: dict[str, Any] = {
            "ixc": PSP8_FUNCTIONALS[settings.functional][0],
            "ecut": settings.cutoff_ev,
            "kptopt": 1,
            "ngkpt": list(mesh),
            "nshiftk": 1,
            "shiftk": [0.0, 0.0, 0.0],
            "tolvrs": settings.scf_tolerance**2,
            "nstep": self.max_iterations * attempt,
            "chksymbreak": 0,
            "chksymtnons": 0,
            "prtwf": 0,
            "prtden": 0,
        }
        if settings.smearing_ev:
            electrons = sum(potentials[symbol].valence for symbol in atoms.symbols)
            moment = settings.initial_moment * len(atoms) if settings.spin_polarized else 0.0
            occupied = math.ceil((electrons + moment) / 2)
            bands = occupied + max(MIN_EMPTY_BANDS, math.ceil(EMPTY_BANDS * occupied))
            variables |= {"occopt": 3, "tsmear": settings.smearing_ev, "nband": bands}
        return variables | REMEDIES[min(attempt, len(REMEDIES)) - 1]

    @staticmethod
    def failure(text: str) -> Failure | None:
        """What went wrong, by the log of ABINIT; an SCF that did not converge is a warning there, and exit status 0."""
        if "ScfConvergenceWarning" in text:
            return SCF, ""
        found = re.search(r"--- !(?:ERROR|BUG)\n.*?message: \|\n(.*?)\n\.\.\.", text, re.DOTALL)
        if found is None:
            return None
        message = found.group(1)
        if "located at the same point" in message:
            return TOO_CLOSE, message
        return CRASH, message
