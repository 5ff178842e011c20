"""Smooth overlap of atomic positions (SOAP): power spectrum of the smeared density of an atom's neighbourhood."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase import Atoms
from scipy.special import spherical_in

from pesforge.errors import SettingsError
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.elements import species_index
from pesforge.representations.harmonics import spherical_harmonics
from pesforge.representations.neighbours import pairs_of
from pesforge.representations.smooth_cutoff import smooth_cutoff

TAIL = 5.0
"""The density of a neighbour is followed over so many of its widths."""


@dataclass(frozen=True)
class Soap:
    """Power spectra p_i of the atoms: rotation-invariant, normalised, one block of numbers for every pair of species.

    Around atom i every neighbour j of species s gives a Gaussian of width σ, times a smooth cutoff; the atom itself is
    one of them. With orthonormal radial functions g_n and harmonics Y_lm the density is Σ c_nlm g_n Y_lm, and
    p_{sn s'n' l} = Σ_m c_snlm c_s'n'lm / √(2l + 1), so that p·p' is the square of the overlap of two densities,
    averaged over all rotations of one of them.

    Args:
        species: chemical symbols.
        cutoff_ang: cutoff radius in Å; a neighbour vanishes smoothly there, with two derivatives.
        n_max: number of radial functions.
        l_max: largest angular momentum.
        sigma_ang: width σ of an atom in Å.

    Raises:
        SettingsError: a number is not positive, or `l_max` is negative.

    Source: Bartók, Kondor and Csányi, Phys. Rev. B 87, 184115 (2013).
    """

    species: tuple[str, ...]
    cutoff_ang: float
    n_max: int = 8
    l_max: int = 6
    sigma_ang: float = 0.5

    def __post_init__(self) -> None:
        if not (0 < self.cutoff_ang < np.inf and 0 < self.sigma_ang < np.inf and self.n_max >= 1 and self.l_max >= 0):
            raise SettingsError("cutoff_ang, sigma_ang and n_max must be above 0, l_max must not be negative.")

    @property
    def n_features(self) -> int:
        """Length of a power spectrum."""
        channels = len(self.species) * self.n_max
        return channels * (channels + 1) // 2 * (self.l_max + 1)

    @cached_property
    def _quadrature(self) -> tuple[FloatArray, FloatArray]:
        """Radii (Q,) in Å, and weights times r² g_n(r) (Q, n_max) with g_n = √(2/R) sin(nπr/R)/r.

        These functions are orthonormal and complete on [0, R]; R lies beyond the tails of the farthest neighbours.
        """
        reach = self.cutoff_ang + TAIL * self.sigma_ang
        points = 16 + 4 * int(np.ceil(reach / self.sigma_ang)) + 2 * self.n_max
        nodes, weights = np.polynomial.legendre.leggauss(points)
        radii = reach * (nodes + 1) / 2
        waves = np.sin(np.outer(radii, np.arange(1, self.n_max + 1)) * np.pi / reach)
        return radii, waves * (weights * reach / 2 * radii * np.sqrt(2 / reach))[:, None]

    def _radial(self, distance: FloatArray) -> FloatArray:
        """4π ∫ r² g_n(r) exp(−(r² + d²)/2σ²) i_l(r d/σ²) dr of neighbours at the distances d, (P, n_max, l_max + 1)."""
        radii, weighted = self._quadrature
        argument = np.outer(distance, radii) / self.sigma_ang**2
        gauss = np.exp(-((distance[:, None] - radii) ** 2) / (2 * self.sigma_ang**2))
        values = np.empty((len(distance), self.n_max, self.l_max + 1))
        for degree in range(self.l_max + 1):
            values[:, :, degree] = 4 * np.pi * ((gauss * _scaled_bessel(degree, argument)) @ weighted)
        return values

    def density(self, atoms: Atoms) -> FloatArray:
        """Coefficients c of the density around every atom, (n, species × n_max, (l_max + 1)²), m from −l to l.

        Args:
            atoms: the structure.

        Raises:
            DataError: it cannot be described, or holds other elements.
        """
        kinds, pairs = species_index(atoms, self.species, "SOAP"), pairs_of(atoms, self.cutoff_ang)
        values, _ = spherical_harmonics(pairs.vector, self.l_max)
        orders = np.repeat(np.arange(self.l_max + 1), 2 * np.arange(self.l_max + 1) + 1)
        radial = self._radial(pairs.distance) * smooth_cutoff(pairs.distance, self.cutoff_ang)[:, None, None]
        found = np.zeros((len(atoms), len(self.species), self.n_max, len(orders)))
        np.add.at(found, (pairs.centre, kinds[pairs.neighbour]), radial[:, :, orders] * values.T[:, None, :])
        own = self._radial(np.zeros(1))[0, :, 0] / np.sqrt(4 * np.pi)
        found[np.arange(len(atoms)), kinds, :, 0] += own
        return found.reshape(len(atoms), -1, len(orders))

    def atoms(self, atoms: Atoms) -> FloatArray:
        """Normalised power spectra, (n, n_features).

        Args:
            atoms: the structure.

        Raises:
            DataError: it cannot be described, or holds other elements.
        """
        spectra = self.power_spectra(self.density(atoms))
        return spectra / np.linalg.norm(spectra, axis=1, keepdims=True)

    def power_spectra(self, density: FloatArray) -> FloatArray:
        """Power spectra that are not normalised, (n, n_features), of densities (`density`)."""
        first, second = np.triu_indices(density.shape[1])
        twice = np.where(first == second, 1.0, np.sqrt(2.0))
        blocks = []
        for degree in range(self.l_max + 1):
            part = density[:, :, degree**2 : (degree + 1) ** 2]
            products = np.einsum("ipm,iqm->ipq", part, part) / np.sqrt(2 * degree + 1)
            blocks.append(products[:, first, second] * twice)
        return np.concatenate(blocks, axis=1)


def _scaled_bessel(order: int, argument: FloatArray) -> FloatArray:
    """exp(−x) i_l(x) of the modified spherical Bessel function, without overflow."""
    small = argument < LARGE
    values = np.empty_like(argument)
    values[small] = spherical_in(order, argument[small]) * np.exp(-argument[small])
    # The finite sum of i_l without exp(−x), which is nothing here: Σ_k (−1)^k (l + k)!/(k! (l − k)!)/(2x)^(k + 1).
    large, term = argument[~small], 1 / (2 * argument[~small])
    total, step = term.copy(), term
    for k in range(order):
        step = -step * (order + k + 1) * (order - k) / (k + 1) / (2 * large)
        total += step
    values[~small] = total
    return values


LARGE = 500.0
"""Argument from which on exp(x) is left to its sum."""


def soap_kernel(first: FloatArray, second: FloatArray, zeta: float) -> FloatArray:
    """Similarity (p·p')^ζ of all atoms of two sets, (A, B); 1 for equal neighbourhoods.

    Args:
        first: power spectra (A, F) of `Soap.atoms`.
        second: the same of another set (B, F).
        zeta: exponent ζ; larger ones tell neighbourhoods apart more sharply.

    Source: Bartók, Kondor and Csányi, Phys. Rev. B 87, 184115 (2013).
    """
    return np.asarray(np.clip(first @ second.T, 0.0, None) ** zeta)


def average_kernel(first: FloatArray, second: FloatArray, owners: tuple[IntArray, IntArray], zeta: float) -> FloatArray:
    """Mean of the kernel over all pairs of atoms of two structures, (S, T): what sums of energies of atoms need.

    Args:
        first: power spectra (A, F).
        second: those of other structures (B, F).
        owners: number of the structure of each atom, from 0, (A,) and (B,).
        zeta: exponent ζ.
    """
    kernel = soap_kernel(first, second, zeta)
    rows, columns = (np.eye(int(owner.max()) + 1)[owner] / np.bincount(owner)[owner, None] for owner in owners)
    return np.asarray(rows.T @ kernel @ columns)
