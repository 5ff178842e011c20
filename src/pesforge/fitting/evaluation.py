"""Errors of a potential on labelled structures."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from pesforge.metrics import Residuals
from pesforge.potentials.model import Model


def evaluate_frames(potential: Model, frames: Sequence[Atoms]) -> Residuals:
    """Prediction minus label of labelled structures.

    Args:
        potential: the potential.
        frames: structures with energy, forces and perhaps stress in their calculators.

    Raises:
        DataError: an element has no parameters, or atoms coincide.
    """
    energy, forces, stress = [], [], []
    for atoms in frames:
        energies, force, tensor = potential.evaluate(atoms)
        labels = atoms.calc.results
        energy.append((energies.sum() - labels["energy"]) / len(atoms))
        forces.append((force - labels["forces"]).ravel())
        stress.append(tensor - labels["stress"] if "stress" in labels else np.full(6, np.nan))
    sizes = np.array([len(atoms) for atoms in frames], dtype=np.int64)
    return Residuals(np.array(energy), np.concatenate(forces), np.concatenate(stress), sizes)
