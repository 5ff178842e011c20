"""Labels from Quantum ESPRESSO's `pw.x`."""

import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ase import Atoms
from ase.calculators.espresso import Espresso, EspressoProfile
from ase.units import Ry

from pesforge.dft.failures import CRASH, MISSING_SETUP, SCF, TOO_CLOSE
from pesforge.dft.program_engine import Failure, OwnGroup, ProgramEngine
from pesforge.dft.pseudopotentials import Pseudopotential, read_upf
from pesforge.dft.settings import Mesh, ReferenceSettings

DENSITY_CUTOFF = {True: 4.0, False: 10.0}
"""Cutoff of the density over that of the wave functions, for norm-conserving pseudopotentials and for others: products
of two wave functions need 4; augmentation charges need, by the program's documentation, 8 to 12."""
REMEDIES: tuple[dict[str, Any], ...] = (
    {"mixing_beta": 0.7},
    {"mixing_beta": 0.3, "mixing_ndim": 12},
    {"mixing_beta": 0.1, "mixing_ndim": 12, "mixing_mode": "local-TF", "diagonalization": "cg"},
)
"""Parameters of attempt 1, 2, 3 and more: by the program's documentation less mixing, a longer history, screening for
inhomogeneous systems, and the slower but sturdier diagonalisation."""


class Profile(OwnGroup, EspressoProfile):
    """ASE's profile of `pw.x`, with a process group of its own."""


@dataclass(frozen=True)
class EspressoEngine(ProgramEngine):
    """`pw.x` with Γ-centred k-points and Fermi-Dirac occupations; the functional is that of the pseudopotentials."""

    title: ClassVar[str] = "Quantum ESPRESSO"
    program: ClassVar[str] = "pw.x"
    package: ClassVar[str] = "Install it (Debian: apt-get install quantum-espresso)"
    source: ClassVar[str] = (
        "Name a UPF file for each element; Debian's quantum-espresso-data has some in /usr/share/espresso/pseudo."
    )
    seconds: ClassVar[tuple[float, float]] = (0.7, 0.2)

    @property
    def name(self) -> str:
        """Name in the settings."""
        return "espresso"

    @staticmethod
    def read_potential(path: Path) -> Pseudopotential:
        """The header of a UPF file; DataError if it is not readable."""
        return read_upf(path)

    def calculator(
        self,
        atoms: Atoms,
        settings: ReferenceSettings,
        mesh: Mesh,
        attempt: int,
        potentials: dict[str, Pseudopotential],
        folder: Path,
    ) -> Any:
        """See `ProgramEngine.calculator`; moments are in units of the valence electrons, as `pw.x` wants them."""
        for element, potential in potentials.items():
            shutil.copyfile(potential.path, folder / f"{element}.UPF")
        if settings.spin_polarized:
            valences = [potentials[symbol].valence for symbol in atoms.symbols]
            atoms.set_initial_magnetic_moments([min(1.0, settings.initial_moment / valence) for valence in valences])
        return Espresso(
            profile=Profile(command=shlex.join(self.command), pseudo_dir="."),
            directory=folder,
            kpts=mesh,
            koffset=(0, 0, 0),
            pseudopotentials={element: f"{element}.UPF" for element in potentials},
            input_data=self.parameters(atoms, settings, attempt, potentials),
        )

    def parameters(
        self, atoms: Atoms, settings: ReferenceSettings, attempt: int, potentials: dict[str, Pseudopotential]
    ) -> dict[str, dict[str, Any]]:
        """Namelists of `pw.x`.

        Its `conv_thr` is an error of the energy of the cell, of second order in the error of the density. So it goes
        with the square of the SCF tolerance: τ² eV per electron for a density that is wrong by τ.
        """
        electrons = sum(potentials[symbol].valence for symbol in atoms.symbols)
        norm_conserving = all(potential.norm_conserving for potential in potentials.values())
        cutoff = settings.cutoff_ev / Ry
        system: dict[str, Any] = {"ecutwfc": cutoff, "ecutrho": DENSITY_CUTOFF[norm_conserving] * cutoff}
        if settings.smearing_ev:
            system |= {"occupations": "smearing", "smearing": "fermi-dirac", "degauss": settings.smearing_ev / Ry}
        else:
            system |= {"occupations": "fixed"}
        if settings.spin_polarized:
            system["nspin"] = 2
        electronic = {"conv_thr": electrons * settings.scf_tolerance**2 / Ry} | REMEDIES[
            min(attempt, len(REMEDIES)) - 1
        ]
        return {
            "control": {
                "calculation": "scf",
                "outdir": ".",
                "pseudo_dir": ".",
                "disk_io": "none",
                "tprnfor": True,
                "tstress": True,
            },
            "system": system,
            "electrons": electronic | {"electron_maxstep": self.max_iterations * attempt},
        }

    @staticmethod
    def failure(text: str) -> Failure | None:
        """What went wrong, by the text of `pw.x`, whose errors stand between two rows of %."""
        if "convergence NOT achieved" in text:
            return SCF, ""
        found = re.search(r"%{20,}\s*\n(.*?)\n\s*%{20,}", text, re.DOTALL)
        if found is None:
            return None
        message = found.group(1)
        if "check_atoms" in message:
            return TOO_CLOSE, message
        if "readpp" in message:
            return MISSING_SETUP, message
        return CRASH, message
