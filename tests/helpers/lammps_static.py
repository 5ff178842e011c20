"""One structure by LAMMPS, in the axes of its cell."""

from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from lammps_run import BAR_IN_EV_PER_ANG3, THERMO, run_lammps


def static(atoms: Atoms, species: tuple[str, ...], lines: tuple[str, ...], folder: Path) -> dict[str, np.ndarray]:
    """Energy (eV), forces (n, 3) (eV/Å) and stress (3, 3) (eV/Å³) by LAMMPS, in the axes of `atoms`."""
    data = folder / "structure.data"
    ase.io.write(data, atoms, format="lammps-data", masses=True, specorder=list(species))
    job = ["units metal", "atom_style atomic", "boundary p p p", "atom_modify map array", f"read_data {data}", *lines]
    (found,) = run_lammps([[*job, "run 0"]])
    assert "error" not in found, found
    thermo = dict(zip(THERMO, found["thermo"], strict=True))
    xx, yy, zz, yz, xz, xy = (-thermo[name] * BAR_IN_EV_PER_ANG3 for name in ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy"))
    prism = Prism(atoms.cell.array, pbc=atoms.pbc)
    stress = prism.tensor2_to_ase(np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
    return {"energy": thermo["pe"], "forces": prism.vector_to_ase(found["forces"]), "stress": stress}
