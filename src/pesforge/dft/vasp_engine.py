"""Labels from VASP. Its input files are tested; VASP itself was never run with them here, because it is not free."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.genericfileio import BaseProfile, CalculatorTemplate, GenericFileIOCalculator
from ase.io import read, write

from pesforge.dft.failures import CRASH, SCF
from pesforge.dft.program_engine import Failure, OwnGroup, ProgramEngine
from pesforge.dft.pseudopotentials import Pseudopotential, read_potcar
from pesforge.dft.settings import Mesh, ReferenceSettings
from pesforge.errors import LabelError

CONVERGED = "aborting loop because EDIFF is reached"
REMEDIES: tuple[dict[str, Any], ...] = (
    {"ALGO": "Normal"},
    {"ALGO": "All"},
    {"ALGO": "All", "TIME": 0.1},
)
"""Parameters of attempt 1, 2, 3 and more: by the program's documentation all bands at once, then with
a shorter step."""


class Profile(OwnGroup, BaseProfile):
    """A profile of ASE for a program without arguments of its own, with a process group of its own."""

    def get_calculator_command(self, inputfile: str | None) -> list[str]:
        """Nothing: VASP finds its files by their names."""
        return []

    def version(self) -> str:
        """Not asked for."""
        raise NotImplementedError("VASP tells its version only in the output of a calculation")


class Files(CalculatorTemplate):
    """Input and output files of VASP; atoms are sorted by element there, and only there."""

    def __init__(self) -> None:
        super().__init__("vasp", ["energy", "free_energy", "forces", "stress"])
        self.inputname, self.outputname, self.errorname = "INCAR", "vasp.out", "vasp.err"
        self.order: list[int] = []

    def write_input(
        self, profile: Any, directory: Path, atoms: Atoms, parameters: Mapping[str, Any], properties: Sequence[str]
    ) -> None:
        """Write INCAR, KPOINTS, POSCAR and POTCAR."""
        self.order = [int(index) for index in np.argsort(atoms.symbols, kind="stable")]
        atoms = atoms[self.order]
        write(directory / "POSCAR", atoms, format="vasp", direct=False)
        potentials: dict[str, Pseudopotential] = parameters["potentials"]
        parts = [potentials[element].path.read_bytes() for element in dict.fromkeys(atoms.symbols)]
        (directory / "POTCAR").write_bytes(b"".join(parts))
        counts = " ".join(map(str, parameters["mesh"]))
        (directory / "KPOINTS").write_text(f"Γ-centred mesh\n0\nGamma\n{counts}\n0 0 0\n", encoding="utf-8")
        rows = "".join(f"{key} = {value}\n" for key, value in sorted(parameters["incar"].items()))
        (directory / "INCAR").write_text(rows)

    def execute(self, directory: Path, profile: Any) -> None:
        """Run the program."""
        profile.run(directory, self.inputname, self.outputname, errorfile=self.errorname)

    def read_results(self, directory: Any) -> dict[str, Any]:
        """Energy, forces and stress of vasprun.xml, atoms in the order of the structure.

        Raises:
            LabelError: of kind `scf`: OUTCAR does not say that SCF converged.
        """
        folder = Path(directory)
        if CONVERGED not in (folder / "OUTCAR").read_text(encoding="utf-8", errors="replace"):
            raise LabelError(SCF, "VASP did not converge within NELM SCF steps; OUTCAR does not tell of EDIFF.")
        frame = read(folder / "vasprun.xml", index=-1)
        assert isinstance(frame, Atoms)
        results = dict(frame.calc.results)
        results["forces"] = results["forces"][np.argsort(self.order)]
        return results

    def load_profile(self, cfg: Any) -> Any:
        """Not used: the profile comes from the settings."""
        raise NotImplementedError("the program of VASP comes from `dft.command`")


@dataclass(frozen=True)
class VaspEngine(ProgramEngine):
    """VASP with Γ-centred k-points, Fermi-Dirac occupations and projection in reciprocal space."""

    title: ClassVar[str] = "VASP"
    program: ClassVar[str] = "vasp_std"
    package: ClassVar[str] = "VASP is licensed software that each group builds itself"
    source: ClassVar[str] = "Name a POTCAR file for each element, as Si: Si/POTCAR; they come with the licence."
    seconds: ClassVar[tuple[float, float]] = (1.0, 0.1)

    @property
    def name(self) -> str:
        """Name in the settings."""
        return "vasp"

    @staticmethod
    def read_potential(path: Path) -> Pseudopotential:
        """The header of a POTCAR file; DataError if it is not readable."""
        return read_potcar(path)

    def calculator(
        self,
        atoms: Atoms,
        settings: ReferenceSettings,
        mesh: Mesh,
        attempt: int,
        potentials: dict[str, Pseudopotential],
        folder: Path,
    ) -> Any:
        """See `ProgramEngine.calculator`."""
        incar = self.parameters(atoms, settings, attempt, potentials)
        return GenericFileIOCalculator(
            template=Files(),
            profile=Profile(shlex.join(self.command)),
            directory=folder,
            parameters={"incar": incar, "mesh": mesh, "potentials": potentials},
        )

    def parameters(
        self, atoms: Atoms, settings: ReferenceSettings, attempt: int, potentials: dict[str, Pseudopotential]
    ) -> dict[str, Any]:
        """Tags of INCAR; EDIFF goes with the square of the SCF tolerance, as in `EspressoEngine.parameters`."""
        electrons = sum(potentials[symbol].valence for symbol in atoms.symbols)
        tags: dict[str, Any] = {
            "EDIFF": f"{electrons * settings.scf_tolerance**2:.6e}",
            "ENCUT": settings.cutoff_ev,
            "ISMEAR": -1 if settings.smearing_ev else 0,
            "SIGMA": settings.smearing_ev or 0.001,
            "ISPIN": 2 if settings.spin_polarized else 1,
            "IBRION": -1,
            "ISIF": 2,
            "LASPH": ".TRUE.",
            "LCHARG": ".FALSE.",
            "LREAL": ".FALSE.",
            "LWAVE": ".FALSE.",
            "NELM": self.max_iterations * attempt,
            "NSW": 0,
            "PREC": "Accurate",
        }
        if settings.spin_polarized:
            tags["MAGMOM"] = f"{len(atoms)}*{settings.initial_moment}"
        return tags | REMEDIES[min(attempt, len(REMEDIES)) - 1]

    @staticmethod
    def failure(text: str) -> Failure | None:
        """What went wrong, by what VASP prints."""
        found = re.search(r"VERY BAD NEWS!(.*?)(?:\n\s*\n|\Z)", text, re.DOTALL)
        return None if found is None else (CRASH, found.group(1))
