"""Time per atom and step of a linear potential on a vibrating silicon crystal, beside peers in the same run.

Usage: OMP_NUM_THREADS=1 .venv/bin/python benchmarks/evaluate.py [atoms]
"""

import sys
import time
from collections.abc import Callable

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.tersoff import Tersoff, TersoffParameters

from pesforge.export import PesforgeCalculator, Potential
from pesforge.representations.ace import AceBasis
from pesforge.representations.pair_list import PairList

CUTOFF_ANG = 5.0
STEPS = 20
"""Steps of 1 fs of a run; the first finds the pairs, which are kept as long as atoms allow."""
REPEATS = 5
SIZES = {"about 500 functions": (12, 12, 10, -1), "about 1700 functions": (14, 14, 13, 9)}
SILICON = TersoffParameters(
    3.0, 1.0, 0.0, 1.0039e5, 16.217, -0.59825, 0.78734, 1.1e-6, 1.73222, 471.18, 2.85, 0.15, 2.4799, 1830.8
)
"""J. Tersoff, Phys. Rev. B 39, 5566 (1989), in the order of ASE's fields."""


def vibrations(n_atoms: int) -> list[Atoms]:
    """Steps of a crystal whose atoms swing by 0.1 Å per direction with periods around 80 fs, as near 900 K."""
    rng = np.random.default_rng(0)
    cells = max(1, round((n_atoms / 8) ** (1 / 3)))
    atoms = bulk("Si", cubic=True) * (cells, cells, cells)
    swing = rng.normal(scale=0.14, size=atoms.positions.shape)
    rate, start = 2 * np.pi / rng.uniform(60, 100, swing.shape), rng.uniform(0, 2 * np.pi, swing.shape)
    frames = []
    for step in range(STEPS):
        frame = atoms.copy()
        frame.positions += swing * np.sin(rate * step + start)
        frames.append(frame)
    return frames


def potential(max_degree: tuple[int, ...]) -> Potential:
    """Random coefficients: the time does not depend on them."""
    basis = AceBasis(("Si",), CUTOFF_ANG, max_degree, (0, 6, 5, 3))
    coefficients = np.random.default_rng(1).normal(size=basis.n_functions) / (1 + basis.degree) ** 2
    return Potential("ace-linear", basis, coefficients, {"Si": 0.0})


def seconds(run: Callable[[Atoms], object], frames: list[Atoms], repeats: int) -> float:
    """Least CPU seconds per atom and step over the repeats; the first step of all is not counted."""
    run(frames[0])
    found = []
    for _ in range(repeats):
        started = time.process_time()
        for frame in frames:
            run(frame)
        found.append(time.process_time() - started)
    return min(found) / len(frames) / len(frames[0])


def ours() -> dict[str, Callable[[Atoms], object]]:
    """What evaluates a structure, by name."""
    runs: dict[str, Callable[[Atoms], object]] = {}
    for size, max_degree in SIZES.items():
        model = potential(max_degree)
        calculator = PesforgeCalculator(model)
        pairs = PairList()
        name = f"{size} ({model.basis.n_functions})"
        runs[f"{name}: kernel, pairs kept"] = lambda atoms, model=model, pairs=pairs: model.evaluate(atoms, pairs)
        runs[f"{name}: ASE calculator"] = lambda atoms, calculator=calculator: calculator.get_forces(atoms)
        runs[f"{name}: pairs found anew"] = model.evaluate
        runs[f"{name}: exact basis"] = lambda atoms, model=model: model.basis.evaluate(atoms, model.atom_gradient)
    return runs


PEERS: dict[str, Callable[[Atoms], object]] = {
    "Tersoff of ASE, in Python": Tersoff({("Si", "Si", "Si"): SILICON}).get_forces,
}
"""Other potentials: what gives energy and forces of a silicon structure, by name."""


def main() -> None:
    frames = vibrations(int(sys.argv[1]) if len(sys.argv) > 1 else 512)
    times = {name: seconds(run, frames, 1 if "exact" in name else REPEATS) for name, run in ours().items()}
    few = vibrations(64)[:2]
    times |= {name: seconds(run, few, 1) for name, run in PEERS.items()}
    reference = next(value for name, value in times.items() if "ASE calculator" in name)
    print(f"{len(frames[0])} atoms, {STEPS} steps, cutoff {CUTOFF_ANG} Å; energy, forces and stress on one core")
    print(f"{'':58} µs/atom/step   ratio")
    for name, value in times.items():
        print(f"{name:58} {1e6 * value:12.1f} {value / reference:7.2f}")


if __name__ == "__main__":
    main()
