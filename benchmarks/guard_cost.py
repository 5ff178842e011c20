"""What the guard costs: a step of the ASE calculator, and of LAMMPS where there is one, with and without leverages.

512 silicon atoms swing about their sites; coefficients and their covariance are random, since only their number counts,
but the covariance has the triangular factor of a fitted one. Every number is a ratio to the unguarded step of the same
process, runs of both taking turns.

Usage: OMP_NUM_THREADS=1 .venv/bin/python benchmarks/guard_cost.py
"""

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from lammps_speed import BASES, LEVERAGE, microseconds, ours, random_potential, silicon

from pesforge.errors import PesforgeError
from pesforge.export import PesforgeCalculator, Potential
from pesforge.export.lammps import build_plugin, import_lammps
from pesforge.uncertainty.guard import Guard

STEPS, REPEATS = 10, 7
EVERY = (10, 1)
"""Steps between two looks of the guard."""
Row = tuple[str, int, float, list[float]]
"""Where, number of functions, µs per atom and step without a guard, ratios with it."""


def guarded(potential: Potential, every: int | None) -> PesforgeCalculator:
    """The calculator, watching at every n-th call; None: not at all."""
    guard = None if every is None else Guard(1e12, every=every)
    return PesforgeCalculator(potential, guard=guard)


def of_calculator(potential: Potential) -> Row:
    """Smallest CPU times over several runs of forces of atoms in motion."""
    swing = np.random.default_rng(0).normal(scale=0.002, size=(len(silicon()), 3))
    cases = [silicon() for _ in (None, *EVERY)]
    for atoms, every in zip(cases, (None, *EVERY), strict=True):
        atoms.calc = guarded(potential, every)
        atoms.get_forces()
    taken: list[list[float]] = [[] for _ in cases]
    for repeat in range(REPEATS):
        for atoms, times in zip(cases, taken, strict=True):
            begun = time.process_time()
            for step in range(STEPS):
                atoms.positions += swing * np.cos(step + STEPS * repeat)
                atoms.get_forces()
            times.append(time.process_time() - begun)
    plain, *watched = (min(times) for times in taken)
    each = plain / STEPS / len(swing) * 1e6
    return "ASE calculator", potential.basis.n_functions, each, [times / plain for times in watched]


def of_lammps(lammps, folder: Path, plugin: Path, potential: Potential) -> Row:
    """The same of `fix leverage` in LAMMPS."""
    style = ours(folder, plugin, potential)
    plain = microseconds(lammps, folder, style)
    watched = [microseconds(lammps, folder, [*style, LEVERAGE.format(every=every)]) for every in EVERY]
    return "LAMMPS", potential.basis.n_functions, plain, [took / plain for took in watched]


def triangular(potential: Potential) -> Potential:
    """The potential with a covariance whose factor has the shape of a fitted one."""
    posterior = potential.posterior
    whitening = np.triu(posterior.whitening)
    whitening[-1] = posterior.whitening[-1]
    return replace(potential, posterior=replace(posterior, whitening=whitening))


def main() -> None:
    try:
        lammps = import_lammps()
    except PesforgeError as error:
        lammps = None
        print(f"without LAMMPS: {error}")
    print(f"load averages {os.getloadavg()}")
    looks = "".join(f"{f'every {every}':>10}" for every in EVERY)
    print(f"{'':<16}{'functions':>10}{'µs/atom/step':>14}{looks}   (ratios to the step without a guard)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plugin = None if lammps is None else build_plugin(folder)
        for cutoff, max_degree, l_max in BASES:
            potential = triangular(random_potential(cutoff, max_degree, l_max))
            rows = [of_calculator(potential)]
            if lammps is not None and plugin is not None:
                rows.append(of_lammps(lammps, folder, plugin, potential))
            for label, functions, took, ratios in rows:
                told = "".join(f"{ratio:>10.2f}" for ratio in ratios)
                print(f"{label:<16}{functions:>10}{took:>14.2f}{told}", flush=True)
    print(f"load averages {os.getloadavg()}")


if __name__ == "__main__":
    main()
