"""Products of principal projections beside the invariants: a quadratic function of them that is linear in its unknowns.

E_i = c·B_i + Σ_{p≤q} Q_pq u_p u_q with u = Mᵀ B_i - m. The derivatives of the products follow by the chain rule:
d(u_p u_q) = u_p du_q + u_q du_p.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.representations.ace import AceBasis, Projection
from pesforge.representations.arrays import BoolArray, FloatArray, IntArray
from pesforge.representations.neighbours import Pairs
from pesforge.representations.stacked import Basis

PRODUCT_ORDER = 2
"""Factors of a column of products."""


def product_pairs(count: int) -> tuple[IntArray, IntArray]:
    """Numbers p ≤ q of the factors of every product of `count` projections, q rising: fewer projections come first."""
    second, first = np.tril_indices(count)
    return first, second


def _by_neighbour(found: Projection, rho: FloatArray) -> FloatArray:
    """Σ over centres i of ρ_ip dρ_iq/dr_j for every atom j, shape (n, P, 3, P)."""
    n_atoms, count = rho.shape
    order = np.argsort(found.neighbour, kind="stable")
    neighbour = found.neighbour[order]
    numbers = np.bincount(neighbour, minlength=n_atoms)
    slot = np.arange(len(order)) - (np.cumsum(numbers) - numbers)[neighbour]
    values = np.zeros((n_atoms, numbers.max(), count))
    values[neighbour, slot] = rho[found.centre[order]]
    slopes = np.zeros((n_atoms, numbers.max(), 3 * count))
    slopes[neighbour, slot] = found.gradient[order].reshape(len(order), -1)
    return np.matmul(values.transpose(0, 2, 1), slopes).reshape(n_atoms, count, 3, count)


def product_rows(found: Projection, mean: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rows of the products u_p u_q: energy (Q,), forces (3n, Q) in 1/Å and stress (6, Q) in 1/Å³.

    Args:
        found: projections ρ of one structure with their derivatives, P per atom.
        mean: m (P,), taken off the projections: u = ρ - m.
    """
    first, second = product_pairs(len(mean))
    centred = found.rho - mean
    by_neighbour = _by_neighbour(found, centred)
    forces = by_neighbour[:, first, :, second] + by_neighbour[:, second, :, first]
    by_strain = np.einsum("ip,ivq->vpq", centred, found.strain, optimize=True)
    strain = by_strain[:, first, second] + by_strain[:, second, first]
    energy = (centred.T @ centred)[first, second]
    return energy, -forces.transpose(1, 2, 0).reshape(-1, len(first)), strain / found.volume


@dataclass(frozen=True, eq=False)
class QuadraticBasis:
    """The invariants, and behind them the products of their leading projections, summed over the atoms.

    Args:
        linear: K invariants per atom.
        matrix: M (K, P), the leading projection first.
        mean: m (P,).

    Raises:
        DataError: the shapes do not fit together.
    """

    linear: Basis
    matrix: FloatArray
    mean: FloatArray

    def __post_init__(self) -> None:
        if self.matrix.shape != (self.linear.n_functions, len(self.mean)) or not len(self.mean):
            raise DataError(
                f"a matrix {self.matrix.shape} and a mean {self.mean.shape} do not project "
                f"{self.linear.n_functions} invariants."
            )

    @property
    def species(self) -> tuple[str, ...]:
        """Chemical symbols."""
        return self.linear.species

    @property
    def parts(self) -> tuple[AceBasis, ...]:
        """Sets of invariants, whose columns come first."""
        return self.linear.parts

    @property
    def n_functions(self) -> int:
        """Number of columns: K + P (P + 1) / 2."""
        return self.linear.n_functions + len(self.mean) * (len(self.mean) + 1) // 2

    @cached_property
    def degree(self) -> FloatArray:
        """Degree of every column; 0 for products, whose prior is chosen by itself."""
        return np.append(self.linear.degree, np.zeros(self.n_functions - self.linear.n_functions))

    @cached_property
    def order(self) -> IntArray:
        """Number of factors of every column; of products the number of projections."""
        return np.append(self.linear.order, np.full(self.n_functions - self.linear.n_functions, PRODUCT_ORDER))

    def product_mask(self, count: int) -> BoolArray:
        """Which products (Q,) are of the `count` leading projections alone."""
        _, second = product_pairs(len(self.mean))
        mask: BoolArray = second < count
        return mask

    def species_index(self, atoms: Atoms) -> IntArray:
        """Index into `species` of every atom, shape (n,).

        Raises:
            DataError: an atom's element is not in the basis.
        """
        return self.linear.species_index(atoms)

    def rows(self, atoms: Atoms, pairs: Pairs | None = None) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Rows of the design matrix, invariants first: energy, forces in 1/Å and stress in 1/Å³.

        Args:
            atoms: the structure.
            pairs: its pairs, up to the largest cutoff at least; None: found here.

        Raises:
            DataError: the structure cannot be described.
        """
        plain = self.linear.rows(atoms, pairs)
        products = product_rows(self.linear.project(atoms, self.matrix), self.mean)
        energy, forces, stress = (np.concatenate(pair, axis=-1) for pair in zip(plain, products, strict=True))
        return energy, forces, stress
