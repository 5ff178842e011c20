"""Structure factor of every element, averaged over directions: a description of a crystal in reciprocal space."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from pesforge.errors import DataError, SettingsError
from pesforge.representations.arrays import FloatArray
from pesforge.representations.elements import species_index
from pesforge.representations.neighbours import check_structure

TAIL = 6.0
"""Wave vectors count up to so many widths from a point of the grid."""


@dataclass(frozen=True)
class StructureFactor:
    """I_s(q) = (2π)³/(V N_s) Σ_k |S_s(k)|² w(|k| − q)/(4πq²) with S_s(k) = Σ_{i of s} exp(i k·r_i), k ≠ 0.

    The sum over all reciprocal lattice vectors, weighed by the volume (2π)³/V that each stands for, and not their mean
    in a shell, makes it one number per crystal: a larger cell has more wave vectors, all but those of the smaller cell
    with |S|² = 0. w is a normal distribution, so that I_s changes smoothly under strain; without any order
    I_s is 1.

    Args:
        species: chemical symbols.
        q_min_per_ang: smallest q in 1/Å (2π included).
        q_max_per_ang: largest q.
        points: number of q, evenly spaced.
        width_per_ang: standard deviation of w in 1/Å.

    Raises:
        SettingsError: the grid is empty or a width is not positive.
    """

    species: tuple[str, ...]
    q_min_per_ang: float = 1.0
    q_max_per_ang: float = 8.0
    points: int = 36
    width_per_ang: float = 0.2

    def __post_init__(self) -> None:
        if not (0 < self.q_min_per_ang < self.q_max_per_ang and self.points >= 2 and self.width_per_ang > 0):
            raise SettingsError("0 < q_min_per_ang < q_max_per_ang, points >= 2 and width_per_ang > 0 are needed.")

    @property
    def grid(self) -> FloatArray:
        """The values of q in 1/Å, (points,)."""
        return np.linspace(self.q_min_per_ang, self.q_max_per_ang, self.points)

    def structure(self, atoms: Atoms) -> FloatArray:
        """I_s(q) of every species, (species × points,); zeros for a species that is not there.

        Args:
            atoms: structure that is periodic in three directions.

        Raises:
            DataError: it is not, or holds other elements.
        """
        check_structure(atoms)
        if not atoms.pbc.all():
            raise DataError(
                f"The structure is periodic along {int(atoms.pbc.sum())} of 3 vectors; a structure factor needs all "
                "three. Give it a cell, or take another representation."
            )
        kinds = species_index(atoms, self.species, "structure factor")
        waves = _wave_vectors(atoms, self.q_max_per_ang + TAIL * self.width_per_ang)
        phases = np.exp(1j * atoms.positions @ waves.T)
        members = np.eye(len(self.species))[kinds]
        power = np.abs(members.T @ phases) ** 2
        distance = (np.linalg.norm(waves, axis=1)[:, None] - self.grid) / self.width_per_ang
        weight = np.exp(-(distance**2) / 2) / (np.sqrt(2 * np.pi) * self.width_per_ang * 4 * np.pi * self.grid**2)
        counts = np.maximum(members.sum(axis=0), 1.0)
        found = (2 * np.pi) ** 3 / atoms.get_volume() * (power @ weight) / counts[:, None]
        return np.asarray(found.ravel())


def _wave_vectors(atoms: Atoms, largest_per_ang: float) -> FloatArray:
    """All reciprocal lattice vectors (2π included) up to a length, without 0, (K, 3) in 1/Å."""
    reciprocal = 2 * np.pi * np.linalg.inv(atoms.cell.array).T
    # |k·a| ≤ |k||a| bounds the integer k·a/2π.
    bounds = np.floor(largest_per_ang * np.linalg.norm(atoms.cell.array, axis=1) / (2 * np.pi)).astype(int)
    axes = [np.arange(-bound, bound + 1) for bound in bounds]
    integers = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    waves = integers @ reciprocal
    lengths = np.linalg.norm(waves, axis=1)
    return np.asarray(waves[(lengths <= largest_per_ang) & (np.abs(integers).sum(axis=1) > 0)])
