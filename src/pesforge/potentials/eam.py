"""Embedded-atom potentials: pair energy and embedding in a density, analytic with spline corrections."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.potentials.bonds import Array, Bonds, Functions, NumpyFunctions, bumps, find_bonds, species_pairs, switch
from pesforge.representations.arrays import FloatArray

SOFTNESS = 0.01
"""δ of the embedding √(ρ + δ) − √δ: the slope stays finite where the density vanishes."""
DENSITY_END = 3.0
"""End of the splines of the embedding; a density of about 1 is that of the structures that were fitted."""


@dataclass(frozen=True)
class EamForm:
    """E_i = F_{z_i}(ρ_i) + ½ Σ_j φ(r_ij), ρ_i = Σ_j f_{z_j}(r_ij) (Daw and Baskes, Phys. Rev. B 29, 6443 (1984)).

    φ = S [D (x² − 2x) + Σ_k c_k B_k(r)] with x = exp(−a(r − r₀)), per unordered pair of species;
    f = S exp(s − b (r/r_n − 1) + Σ_k d_k B_k(r)), above zero by construction, per species of the neighbour;
    F = −A [√(ρ + δ) − √δ] + Σ_k e_k C_k(ρ), per species (Finnis and Sinclair, Phil. Mag. A 50, 45 (1984), corrected).

    The cubic B-splines B_k lie within [start, cutoff] and C_k within [0, 3]: outside of the data the analytic terms
    remain, so that φ repels at short distances. S is the C² switch between onset and cutoff.

    Attributes:
        species: chemical symbols.
        start_ang: where the splines of the distance begin: the shortest distance of the data.
        nearest_ang: r_n, the unit of length of the density.
        onset_ang, cutoff_ang: where S leaves 1 and reaches 0.
        pair_splines, density_splines, embedding_splines: numbers of splines.

    Raises:
        DataError: start, onset and cutoff are not in order.
    """

    species: tuple[str, ...]
    start_ang: float
    nearest_ang: float
    onset_ang: float
    cutoff_ang: float
    pair_splines: int
    density_splines: int
    embedding_splines: int
    kind: ClassVar[str] = "eam"

    def __post_init__(self) -> None:
        if not (0 < self.start_ang < self.cutoff_ang and 0 < self.onset_ang < self.cutoff_ang and self.nearest_ang > 0):
            raise DataError(
                f"the cutoff ({self.cutoff_ang:g} Å) must lie beyond the onset ({self.onset_ang:g} Å) and the start "
                f"of the splines ({self.start_ang:g} Å)."
            )

    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes of the parameters for Z species and Q unordered pairs."""
        species, pairs = len(self.species), len(species_pairs(len(self.species)))
        return {
            "log_depth_ev": (pairs,),
            "log_radius_ang": (pairs,),
            "log_stiffness_per_ang": (pairs,),
            "pair_splines_ev": (pairs, self.pair_splines),
            "log_density": (species,),
            "density_decay": (species,),
            "density_splines": (species, self.density_splines),
            "log_embedding_ev": (species,),
            "embedding_splines_ev": (species, self.embedding_splines),
        }

    def bonds(self, atoms: Atoms) -> Bonds:
        """The bonds of a structure, each once, with S and the splines of the distance."""
        found = find_bonds(atoms, self.species, self.cutoff_ang, both_ways=False)
        return replace(found, constants=self.constants(found.distance))

    def constants(self, distance: FloatArray) -> tuple[FloatArray, ...]:
        """S and the two sets of splines of the distance, with their slopes."""
        splines = [
            bumps(NumpyFunctions(), distance, count, self.start_ang, self.cutoff_ang)
            for count in (self.pair_splines, self.density_splines)
        ]
        smooth = switch(distance, self.onset_ang, self.cutoff_ang)
        return (*smooth, *splines[0], *splines[1])

    def pair_energy(self, functions: Functions, parameters: Mapping[str, Array], bonds: Bonds) -> tuple[Array, Array]:
        """φ (P,) in eV and its slope in eV/Å."""
        smooth, smooth_slope, splines, spline_slopes = bonds.constants[:4]
        depth = bonds.pair_species @ functions.exp(parameters["log_depth_ev"])
        radius = bonds.pair_species @ functions.exp(parameters["log_radius_ang"])
        stiffness = bonds.pair_species @ functions.exp(parameters["log_stiffness_per_ang"])
        x = functions.exp(stiffness * (radius - bonds.distance))
        heights = parameters["pair_splines_ev"].T
        value = depth * x * (x - 2.0) + ((splines @ heights) * bonds.pair_species).sum(-1)
        slope = ((spline_slopes @ heights) * bonds.pair_species).sum(-1) - 2.0 * depth * stiffness * x * (x - 1.0)
        return value * smooth, slope * smooth + value * smooth_slope

    def density(
        self, functions: Functions, parameters: Mapping[str, Array], bonds: Bonds, species: Array
    ) -> tuple[Array, Array]:
        """f (P,) of neighbours whose membership is `species` (P, Z), and its slope per Å."""
        smooth, smooth_slope, _, _, splines, spline_slopes = bonds.constants
        decay = species @ parameters["density_decay"]
        heights = parameters["density_splines"].T
        exponent = species @ parameters["log_density"] - decay * (bonds.distance / self.nearest_ang - 1.0)
        value = functions.exp(exponent + ((splines @ heights) * species).sum(-1))
        slope = ((spline_slopes @ heights) * species).sum(-1) - decay / self.nearest_ang
        return value * smooth, value * (slope * smooth + smooth_slope)

    def embedding(
        self, functions: Functions, parameters: Mapping[str, Array], density: Array, species: Array
    ) -> tuple[Array, Array]:
        """F (n,) in eV in a density (n,) of atoms whose membership is `species` (n, Z), and its slope."""
        strength = species @ functions.exp(parameters["log_embedding_ev"])
        root = functions.sqrt(density + SOFTNESS)
        splines, spline_slopes = bumps(functions, density, self.embedding_splines, 0.0, DENSITY_END)
        heights = parameters["embedding_splines_ev"].T
        value = ((splines @ heights) * species).sum(-1) - strength * (root - SOFTNESS**0.5)
        return value, ((spline_slopes @ heights) * species).sum(-1) - 0.5 * strength / root

    def energies(self, functions: Functions, parameters: Mapping[str, Array], bonds: Bonds) -> tuple[Array, Array]:
        """Energies of atoms (n,) in eV, and derivatives (P, 3) by the bond vectors in eV/Å."""
        size = len(bonds.atom_species)
        pair, pair_slope = self.pair_energy(functions, parameters, bonds)
        onto_first = self.density(functions, parameters, bonds, bonds.second_species)
        onto_second = onto_first
        if len(self.species) > 1:
            onto_second = self.density(functions, parameters, bonds, bonds.first_species)
        density = functions.total(onto_first[0], bonds.first, size)
        density = density + functions.total(onto_second[0], bonds.second, size)
        embedded, pull = self.embedding(functions, parameters, density, bonds.atom_species)
        energies = embedded + functions.total(0.5 * pair, bonds.first, size)
        energies = energies + functions.total(0.5 * pair, bonds.second, size)
        slope = pair_slope + pull[bonds.first] * onto_first[1] + pull[bonds.second] * onto_second[1]
        return energies, slope[:, None] * bonds.unit

    def facts(self, parameters: Mapping[str, FloatArray]) -> Mapping[str, Any]:
        """Plain values of the parameters in their usual units, for the model card."""
        found: dict[str, Any] = {
            "cutoff in Å": self.cutoff_ang,
            "onset of the smooth cutoff in Å": self.onset_ang,
            "splines of pair energy, density and embedding": [
                self.pair_splines,
                self.density_splines,
                self.embedding_splines,
            ],
        }
        for number, symbol in enumerate(self.species):
            found[f"embedding_ev {symbol}"] = float(np.exp(parameters["log_embedding_ev"][number]))
        return found

    def to_dict(self) -> dict[str, Any]:
        """The form as builtin types."""
        return {**asdict(self), "species": list(self.species)}
