"""Labels from GPAW in its plane-wave mode.

GPAW is imported where it is used, because the import takes seconds and a dry run needs none of it.
"""

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from pesforge.dft.failures import MISSING_SETUP, SCF, TOO_CLOSE
from pesforge.dft.label import Label
from pesforge.dft.settings import Mesh, ReferenceSettings
from pesforge.errors import LabelError
from pesforge.settings import Dft

BUILT_IN = ("LDA", "PBE", "RPBE", "revPBE")
"""Functionals that GPAW has of its own; all others come from libxc."""
FIRST_MIXING = 0.15
"""GPAW's default is 0.05. On rattled Si₈ 0.15 needs 10 instead of 13 steps and changes forces by < 0.5 meV/Å, which is
the noise of the tolerance itself."""
REMEDIES: tuple[dict[str, Any], ...] = (
    {"mixer": {"name": "msr1", "beta": FIRST_MIXING}},
    {"mixer": {"name": "pulay", "beta": 0.03, "nmaxold": 8, "weight": 50.0}},
    {"mixer": {"name": "pulay", "beta": 0.02, "nmaxold": 5, "weight": 100.0}, "nbands": "250%"},
)
"""Parameters of attempt 1, 2, 3 and more: GPAW's advice against slow or failing SCF is less mixing with a stronger
damping of long waves, more steps, and more empty bands."""
NOBLE_GASES = (0, 2, 10, 18, 36, 54, 86)


@dataclass(frozen=True)
class GpawEngine:
    """GPAW with plane waves, Γ-centred k-points, Davidson's eigensolver and Fermi-Dirac occupations.

    Args:
        max_iterations: SCF steps of the first attempt; each further attempt may take as many again.
        log: file for GPAW's own text; None for none.
    """

    max_iterations: int = 200
    log: Path | None = None

    @property
    def name(self) -> str:
        """Name in the settings."""
        return "gpaw"

    def problems(self, dft: Dft, elements: Sequence[str]) -> list[str]:
        """Sentences about what would fail: functional unknown, no PAW set for an element, moment without spin."""
        if find_spec("gpaw") is None:
            return ["GPAW is not installed; install the package `gpaw`, or use the environment in `envs/`."]
        found = []
        if dft.functional not in BUILT_IN and not _in_libxc(dft.functional):
            found.append(
                f"functional {dft.functional!r} is not available. This GPAW was built without libxc or does not know "
                f"the name; without libxc: {', '.join(BUILT_IN)}."
            )
        else:
            missing = [element for element in elements if not _has_setup(element, dft.functional)]
            if missing:
                found.append(
                    f"no PAW data set for {', '.join(missing)} with {dft.functional} in "
                    f"{', '.join(map(str, _setup_folders())) or 'any folder'}. Choose another functional, or put the "
                    "data set in a folder named in GPAW_SETUP_PATH."
                )
        if dft.initial_moment > 0 and not dft.spin_polarized:
            found.append("`initial_moment` above 0 needs `spin_polarized: true`.")
        return found

    def calculate(self, atoms: Atoms, settings: ReferenceSettings, mesh: Mesh, attempt: int) -> Label:
        """The label of a structure; see `Engine.calculate`."""
        from gpaw import GPAW, KohnShamConvergenceError
        from gpaw.utilities import AtomsTooClose

        started = time.perf_counter()
        work = Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        if settings.spin_polarized:
            work.set_initial_magnetic_moments([settings.initial_moment] * len(work))
        parameters = self.parameters(settings, mesh, attempt)
        try:
            work.calc = GPAW(**parameters)
            energy = work.get_potential_energy(force_consistent=True)
            forces = work.get_forces()
            stress = work.get_stress(voigt=True) if work.pbc.all() else np.full(6, np.nan)
        except KohnShamConvergenceError as error:
            hint = "" if settings.smearing_ev else " The gap may have closed: set `dft.smearing_ev` to 0.05 or more."
            raise LabelError(
                SCF, f"GPAW did not converge within {parameters['maxiter']} SCF steps (attempt {attempt}).{hint}"
            ) from error
        except AtomsTooClose as error:
            raise LabelError(TOO_CLOSE, f"GPAW refused the structure: {error}") from error
        except FileNotFoundError as error:
            raise LabelError(MISSING_SETUP, " ".join(str(error).split())) from error
        return Label(
            energy=float(energy),
            forces=np.array(forces, dtype=float),
            stress=np.array(stress, dtype=float),
            seconds=time.perf_counter() - started,
            attempt=attempt,
        )

    def parameters(self, settings: ReferenceSettings, mesh: Mesh, attempt: int) -> dict[str, Any]:
        """Keyword arguments of `gpaw.GPAW`.

        The tolerance on the eigenstates goes with the square of the SCF tolerance, as a residual does; GPAW's own
        default of 4e-8 eV² belongs to 1e-4, and kept fixed it would decide alone.
        """
        tolerance = settings.scf_tolerance
        parameters: dict[str, Any] = {
            "mode": {"name": "pw", "ecut": settings.cutoff_ev},
            "xc": settings.functional,
            "kpts": {"size": mesh, "gamma": True},
            "eigensolver": "davidson",
            "occupations": {"name": "fermi-dirac", "width": settings.smearing_ev},
            "convergence": {"energy": tolerance, "density": tolerance, "eigenstates": 4 * tolerance**2},
            "maxiter": self.max_iterations * attempt,
            "txt": None if self.log is None else str(self.log),
        }
        if settings.spin_polarized:
            parameters["spinpol"] = True
        return parameters | REMEDIES[min(attempt, len(REMEDIES)) - 1]

    def estimate_seconds(self, atoms: Atoms, settings: ReferenceSettings, mesh: Mesh) -> float:
        """Rough time of one label without symmetry in s on one core, ± a factor of 2.

        Scaled from rattled Si₈: 0.65 s per k-point at 250 eV and 32 electrons, and from Si₂: 0.1 s at 8 electrons.
        Vacuum, which costs plane waves, is not counted.
        """
        k_points = math.prod(mesh) // 2 + 1
        electrons = sum(_valence(number) for number in atoms.numbers)
        spins = 2 if settings.spin_polarized else 1
        return 1.0 + 0.65 * spins * k_points * (electrons / 32) ** 1.4 * (settings.cutoff_ev / 250) ** 1.2


def _valence(number: int) -> int:
    """Electrons outside the noble-gas core, at least 1."""
    core = max(count for count in NOBLE_GASES if count < number)
    return max(1, int(number) - core)


def _setup_folders() -> list[Path]:
    """Folders of PAW data sets, in the order in which GPAW looks into them."""
    folders = [Path(folder) for folder in os.environ.get("GPAW_SETUP_PATH", "").split(os.pathsep) if folder]
    if find_spec("gpaw_data") is not None:
        folders.append(Path(import_module("gpaw_data").datapath()))
    return folders


def _has_setup(element: str, functional: str) -> bool:
    """Whether a PAW data set of an element is there; functionals of libxc use sets that GPAW chooses itself."""
    if element not in atomic_numbers:
        return False
    if functional not in BUILT_IN:
        return any(any(folder.glob(f"{element}.*")) for folder in _setup_folders())
    names = (f"{element}.{functional}", f"{element}.{functional}.gz")
    return any((folder / name).is_file() for folder in _setup_folders() for name in names)


def _in_libxc(functional: str) -> bool:
    """Whether GPAW was built with libxc and knows the functional."""
    import gpaw

    if not gpaw.get_libraries()["libxc"]:
        return False
    from gpaw.xc import XC

    try:
        XC(functional)
    except (NameError, KeyError, ValueError):
        return False
    return True
