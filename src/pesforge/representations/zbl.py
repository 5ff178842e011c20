"""Screened repulsion of nuclei at short distances, as `pair_style zbl` of LAMMPS computes it.

V(r) = e² Z_i Z_j φ(r/a) / r with the universal screening function φ(x) = Σ_k c_k exp(-b_k x) and
a = 0.4685 Å / (Z_i^0.23 + Z_j^0.23): J. F. Ziegler, J. P. Biersack, U. Littmark, The Stopping and Range of Ions in
Matter, Pergamon, 1985. Between an inner radius r₁ and an outer radius r₂ a polynomial S(r) brings energy, force and
curvature to zero: E = V + S with S = C below r₁ and S = A (r - r₁)³ / 3 + B (r - r₁)⁴ / 4 + C up to r₂, where
A = (-3 V' + d V'') / d², B = (2 V' - d V'') / d³, C = -V + d V' / 2 - d² V'' / 12 at r₂, and d = r₂ - r₁: manual of
LAMMPS, `pair_style zbl` and `pair_style lj/gromacs`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from pesforge.errors import SettingsError
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.elements import species_index
from pesforge.representations.pair_list import PairList

COULOMB_EV_ANG = 14.399645
"""e² / (4 π ε₀) in eV Å with the digits that LAMMPS has in `units metal`."""
LENGTH_ANG, POWER = 0.46850, 0.23
STRENGTHS = np.array([0.02817, 0.28022, 0.50986, 0.18175])
DECAYS = np.array([0.20162, 0.40290, 0.94229, 3.19980])


def screened_coulomb(distance: FloatArray, product: FloatArray, length: FloatArray) -> tuple[FloatArray, ...]:
    """V in eV, V' in eV/Å and V'' in eV/Å² without switching.

    Args:
        distance: r in Å, shape (P,).
        product: Z_i Z_j, shape (P,).
        length: screening length a in Å, shape (P,).
    """
    rates = DECAYS / length[:, None]
    terms = STRENGTHS * np.exp(-rates * distance[:, None])
    screening, slope, curvature = terms.sum(axis=1), -(terms * rates).sum(axis=1), (terms * rates**2).sum(axis=1)
    front = COULOMB_EV_ANG * product / distance
    return (
        front * screening,
        front * (slope - screening / distance),
        front * (curvature - 2 * slope / distance + 2 * screening / distance**2),
    )


@dataclass(frozen=True)
class Zbl:
    """The repulsion between atoms of some elements, switched off between two radii.

    Attributes:
        species: chemical symbols.
        inner_ang: radius r₁ in Å where switching begins.
        outer_ang: radius r₂ in Å from which on there is no repulsion.

    Raises:
        SettingsError: the radii are not 0 < inner < outer.
    """

    species: tuple[str, ...]
    inner_ang: float
    outer_ang: float

    def __post_init__(self) -> None:
        if not 0 < self.inner_ang < self.outer_ang < np.inf:
            raise SettingsError(
                f"the repulsion needs radii 0 < inner < outer; found {self.inner_ang:g} and {self.outer_ang:g} Å."
            )

    @cached_property
    def _tables(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Z_i Z_j, a, and the coefficients A, B, C of S for every pair of species, shapes (Z, Z) and (3, Z, Z)."""
        charge = np.array([atomic_numbers[symbol] for symbol in self.species], dtype=float)
        product = np.outer(charge, charge)
        length = LENGTH_ANG / (charge[:, None] ** POWER + charge**POWER)
        outer = np.full(product.size, self.outer_ang)
        value, slope, curvature = (
            part.reshape(product.shape) for part in screened_coulomb(outer, product.ravel(), length.ravel())
        )
        width = self.outer_ang - self.inner_ang
        switch = np.array(
            [
                (-3 * slope + width * curvature) / width**2,
                (2 * slope - width * curvature) / width**3,
                -value + width * slope / 2 - width**2 * curvature / 12,
            ]
        )
        return product, length, switch

    def pairs(self, distance: FloatArray, first: IntArray, second: IntArray) -> tuple[FloatArray, FloatArray]:
        """Energy in eV and its derivative in eV/Å of pairs of atoms.

        Args:
            distance: in Å, above 0, shape (P,).
            first: species index of one atom of each pair, shape (P,).
            second: of the other.
        """
        product, length, switch = self._tables
        value, slope, _ = screened_coulomb(distance, product[first, second], length[first, second])
        cubic, quartic, constant = switch[:, first, second]
        beyond = np.maximum(distance - self.inner_ang, 0.0)
        value = value + cubic / 3 * beyond**3 + quartic / 4 * beyond**4 + constant
        slope = slope + cubic * beyond**2 + quartic * beyond**3
        within = distance < self.outer_ang
        return np.where(within, value, 0.0), np.where(within, slope, 0.0)

    def evaluate(self, atoms: Atoms, pairs: PairList | None = None) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Energies of atoms (n,) in eV, forces (n, 3) in eV/Å, and stress (6,) in eV/Å³, NaN without a periodic cell.

        Each atom of a pair carries half of its energy.

        Args:
            atoms: the structure.
            pairs: pairs that are kept from step to step of a moving structure; None: found anew.

        Raises:
            DataError: an element is not known, or atoms coincide.
        """
        species, number = species_index(atoms, self.species, "repulsion"), len(atoms)
        listed = (pairs or PairList(0.0)).tables(atoms, species, n_segments=1, cutoff_ang=self.outer_ang)
        first, second = np.repeat(np.arange(number), np.diff(listed.first)), listed.neighbour
        vector = atoms.positions[second] - atoms.positions[first] + listed.shift
        distance = np.sqrt(np.einsum("px,px->p", vector, vector))
        within = distance < self.outer_ang
        volume = atoms.get_volume() if atoms.pbc.all() else np.nan
        if not within.any():
            return np.zeros(number), np.zeros((number, 3)), np.zeros(6) / volume
        first, second, vector, distance = first[within], second[within], vector[within], distance[within]
        energy, slope = self.pairs(distance, species[first], species[second])
        pull = (slope / distance)[:, None] * vector
        forces = np.stack([np.bincount(first, pull[:, x], number) for x in range(3)], axis=1)
        virial = (pull.T @ vector).ravel()[[0, 4, 8, 5, 2, 1]] / 2
        energies: FloatArray = np.bincount(first, energy / 2, number).astype(float)
        return energies, forces.astype(float), virial / volume

    def to_dict(self) -> dict[str, Any]:
        """Plain values that `from_dict` turns into an equal repulsion."""
        return {"species": list(self.species), "inner_ang": self.inner_ang, "outer_ang": self.outer_ang}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The repulsion that `to_dict` described."""
        return cls(tuple(values["species"]), float(values["inner_ang"]), float(values["outer_ang"]))
