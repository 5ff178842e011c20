"""The settings of the reference method that every label of a study shares."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from pesforge.errors import DataError
from pesforge.fields import REFERENCE_CELL
from pesforge.provenance import digest

Mesh = tuple[int, int, int]


@dataclass(frozen=True)
class ReferenceSettings:
    """Everything that decides the value of a label, apart from the structure.

    Args:
        engine: code.
        functional: exchange-correlation functional, in the engine's name.
        spin_polarized: collinear spin.
        initial_moment: starting magnetic moment per atom in μ_B.
        cutoff_ev: plane-wave cutoff in eV.
        k_spacing_per_ang: largest distance of k-points in 1/Å, 2π included.
        scf_tolerance: change of energy (eV per electron) and density (electrons per electron) at which SCF stops.
        smearing_ev: Fermi-Dirac width in eV.
    """

    engine: str
    functional: str
    spin_polarized: bool
    initial_moment: float
    cutoff_ev: float
    k_spacing_per_ang: float
    scf_tolerance: float
    smearing_ev: float

    @property
    def hash(self) -> str:
        """Name of these settings; it starts with a letter, so that no reader takes it for a number."""
        return f"dft-{digest(self.to_dict())}"

    def to_dict(self) -> dict[str, Any]:
        """The settings as builtin types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "ReferenceSettings":
        """The settings that `to_dict` wrote.

        Raises:
            DataError: keys are missing or unknown.
        """
        wanted = {field.name for field in fields(cls)}
        if set(plain) != wanted:
            raise DataError(
                f"reference settings need the keys {', '.join(sorted(wanted))}; found {', '.join(sorted(plain))}."
            )
        return cls(**plain)

    def mesh(self, reference_cell: NDArray[np.float64], pbc: tuple[bool, bool, bool] = (True, True, True)) -> Mesh:
        """Numbers of k-points of the Γ-centred mesh: ⌈2π |b_i| / spacing⌉, and 1 where the cell is not periodic.

        The cell is the *unstrained* one, so that the mesh, and with it the energy, does not jump under strain.

        Args:
            reference_cell: (3, 3), rows are lattice vectors in Å.
            pbc: periodic directions.
        """
        reciprocal = 2 * math.pi * np.linalg.norm(np.linalg.inv(reference_cell), axis=0)
        counts = [
            max(1, math.ceil(length / self.k_spacing_per_ang - 1e-9)) if periodic else 1
            for length, periodic in zip(reciprocal, pbc, strict=True)
        ]
        return counts[0], counts[1], counts[2]

    def mesh_of(self, atoms: Atoms) -> Mesh:
        """The mesh of a structure: from the `reference_cell` that it carries, otherwise from its own cell."""
        cell = np.asarray(atoms.info.get(REFERENCE_CELL, atoms.cell.array), dtype=float)
        first, second, third = (bool(periodic) for periodic in atoms.pbc)
        return self.mesh(cell, (first, second, third))
