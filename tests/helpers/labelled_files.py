"""Files of structures labelled by the effective medium theory of ASE, and quick settings to fit them."""

from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge.fitting import FitSettings

FAST = FitSettings(functions=120, reductions=(1, 0), neighbours=(18.0,))


def labelled(atoms: Atoms, family: str) -> Atoms:
    atoms.calc = EMT()
    labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    if atoms.pbc.all():
        labels["stress"] = atoms.get_stress()
    atoms.calc = SinglePointCalculator(atoms, **labels)
    atoms.info["config_type"] = family
    return atoms


def rattled(kind: str, seed: int) -> Atoms:
    """A strained and rattled cell of copper, of its alloy with gold, or an ethane molecule."""
    rng = np.random.default_rng(seed)
    if kind == "ethane":
        atoms = molecule("C2H6")
    else:
        atoms = bulk("Cu", "fcc", a=3.6 if kind == "copper" else 3.8, cubic=True)
        atoms.set_cell(atoms.cell.array * (1 + 0.02 * rng.uniform(-1, 1)), scale_atoms=True)
    if kind == "alloy":
        atoms.symbols[: 1 + seed % 3] = "Au"
    atoms.positions += 0.06 * rng.normal(size=atoms.positions.shape)
    return labelled(atoms, "warm" if seed % 2 else "hot")


def write(path: Path, kind: str, seeds: Sequence[int]) -> Path:
    ase.io.write(path, [rattled(kind, seed) for seed in seeds], format="extxyz")
    return path


def command(train: Path, test: Path, out: Path) -> list[str]:
    return ["fit", str(train), "--test", str(test), "--out", str(out), "--functions", "60"]


def force_spread(frames: Sequence[Atoms]) -> float:
    return float(np.sqrt(np.mean(np.concatenate([atoms.get_forces() for atoms in frames]) ** 2)))
