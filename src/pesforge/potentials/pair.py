"""Pair potentials with a smooth cutoff: Lennard-Jones and Morse."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.potentials.bonds import Array, Bonds, Functions, find_bonds, species_pairs, switch
from pesforge.representations.arrays import FloatArray

SHAPES = ("lennard-jones", "morse")


@dataclass(frozen=True)
class PairForm:
    """E = Σ_bonds φ(r) S(r), half of each bond to either atom.

    Lennard-Jones: φ = D [(r₀/r)¹² − 2 (r₀/r)⁶]; Morse: φ = D [exp(−2a(r − r₀)) − 2 exp(−a(r − r₀))]. D, r₀ and a belong
    to unordered pairs of species and are kept as logarithms. S is the C² switch between onset and cutoff.

    Attributes:
        species: chemical symbols.
        shape: `lennard-jones` or `morse`.
        onset_ang, cutoff_ang: where S leaves 1 and reaches 0.

    Raises:
        DataError: the shape is not known, or onset and cutoff do not rise.
    """

    species: tuple[str, ...]
    shape: str
    onset_ang: float
    cutoff_ang: float
    kind: ClassVar[str] = "pair"

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise DataError(f"the shape of a pair potential is one of {', '.join(SHAPES)}; found {self.shape!r}.")
        if not 0 < self.onset_ang < self.cutoff_ang:
            raise DataError(f"the cutoff ({self.cutoff_ang:g} Å) must lie beyond the onset ({self.onset_ang:g} Å).")

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes of the parameters: (Q,) for Q unordered pairs of species."""
        size = (len(species_pairs(len(self.species))),)
        names = ("log_depth_ev", "log_radius_ang", *(["log_stiffness_per_ang"] if self.shape == "morse" else []))
        return dict.fromkeys(names, size)

    def bonds(self, atoms: Atoms) -> Bonds:
        """The bonds of a structure, each once, with S and its slope."""
        found = find_bonds(atoms, self.species, self.cutoff_ang, both_ways=False)
        return replace(found, constants=self.constants(found.distance))

    def constants(self, distance: FloatArray) -> tuple[FloatArray, ...]:
        """S (P,) and its slope per Å."""
        return switch(distance, self.onset_ang, self.cutoff_ang)

    def pair_energy(self, functions: Functions, parameters: Mapping[str, Array], bonds: Bonds) -> tuple[Array, Array]:
        """φ S (P,) in eV and its slope in eV/Å."""
        smooth, smooth_slope = bonds.constants
        depth = bonds.pair_species @ functions.exp(parameters["log_depth_ev"])
        radius = bonds.pair_species @ functions.exp(parameters["log_radius_ang"])
        if self.shape == "morse":
            stiffness = bonds.pair_species @ functions.exp(parameters["log_stiffness_per_ang"])
            x = functions.exp(stiffness * (radius - bonds.distance))
            slope_of_x = -stiffness * x
        else:
            square = (radius / bonds.distance) ** 2
            x = square * square * square
            slope_of_x = -6.0 * x / bonds.distance
        value = depth * x * (x - 2.0)
        return value * smooth, 2.0 * depth * (x - 1.0) * slope_of_x * smooth + value * smooth_slope

    def energies(self, functions: Functions, parameters: Mapping[str, Array], bonds: Bonds) -> tuple[Array, Array]:
        """Energies of atoms (n,) in eV, and derivatives (P, 3) by the bond vectors in eV/Å."""
        value, slope = self.pair_energy(functions, parameters, bonds)
        size = len(bonds.atom_species)
        energies = functions.total(0.5 * value, bonds.first, size) + functions.total(0.5 * value, bonds.second, size)
        return energies, slope[:, None] * bonds.unit

    def facts(self, parameters: Mapping[str, FloatArray]) -> Mapping[str, Any]:
        """Plain values of the parameters in their usual units, for the model card."""
        found: dict[str, Any] = {
            "shape": self.shape,
            "cutoff in Å": self.cutoff_ang,
            "onset of the smooth cutoff in Å": self.onset_ang,
        }
        for number, (one, other) in enumerate(species_pairs(len(self.species))):
            name = f"{self.species[one]}-{self.species[other]}"
            for key, array in parameters.items():
                found[f"{key.removeprefix('log_')} {name}"] = float(np.exp(array[number]))
        return found

    def to_dict(self) -> dict[str, Any]:
        """The form as builtin types."""
        return {**asdict(self), "species": list(self.species)}
