"""Training of mace-torch by its own program on the same structures, on a CPU, for a number of epochs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import write

from pesforge.metrics import Residuals

PACKAGES = ("mace-torch", "torch")
START = "import torch; torch.serialization.add_safe_globals([slice]); from mace.cli.run_train import main"
"""e3nn stores slices, which torch must be told to be harmless."""
TRAIN = f"{START}; main()"
SETTINGS = {
    "model": "MACE",
    "r_max": "5.0",
    "num_channels": "16",
    "max_L": "0",
    "correlation": "3",
    "num_interactions": "2",
    "batch_size": "1",
    "valid_batch_size": "8",
    "lr": "0.01",
    "scheduler": "ExponentialLR",
    "lr_scheduler_gamma": "0.9",
    "energy_weight": "10",
    "forces_weight": "100",
    "valid_fraction": "0.05",
    "E0s": "average",
    "default_dtype": "float32",
    "device": "cpu",
    "seed": "0",
    "energy_key": "REF_energy",
    "forces_key": "REF_forces",
}
NOTE = (
    "mace-torch: 2 layers, 16 scalar channels, 5 Å, float32, batches of 1, one seed;\n"
    "a CPU budget is unfair to networks of this kind, which go further on a GPU"
)


def write_frames(file: Path, frames: Sequence[Atoms]) -> None:
    """Labelled structures as mace-torch reads them, energy and forces alone."""
    plain = []
    for atoms in frames:
        bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        bare.info["REF_energy"] = float(atoms.calc.results["energy"])
        bare.arrays["REF_forces"] = atoms.calc.results["forces"]
        plain.append(bare)
    write(file, plain, format="extxyz")


def command(python: Path, train: Path, folder: Path, epochs: int) -> list[str | Path]:
    """What trains for some epochs and leaves `mace.model` in the folder."""
    settings = {**SETTINGS, "name": "mace", "train_file": train, "work_dir": folder, "max_num_epochs": epochs}
    return [python, "-c", TRAIN, *(f"--{key}={value}" for key, value in settings.items())]


def residuals(folder: Path, test: Sequence[Atoms]) -> tuple[int, Residuals]:
    """Number of parameters, and prediction minus label of the trained model."""
    import torch

    torch.serialization.add_safe_globals([slice])
    from mace.calculators import MACECalculator

    calculator = MACECalculator(model_paths=str(folder / "mace.model"), device="cpu", default_dtype="float32")
    energy, forces = [], []
    for atoms in test:
        plain = atoms.copy()
        plain.calc = calculator
        energy.append((plain.get_potential_energy() - atoms.calc.results["energy"]) / len(atoms))
        forces.append((plain.get_forces() - atoms.calc.results["forces"]).ravel())
    sizes = np.array([len(atoms) for atoms in test])
    found = Residuals(np.array(energy), np.concatenate(forces), np.full(6 * len(test), np.nan), sizes)
    return sum(parameter.numel() for parameter in calculator.models[0].parameters()), found
