"""Labels from CP2K (Quickstep: Gaussian orbitals, a plane-wave grid for the density, GTH pseudopotentials)."""

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.genericfileio import BaseProfile, CalculatorTemplate, GenericFileIOCalculator
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import Bohr, Hartree, kB

from pesforge.dft.failures import CRASH, SCF, TOO_CLOSE
from pesforge.dft.program_engine import Failure, OwnGroup, ProgramEngine
from pesforge.dft.pseudopotentials import Pseudopotential, cp2k_entries, read_gth
from pesforge.dft.settings import Mesh, ReferenceSettings
from pesforge.errors import LabelError
from pesforge.fields import EV_PER_ANG3_IN_GPA
from pesforge.settings import Dft

FUNCTIONALS = {"PBE": "PBE", "LDA": "PADE", "BLYP": "BLYP"}
"""Functionals of the settings in CP2K's words; its LDA is the Padé form of Goedecker, Teter and Hutter (1996)."""
GAUSSIAN_CUTOFF_RY = 60
"""CP2K's REL_CUTOFF, the grid of a Gaussian of exponent 1; its documentation's advice for accurate forces."""
REMEDIES: tuple[dict[str, Any], ...] = (
    {"ALPHA": 0.4, "NBROYDEN": 8},
    {"ALPHA": 0.2, "NBROYDEN": 12},
    {"ALPHA": 0.05, "NBROYDEN": 20},
)
"""Mixing of attempt 1, 2, 3 and more: by the program's documentation less of the new density and a longer history."""
NUMBER = r"[-+]?\d+\.\d+(?:[ED][-+]?\d+)?"


class Profile(OwnGroup, BaseProfile):
    """A profile of ASE with a process group of its own."""

    def get_calculator_command(self, inputfile: str | None) -> list[str]:
        """Arguments of CP2K; its text comes on standard output."""
        return ["-i", str(inputfile)]

    def version(self) -> str:
        """Not asked for."""
        raise NotImplementedError("CP2K tells its version only in the output of a calculation")


class Files(CalculatorTemplate):
    """Input and output files of CP2K."""

    def __init__(self) -> None:
        super().__init__("cp2k", ["energy", "free_energy", "forces", "stress"])
        self.inputname, self.outputname, self.errorname = "cp2k.inp", "cp2k.out", "cp2k.err"

    def write_input(
        self, profile: Any, directory: Path, atoms: Atoms, parameters: Mapping[str, Any], properties: Sequence[str]
    ) -> None:
        """Write the input, and basis sets and potentials of the elements that occur."""
        for name in ("POTENTIAL", "BASIS"):
            (directory / name).write_text("\n".join(entries[name] for entries in parameters["entries"].values()))
        (directory / self.inputname).write_text("\n".join(_rows(parameters["input"])) + "\n")

    def execute(self, directory: Path, profile: Any) -> None:
        """Run the program."""
        profile.run(directory, self.inputname, self.outputname, errorfile=self.errorname)

    def read_results(self, directory: Any) -> dict[str, Any]:
        """Free energy, forces and stress; with smearing CP2K's total energy is E − TS.

        CP2K prints the stress with the sign of a pressure, in GPa.

        Raises:
            LabelError: of kind `crash`: one of them is not in the output.
        """
        text = (Path(directory) / self.outputname).read_text(encoding="utf-8", errors="replace")
        energy = re.search(rf"ENERGY\| Total FORCE_EVAL.*:\s+({NUMBER})", text)
        table = re.search(r"ATOMIC FORCES in \[a\.u\.\](.*?)SUM OF ATOMIC FORCES", text, re.DOTALL)
        start = text.find("STRESS| Analytical stress tensor [GPa]")
        stress = re.findall(rf"STRESS\|\s+[xyz]\s+({NUMBER})\s+({NUMBER})\s+({NUMBER})", text[start:])[:3]
        if energy is None or table is None or start < 0 or len(stress) != 3:
            raise LabelError(CRASH, "CP2K ended without energy, forces or stress in its output.")
        rows = re.findall(
            rf"^\s+\d+\s+\d+\s+\w+\s+({NUMBER})\s+({NUMBER})\s+({NUMBER})\s*$", table.group(1), re.MULTILINE
        )
        return {
            "free_energy": float(energy.group(1)) * Hartree,
            "forces": np.array(rows, dtype=float) * Hartree / Bohr,
            "stress": -full_3x3_to_voigt_6_stress(np.array(stress, dtype=float)) / EV_PER_ANG3_IN_GPA,
        }

    def load_profile(self, cfg: Any) -> Any:
        """Not used: the profile comes from the settings."""
        raise NotImplementedError("the program of CP2K comes from `dft.command`")


