"""Rows that the labels of a structure would add to the fit: one block per structure, made without any label."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import scipy.linalg

from pesforge.errors import DataError
from pesforge.potentials.normal import KINDS, Factor
from pesforge.representations.arrays import BoolArray, FloatArray, IntArray
from pesforge.representations.design import Design

NEGLIGIBLE = 1e-12
"""Directions of a block with less information than this share of the prior's are left out: the log det of the block
changes by less than this for each of them, and blocks of crystals lose most of their rows."""


@dataclass(frozen=True)
class Blocks:
    """What the labels of N structures would say about P scaled unknowns.

    Args:
        ids: names of the structures, distinct.
        energy: (N, P) unweighted rows of their energies per atom.
        energy_weight: (N,) weights of these rows.
        rows: per structure its weighted rows (R, P) of all labels, compressed to the same Bᵀ B.
        atoms: per structure the weighted force rows of its atoms (n, 3, P).

    Raises:
        DataError: two structures have one name.
    """

    ids: tuple[str, ...]
    energy: FloatArray
    energy_weight: FloatArray
    rows: tuple[FloatArray, ...]
    atoms: tuple[FloatArray, ...]

    def __post_init__(self) -> None:
        if len(set(self.ids)) < len(self.ids):
            twice = next(name for name in self.ids if self.ids.count(name) > 1)
            raise DataError(f"two candidates are named {twice!r}; give every candidate an id of its own.")

    def select(self, structures: IntArray | BoolArray) -> Self:
        """The blocks of the given structures: their indices, or a mask over all of them."""
        chosen = np.arange(len(self.ids))[structures]
        return type(self)(
            tuple(self.ids[s] for s in chosen),
            self.energy[chosen],
            self.energy_weight[chosen],
            tuple(self.rows[s] for s in chosen),
            tuple(self.atoms[s] for s in chosen),
        )

    def damped(self, factors: FloatArray) -> Self:
        """The blocks with all weights of each structure multiplied by a factor (N,)."""
        root = np.sqrt(factors)
        return type(self)(
            self.ids,
            self.energy,
            self.energy_weight * factors,
            tuple(rows * r for rows, r in zip(self.rows, root, strict=True)),
            tuple(rows * r for rows, r in zip(self.atoms, root, strict=True)),
        )


def energy_rows(factor: Factor, design: Design) -> FloatArray:
    """Scaled, unweighted rows (S, P) of energies per atom."""
    functions = factor.centring.rows(design.counts, design.energy)[:, factor.columns]
    share = design.counts / design.n_atoms[:, None]
    rows: FloatArray = np.concatenate([functions, share], axis=1) * factor.scale
    return rows


def derivative_rows(factor: Factor, rows: FloatArray) -> FloatArray:
    """Scaled, unweighted rows (R, P) of forces or stresses whose functions stand in `rows` (R, K)."""
    zeros = np.zeros((len(rows), len(factor.centring.energy)))
    scaled: FloatArray = np.concatenate([rows[:, factor.columns], zeros], axis=1) * factor.scale
    return scaled


def damping(forces: FloatArray, n_atoms: IntArray, misfit_force: float) -> FloatArray:
    """Factors (S,) of all weights of each structure: 1/(1 + F²/f₀²), F being the rms component of its forces.

    The variance of a residual then grows with F², as the misfit of a potential does; at small forces it is that of the
    weight alone.

    Args:
        forces: (3 Σ n_s,) forces in eV/Å, predicted or measured.
        n_atoms: (S,) atoms per structure.
        misfit_force: f₀ in eV/Å, where misfit and noise are equal.

    Raises:
        DataError: f₀ is not positive.
    """
    if not misfit_force > 0:
        raise DataError(f"the force of equal noise and misfit is {misfit_force} eV/Å; give one above 0, or none.")
    starts = 3 * np.concatenate([[0], np.cumsum(n_atoms)[:-1]])
    means = np.add.reduceat(forces**2, starts) / (3 * n_atoms)
    factors: FloatArray = 1.0 / (1.0 + means / misfit_force**2)
    return factors


def compressed(rows: FloatArray, alpha: float) -> FloatArray:
    """Fewer rows (R′, P) with the same Bᵀ B, but for directions that say nothing beside a prior of precision α."""
    square = np.linalg.qr(rows, mode="r") if len(rows) > rows.shape[1] else rows
    _, singular, right = scipy.linalg.svd(square, full_matrices=False, check_finite=False)
    large = singular**2 > NEGLIGIBLE * alpha
    return np.ascontiguousarray(singular[large, None] * right[large])


def blocks_of(factor: Factor, design: Design) -> Blocks:
    """Blocks of the structures of a design, whatever its labels are: they are not looked at.

    Rows of energies, of forces and, where stress has a weight and the cell is periodic, of stresses count. Their noise
    is that of the weights of the fit: a kind of weight w has the variance 1/w. Every fit with the same scales, centring
    of functions and weights can use the same blocks.

    Args:
        factor: the fit.
        design: the structures.

    Raises:
        DataError: a row is not finite, or two structures have one name.
    """
    energy = energy_rows(factor, design)
    if not (np.isfinite(energy).all() and np.isfinite(design.forces).all()):
        raise DataError("a candidate has descriptors that are not finite. Describe the candidates again.")
    root_energy, root_force, root_stress = np.sqrt([factor.weights.of_kind(kind) for kind in KINDS])
    stress_rows = design.stress.reshape(len(design.ids), 6, -1)
    periodic: BoolArray = np.asarray(np.isfinite(stress_rows).all(axis=(1, 2)))
    rows, atoms = [], []
    for s, (first, end) in enumerate(pairwise(3 * design.offsets)):
        forces = root_force * derivative_rows(factor, design.forces[first:end])
        parts = [root_energy * energy[s : s + 1], forces]
        if root_stress > 0 and periodic[s]:
            parts.append(root_stress * derivative_rows(factor, stress_rows[s]))
        rows.append(compressed(np.concatenate(parts), factor.alpha))
        atoms.append(forces.reshape(-1, 3, forces.shape[1]))
    weights = np.full(len(energy), factor.weights.energy)
    return Blocks(design.ids, energy, weights, tuple(rows), tuple(atoms))
