"""Penalties on net force and torque of a direct-force network: how far they fall on new structures, and at what price.

Usage: OMP_NUM_THREADS=1 .venv/bin/python benchmarks/direct_forces.py TRAIN.extxyz TEST.extxyz
           [--structures 60] [--seeds 3] [--weights 0 1 10 100] [--epochs 400]

Prints, per weight of both penalties (of that on the net force alone where structures are periodic), the held-out error
of force components and the roots of both brackets of `pesforge.training.conservation`, means and standard errors over
seeds: other structures and another network each. At the end what the checks of a potential say of the first network
without penalty.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from ase import Atoms

from pesforge.dataset import read_dataset
from pesforge.settings import Tolerances
from pesforge.training.conservation import net_force_penalty, net_torque_penalty
from pesforge.training.direct import DirectCalculator, DirectSettings, fit_direct
from pesforge.validation.derivatives import derivative_checks
from pesforge.validation.symmetry import symmetry_checks

CUTOFF_ANG = 4.5


def measured(calculator: DirectCalculator, frames: Sequence[Atoms]) -> tuple[float, float, float]:
    """RMSE of force components, root of the net-force and of the net-torque penalty, all in eV/Å."""
    forces = np.concatenate([calculator.get_forces(atoms) for atoms in frames])
    labels = np.concatenate([atoms.get_forces() for atoms in frames])
    sizes = torch.tensor([float(len(atoms)) for atoms in frames], dtype=torch.float64)
    structure = torch.arange(len(frames)).repeat_interleave(sizes.long())
    positions = torch.from_numpy(np.concatenate([atoms.positions for atoms in frames]))
    predicted = torch.from_numpy(forces)
    torque = np.nan
    if not any(atoms.pbc.any() for atoms in frames):
        torque = float(net_torque_penalty(predicted, positions, structure, sizes))
    net = float(net_force_penalty(predicted, structure, sizes))
    return float(np.sqrt(np.mean((forces - labels) ** 2))), net**0.5, torque**0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--structures", type=int, default=60)
    parser.add_argument("--tested", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--weights", type=float, nargs="+", default=[0.0, 1.0, 10.0, 100.0])
    parser.add_argument("--epochs", type=int, default=400)
    given = parser.parse_args()
    torch.set_num_threads(1)
    frames, testing = (list(read_dataset(path).frames) for path in (given.train, given.test))
    testing = testing[: given.tested]
    species = tuple(sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()}))
    periodic = any(atoms.pbc.any() for atoms in frames)
    settings = DirectSettings(species, cutoff_ang=CUTOFF_ANG, epochs=given.epochs)
    first: DirectCalculator | None = None
    labels = np.concatenate([atoms.get_forces() for atoms in testing])
    print(f"rms of the labels {np.sqrt(np.mean(labels**2)):.3f} eV/Å")
    print("weight | force RMSE | net force | net torque (eV/Å)")
    for weight in given.weights:
        rows = []
        for seed in range(given.seeds):
            chosen = np.random.default_rng(seed).permutation(len(frames))[: given.structures]
            own = replace(settings, lambda_force=weight, lambda_torque=0.0 if periodic else weight)
            calculator = fit_direct([frames[index] for index in chosen], own, seed=seed)
            first = first or calculator
            rows.append(measured(calculator, testing))
        mean, error = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1) / np.sqrt(len(rows))
        print(f"{weight:g} | " + " | ".join(f"{m:.4f} ± {e:.4f}" for m, e in zip(mean, error, strict=True)), flush=True)
    assert first is not None
    for check in (
        *symmetry_checks(testing[0], first, tolerances=Tolerances(), seed=0),
        *derivative_checks(testing[0], first, tolerances=Tolerances(), seed=0),
    ):
        if check.passed is not None:
            print("passes" if check.passed else "FAILS", check.name, f"{check.value:.2g} {check.unit}")


if __name__ == "__main__":
    main()
