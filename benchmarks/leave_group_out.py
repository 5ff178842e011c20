"""Exact leave-group-out of the linear potential against brute-force refits, on synthetic rows of the given size.

Usage: OMP_NUM_THREADS=1 .venv/bin/python benchmarks/leave_group_out.py [functions] [structures]
"""

import sys
import time

import numpy as np

from pesforge.potentials.linear import LinearProblem, residuals
from pesforge.potentials.normal import Weights
from pesforge.representations.design import Design

ATOMS = 8


def synthetic(functions: int, structures: int) -> Design:
    """Random rows of structures with 8 atoms each; labels are linear in them, with noise."""
    rng = np.random.default_rng(0)
    energy = rng.normal(size=(structures, functions))
    forces = rng.normal(size=(3 * ATOMS * structures, functions))
    stress = rng.normal(size=(6 * structures, functions)) / 100
    truth = rng.normal(size=functions)
    names = tuple(str(number) for number in range(structures))
    return Design(
        ids=names,
        families=("synthetic",) * structures,
        groups=names,
        n_atoms=np.full(structures, ATOMS),
        counts=np.full((structures, 1), float(ATOMS)),
        energy=energy,
        forces=forces,
        stress=stress,
        y_energy=energy @ truth + rng.normal(size=structures),
        y_forces=forces @ truth + rng.normal(size=len(forces)),
        y_stress=stress @ truth + rng.normal(size=len(stress)) / 100,
        degree=np.ones(functions),
        order=np.ones(functions, dtype=np.int64),
        emphasis=np.ones((structures, 3)),
    )


def main() -> None:
    functions = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    structures = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    design, weights, alpha = synthetic(functions, structures), Weights(400.0, 1.0, 2500.0), 1e-3
    problem = LinearProblem(design, prior_power=0.0)
    started = time.perf_counter()
    exact = problem.leave_out(weights, alpha, design.groups)
    exact_seconds = time.perf_counter() - started
    started = time.perf_counter()
    tried = range(0, structures, max(1, structures // 10))
    for left in tried:
        rest = np.delete(np.arange(structures), left)
        fit = LinearProblem(design.select(rest), prior_power=0.0).fit(weights, alpha)
        residuals(design.select(np.array([left])), fit)
    brute_seconds = (time.perf_counter() - started) / len(tried) * structures
    print(
        f"{functions} functions, {structures} groups, energy rms {exact.energy.std():.3g}: exact {exact_seconds:.2f} s"
    )
    print(f"brute force {brute_seconds:.1f} s (from {len(tried)} refits); ratio {brute_seconds / exact_seconds:.0f}")


if __name__ == "__main__":
    main()
