"""Time and peak memory of a fit against the number of structures: it should be linear in time and flat in memory.

Usage: OMP_NUM_THREADS=1 .venv/bin/python benchmarks/scaling.py [--structures 200 2000 20000] [--functions 200]
           [--kept 1 2e9]

Cells of 8 copper atoms, strained and rattled, are labelled by a Lennard-Jones calculator. Each case is a process of its
own: it makes the structures, notes its peak memory, and chooses a potential (design matrix, Gram matrices, the search
over sizes, α and energy weights). `--kept` is the largest design matrix (bytes) that the choice may keep in memory.
What must grow is told beside the peak: the structures themselves and two copies of the energy rows (8 K bytes each).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge.fields import FAMILY, GROUP, ID
from pesforge.fitting import FitSettings
from pesforge.fitting.search import choose
from pesforge.representations.arrays import FloatArray

MIB = 2.0**20
FAMILIES = ("cool", "warm", "hot")
RATTLES_ANG = (0.05, 0.1, 0.2)
SHAPES = 200
"""Distinct cells that are labelled; more structures than that are rotated copies, so that making them is cheap."""


def peak_mib() -> float:
    """Peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB


def rotation(rng: np.random.Generator) -> FloatArray:
    """A random orthogonal matrix (3, 3)."""
    return np.asarray(np.linalg.qr(rng.normal(size=(3, 3)))[0])


def structures(count: int) -> list[Atoms]:
    """Labelled cells, each a group of its own."""
    rng = np.random.default_rng(0)
    shapes = []
    for number in range(min(SHAPES, count)):
        atoms = bulk("Cu", "fcc", a=3.6, orthorhombic=True) * (2, 2, 1)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(scale=0.02, size=(3, 3))), scale_atoms=True)
        atoms.positions += rng.normal(scale=RATTLES_ANG[number % len(RATTLES_ANG)], size=atoms.positions.shape)
        atoms.calc = LennardJones(sigma=2.3, epsilon=0.2, rc=5.0, smooth=True)
        shapes.append((atoms, atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False)))
    frames = []
    for number in range(count):
        atoms, energy, forces, stress = shapes[number % len(shapes)]
        turn = rotation(rng)
        frame = Atoms(atoms.numbers, atoms.positions @ turn, cell=atoms.cell.array @ turn, pbc=True)
        tensor = turn.T @ stress @ turn
        voigt = tensor[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        frame.calc = SinglePointCalculator(frame, energy=energy, forces=forces @ turn, stress=voigt)
        frame.info = {ID: str(number), GROUP: str(number), FAMILY: FAMILIES[number % len(FAMILIES)]}
        frames.append(frame)
    return frames


def measure(count: int, functions: int, kept_bytes: float) -> dict[str, float]:
    """Time and memory of one choice in this process; a choice on a few structures loads the compiled code before."""
    settings = FitSettings(functions=functions, memory_bytes=kept_bytes)
    choose(structures(30), settings, lambda _: None)
    base = peak_mib()
    frames = structures(count)
    made = peak_mib()
    spoken: list[tuple[str, float]] = []
    begun = time.process_time()
    chosen = choose(frames, settings, lambda text: spoken.append((text, time.process_time() - begun)))
    taken = time.process_time() - begun
    described = [seconds for text, seconds in spoken if text.endswith("structures described")]
    opened = next(seconds for text, seconds in spoken if f"{count} structures, " in text)
    return {
        "functions": chosen.problem.basis.n_functions,
        "points": len(chosen.tried),
        "cutoff_seconds": opened,
        "gram_seconds": described[-1] - opened,
        "search_seconds": taken - described[-1],
        "seconds": taken,
        "base_mib": base,
        "made_mib": made,
        "peak_mib": peak_mib(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--structures", nargs="+", type=int, default=(200, 2000, 20000))
    parser.add_argument("--functions", type=int, default=200)
    parser.add_argument("--kept", nargs="+", type=float, default=(1.0, FitSettings().memory_bytes))
    parser.add_argument("--measure", nargs=2, type=float, metavar=("N", "KEPT"), help="one case in this process, JSON")
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(int(arguments.measure[0]), arguments.functions, arguments.measure[1])))
        return
    print(f"load averages {os.getloadavg()}")
    times = ("cutoff s", "Gram s", "search s", "total s", "ms/struct.")
    sizes = ("start MiB", "made MiB", "peak MiB", "E rows MiB", "rest MiB")
    print(f"{'kept ≤ MiB':>10}{'structures':>12}{'K':>5}{'points':>8}" + "".join(f"{t:>12}" for t in (*times, *sizes)))
    for kept in arguments.kept:
        for count in arguments.structures:
            case = ["--functions", str(arguments.functions), "--measure", str(count), str(kept)]
            done = subprocess.run([sys.executable, __file__, *case], stdout=subprocess.PIPE, text=True, check=True)
            found = json.loads(done.stdout)
            took = [found[f"{name}_seconds"] for name in ("cutoff", "gram", "search")]
            took += [found["seconds"], 1e3 * found["seconds"] / count]
            rows = 2 * 8 * count * found["functions"] / MIB
            memory = [found["base_mib"], found["made_mib"], found["peak_mib"], rows]
            memory.append(found["peak_mib"] - found["made_mib"] - rows)
            cells = "".join(f"{value:>12.2f}" for value in took) + "".join(f"{value:>12.0f}" for value in memory)
            print(f"{kept / MIB:>10.0f}{count:>12}{found['functions']:>5}{found['points']:>8}{cells}", flush=True)


if __name__ == "__main__":
    main()