@dataclass(frozen=True)
class Cp2kEngine(ProgramEngine):
    """CP2K with Γ-centred k-points and Fermi-Dirac occupations; `cutoff_ev` is that of the density grid."""

    title: ClassVar[str] = "CP2K"
    program: ClassVar[str] = "cp2k"
    package: ClassVar[str] = "Install it (Debian: apt-get install cp2k)"
    source: ClassVar[str] = (
        "Name four words for each element, as Si: GTH_POTENTIALS GTH-PBE-q4 BASIS_MOLOPT DZVP-MOLOPT-SR-GTH; Debian's "
        "cp2k-data has these files in /usr/share/cp2k."
    )
    seconds: ClassVar[tuple[float, float]] = (1.5, 0.6)

    @property
    def name(self) -> str:
        """Name in the settings."""
        return "cp2k"

    @staticmethod
    def read_potential(path: Path) -> Pseudopotential:
        """What the entry of a potential says, and that of a basis set; DataError if one is not there."""
        return read_gth(path)

    def problems(self, dft: Dft, elements: Sequence[str]) -> list[str]:
        """Sentences about what would fail; see `ProgramEngine.problems`."""
        if dft.functional not in FUNCTIONALS:
            return [f"functional {dft.functional!r} is unknown; allowed with CP2K: {', '.join(FUNCTIONALS)}."]
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
        """See `ProgramEngine.calculator`."""
        entries = {element: cp2k_entries(potential.path) for element, potential in potentials.items()}
        return GenericFileIOCalculator(
            template=Files(),
            profile=Profile(shlex.join(self.command)),
            directory=folder,
            parameters={"input": self.parameters(atoms, settings, mesh, attempt, potentials), "entries": entries},
        )

    def parameters(
        self,
        atoms: Atoms,
        settings: ReferenceSettings,
        mesh: Mesh,
        attempt: int,
        potentials: dict[str, Pseudopotential],
    ) -> dict[str, Any]:
        """Sections and keywords of the input; a section that takes a parameter carries it in its name.

        With smearing all orbitals of the basis are occupied as Fermi and Dirac say. EPS_SCF bounds the change of the
        density matrix; a hundredth of the SCF tolerance puts 1e-4 at 1e-6, ten times below CP2K's default.
        """
        scf: dict[str, Any] = {
            "EPS_SCF": f"{0.01 * settings.scf_tolerance:.6e}",
            "MAX_SCF": self.max_iterations * attempt,
            "SCF_GUESS": "ATOMIC",
            "DIAGONALIZATION": {"ALGORITHM": "STANDARD"},
            "MIXING": {"METHOD": "BROYDEN_MIXING"} | REMEDIES[min(attempt, len(REMEDIES)) - 1],
            "PRINT": {"RESTART OFF": {}},
        }
        if settings.smearing_ev:
            kelvin = settings.smearing_ev / kB
            scf |= {
                "ADDED_MOS": -1,
                "SMEAR ON": {"METHOD": "FERMI_DIRAC", "ELECTRONIC_TEMPERATURE": f"[K] {kelvin:.6f}"},
            }
        dft: dict[str, Any] = {
            "BASIS_SET_FILE_NAME": "BASIS",
            "POTENTIAL_FILE_NAME": "POTENTIAL",
            "MGRID": {"CUTOFF": f"[eV] {settings.cutoff_ev}", "REL_CUTOFF": f"[Ry] {GAUSSIAN_CUTOFF_RY}"},
            "QS": {"EPS_DEFAULT": 1e-12},
            "SCF": scf,
            "XC": {f"XC_FUNCTIONAL {FUNCTIONALS[settings.functional]}": {}},
        }
        if mesh != (1, 1, 1):
            dft["KPOINTS"] = {"SCHEME": "GENERAL", "UNITS": "B_VECTOR", "KPOINT": centred_points(mesh)}
        kinds: dict[str, dict[str, Any]] = {}
        for element, potential in potentials.items():
            _, _, potential_name, _, basis_name = potential.path.name.split()
            kinds[f"KIND {element}"] = {"BASIS_SET": basis_name, "POTENTIAL": potential_name}
        if settings.spin_polarized:
            electrons = round(sum(potentials[symbol].valence for symbol in atoms.symbols))
            dft |= {"UKS": "T", "MULTIPLICITY": multiplicity(electrons, settings.initial_moment * len(atoms))}
            dft["RELAX_MULTIPLICITY"] = 1.0
            for kind in kinds.values():
                kind["MAGNETIZATION"] = settings.initial_moment
        vectors = zip("ABC", atoms.cell.array, strict=True)
        cell: dict[str, Any] = {key: " ".join(f"{part:.12f}" for part in vector) for key, vector in vectors}
        rows = zip(atoms.symbols, atoms.positions, strict=True)
        places = [f"{symbol} {x:.12f} {y:.12f} {z:.12f}" for symbol, (x, y, z) in rows]
        return {
            "GLOBAL": {"PROJECT": "pesforge", "RUN_TYPE": "ENERGY_FORCE", "PRINT_LEVEL": "LOW"},
            "FORCE_EVAL": {
                "METHOD": "QUICKSTEP",
                "STRESS_TENSOR": "ANALYTICAL",
                "PRINT": {"FORCES": {"NDIGITS": 12}, "STRESS_TENSOR": {}},
                "DFT": dft,
                "SUBSYS": {"CELL": cell | {"PERIODIC": "XYZ"}, "COORD": {"": places}, **kinds},
            },
        }

    @staticmethod
    def failure(text: str) -> Failure | None:
        """What went wrong, by the text of CP2K; an SCF that did not converge is a warning there, and exit status 0."""
        if "SCF run NOT converged" in text:
            return SCF, ""
        close = re.search(r"Particles:.*at distance \[au\]:\s*[\d.]+", text)
        if close is not None:
            return TOO_CLOSE, close.group(0)
        found = re.search(r"\[ABORT\](.*?)\n \*{40,}", text, re.DOTALL)
        if found is None:
            return None
        return CRASH, re.sub(r"[*|/\\_]| O\b", " ", found.group(1))

    def estimate_seconds(self, atoms: Atoms, settings: ReferenceSettings, mesh: Mesh) -> float:
        """Rough time of one label in s; see `ProgramEngine.estimate_seconds`. Grids, not bands, cost the time here."""
        start, per_point = self.seconds
        k_points = math.prod(mesh) // 2 + 1
        spins = 2 if settings.spin_polarized else 1
        return start + per_point * len(atoms) * spins * (settings.cutoff_ev / 4000) * (4 + 0.1 * k_points)


