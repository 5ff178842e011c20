"""Tersoff's bond-order potential in its standard form, for one or several species."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.potentials.bonds import Array, Bonds, Functions, find_angles, find_bonds, species_pairs
from pesforge.representations.arrays import FloatArray

TINY = 1e-30
"""Smallest ζ in a logarithm; a bond with no other bond beside it has the bond order 1."""
LARGEST_EXPONENT = 69.0
"""Largest exponent of exp(τ (r − r')³)."""
OF_PAIRS = ("log_repulsion_ev", "log_attraction_ev", "log_lambda1_per_ang", "log_lambda2_per_ang")
OF_CENTRES = ("log_beta", "log_n", "log_c", "log_d", "h", "tau_per_ang3")


@dataclass(frozen=True)
class TersoffForm:
    """E_i = ½ Σ_j f(r_ij) [A exp(−λ₁ r_ij) − b_ij B exp(−λ₂ r_ij)] (Tersoff, Phys. Rev. B 38, 9902; 39, 5566).

    b_ij = (1 + (β ζ_ij)ⁿ)^(−1/2n), ζ_ij = Σ_k f(r_ik) g(θ_ijk) exp[τ (r_ij − r_ik)³],
    g = 1 + c²/d² − c²/(d² + (h − cos θ)²), with τ = λ₃³ and the third power of the later papers.

    A, B, λ₁, λ₂ belong to unordered pairs of species (a free set in place of the mixing rules), β, n, c, d, h, τ to the
    species of the centre. The cutoff is Tersoff's sine between inner and outer radius, f = ½ − ½ sin(π (r − R)/2D):
    it has one continuous derivative, and is kept because files of this form, as simulation programs read them, know no
    other one. Forces are continuous, force constants jump where a bond passes one of the radii.

    Attributes:
        species: chemical symbols.
        inner_ang, outer_ang: R − D and R + D, the same for all species.

    Raises:
        DataError: the radii do not rise.
    """

    species: tuple[str, ...]
    inner_ang: float
    outer_ang: float
    kind: ClassVar[str] = "tersoff"

    def __post_init__(self) -> None:
        if not 0 < self.inner_ang < self.outer_ang:
            raise DataError(f"the outer radius ({self.outer_ang:g} Å) must exceed the inner ({self.inner_ang:g} Å).")

    @property
    def cutoff_ang(self) -> float:
        """Longest bond in Å."""
        return self.outer_ang

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes of the parameters for Z species and Q unordered pairs."""
        species, pairs = (len(self.species),), (len(species_pairs(len(self.species))),)
        return {**dict.fromkeys(OF_PAIRS, pairs), **dict.fromkeys(OF_CENTRES, species)}

    def bonds(self, atoms: Atoms) -> Bonds:
        """The bonds of a structure from both of their ends, with f and its slope, and the angles between them."""
        found = find_bonds(atoms, self.species, self.outer_ang, both_ways=True)
        order = np.argsort(found.first, kind="stable")
        names = ("first", "second", "first_species", "second_species", "pair_species", "distance", "unit")
        found = replace(found, **{name: getattr(found, name)[order] for name in names})
        long, side = find_angles(found.first)
        return replace(found, constants=self._cutoff(found.distance), long=long, side=side)

    def _cutoff(self, distance: FloatArray) -> tuple[FloatArray, FloatArray]:
        """f (P,) and its slope per Å."""
        middle, half = (self.inner_ang + self.outer_ang) / 2, (self.outer_ang - self.inner_ang) / 2
        phase = math.pi / 2 * np.clip((distance - middle) / half, -1.0, 1.0)
        return 0.5 - 0.5 * np.sin(phase), -math.pi / (4 * half) * np.cos(phase)

    def energies(self, functions: Functions, parameters: Mapping[str, Array], bonds: Bonds) -> tuple[Array, Array]:
        """Energies of atoms (n,) in eV, and derivatives (P, 3) by the bond vectors in eV/Å."""
        exp, distance = functions.exp, bonds.distance
        cutoff, cutoff_slope = bonds.constants

        def of_pair(name: str) -> Array:
            return bonds.pair_species @ exp(parameters[name])

        n, beta = (bonds.first_species @ exp(parameters[name]) for name in ("log_n", "log_beta"))
        lambda1, lambda2 = of_pair("log_lambda1_per_ang"), of_pair("log_lambda2_per_ang")
        repulsion = of_pair("log_repulsion_ev") * exp(-lambda1 * distance)
        attraction = of_pair("log_attraction_ev") * exp(-lambda2 * distance)
        zeta, by_long, by_side, by_cosine, cosine = self._angles(functions, parameters, bonds)
        zeta = functions.clip(zeta, TINY, None)
        power = n * functions.log(beta * zeta)
        logarithm = functions.clip(power, 0.0, None) + functions.log1p(exp(-functions.abs(power)))
        order = exp(-logarithm / (2.0 * n))
        slope_of_order = -order * exp(power - logarithm) / (2.0 * zeta)
        bond = repulsion - order * attraction
        energies = functions.total(0.5 * cutoff * bond, bonds.first, len(bonds.atom_species))
        radial = 0.5 * (cutoff_slope * bond + cutoff * (order * lambda2 * attraction - lambda1 * repulsion))
        weight = (-0.5 * cutoff * attraction * slope_of_order)[bonds.long]
        size, turning = len(distance), weight * by_cosine
        tilt_long, tilt_side = turning / distance[bonds.long], turning / distance[bonds.side]
        radial = radial + functions.total(weight * by_long - tilt_long * cosine, bonds.long, size)
        radial = radial + functions.total(weight * by_side - tilt_side * cosine, bonds.side, size)
        sideways = functions.total(tilt_long[:, None] * bonds.unit[bonds.side], bonds.long, size)
        sideways = sideways + functions.total(tilt_side[:, None] * bonds.unit[bonds.long], bonds.side, size)
        return energies, radial[:, None] * bonds.unit + sideways

    def _angles(
        self, functions: Functions, parameters: Mapping[str, Array], bonds: Bonds
    ) -> tuple[Array, Array, Array, Array, Array]:
        """ζ (P,), and per angle its derivatives by the two distances and by the cosine, and the cosine."""
        long, side = bonds.long, bonds.side
        cutoff, cutoff_slope = bonds.constants[0][side], bonds.constants[1][side]
        cosine = (bonds.unit[long] * bonds.unit[side]).sum(-1)
        centre = bonds.first_species
        tau, h = (centre @ parameters["tau_per_ang3"])[long], (centre @ parameters["h"])[long]
        c2, d2 = ((centre @ functions.exp(2.0 * parameters[name]))[long] for name in ("log_c", "log_d"))
        away = bonds.distance[long] - bonds.distance[side]
        growth = functions.exp(functions.clip(tau * away * away * away, None, LARGEST_EXPONENT))
        tilt = h - cosine
        well = d2 + tilt**2
        angular = 1.0 + c2 / d2 - c2 / well
        zeta = cutoff * angular * growth
        by_long = 3.0 * tau * away**2 * zeta
        by_cosine = -2.0 * c2 * tilt / well**2 * cutoff * growth
        total = functions.total(zeta, long, len(bonds.distance))
        return total, by_long, cutoff_slope * angular * growth - by_long, by_cosine, cosine

    def facts(self, parameters: Mapping[str, FloatArray]) -> Mapping[str, Any]:
        """Plain values of the parameters in their usual units, for the model card."""
        found: dict[str, Any] = {"inner and outer cutoff in Å": [self.inner_ang, self.outer_ang]}
        pairs = [f"{self.species[one]}-{self.species[other]}" for one, other in species_pairs(len(self.species))]
        for key, array in parameters.items():
            values = np.exp(array) if key.startswith("log_") else array
            for name, value in zip(pairs if key in OF_PAIRS else self.species, values, strict=True):
                found[f"{key.removeprefix('log_')} {name}"] = float(value)
        return found

    def to_dict(self) -> dict[str, Any]:
        """The form as builtin types."""
        return {**asdict(self), "species": list(self.species)}