def centred_points(mesh: Mesh) -> list[str]:
    """Fractional coordinates and weight of each point of a Γ-centred mesh; of k and −k, which are equal, one stays.

    CP2K's own scheme after Monkhorst and Pack leaves out Γ where a count is even.

    Args:
        mesh: numbers of points.
    """
    weights: dict[tuple[int, ...], int] = {}
    for point in product(*map(range, mesh)):
        opposite = tuple(-index % count for index, count in zip(point, mesh, strict=True))
        kept = min(point, opposite)
        weights[kept] = weights.get(kept, 0) + 1
    return [
        " ".join(f"{index / count:.12f}" for index, count in zip(point, mesh, strict=True)) + f" {weight}"
        for point, weight in weights.items()
    ]


def multiplicity(electrons: int, moment: float) -> int:
    """The multiplicity nearest to a moment that this number of electrons allows.

    Args:
        electrons: valence electrons of the cell.
        moment: wanted moment of the cell in μ_B.
    """
    unpaired = range(electrons % 2, electrons + 1, 2)
    return 1 + min(unpaired, key=lambda count: abs(count - moment))


def _rows(section: Mapping[str, Any]) -> list[str]:
    """Lines of a section's content: keywords, a line for every value of a list, and sections inside."""
    rows: list[str] = []
    for key, value in section.items():
        if isinstance(value, Mapping):
            rows += [f"&{key}", *_rows(value), f"&END {key.split()[0]}"]
        else:
            rows += [f"{key} {item}".strip() for item in (value if isinstance(value, list) else [value])]
    return rows
