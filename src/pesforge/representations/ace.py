"""The linear atomic cluster expansion: rotation-invariant functions of an atom's neighbourhood."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.stress import full_3x3_to_voigt_6_stress

from pesforge.errors import DataError, SettingsError
from pesforge.representations import kernels, row_kernels
from pesforge.representations.arrays import BoolArray, FloatArray, IntArray
from pesforge.representations.elements import species_index
from pesforge.representations.functions import BasisFunction, list_functions
from pesforge.representations.harmonics import spherical_harmonics
from pesforge.representations.neighbours import Neighbours, Pairs, find_neighbours
from pesforge.representations.radial import spherical_bessel
from pesforge.representations.tables import ChannelTables, FunctionTables, channel_tables, function_tables

LARGEST_CUTOFF_ANG = 30.0
"""A sphere of this radius holds some thousand neighbours."""
MOST_DEGREE = 60
"""Largest degree and angular momentum; twice of what a study may ask for."""

AtomGradient = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""Maps invariants (n, K) to energies of atoms (n,) in eV and their derivatives by the invariants (n, K)."""


@dataclass(frozen=True)
class Projection:
    """Linear combinations ρ of the invariants of each atom, with all of their derivatives.

    Edges are the distinct pairs (i, j) within the cutoff, images of j merged, sorted by i; the first edge of every
    centre is its own (j = i), so that the gradients of one centre sum to zero.
    """

    rho: FloatArray
    """Values, shape (n, P)."""
    centre: IntArray
    """Atom i of each edge, shape (E,)."""
    neighbour: IntArray
    """Atom j of each edge, shape (E,)."""
    gradient: FloatArray
    """dρ_i/dr_j in 1/Å, shape (E, 3, P)."""
    strain: FloatArray
    """dρ_i/dε for a symmetric strain of all vectors, shape (n, 6, P), order xx, yy, zz, yz, xz, xy."""
    volume: float
    """Volume of the cell in Å³; NaN where the structure is not periodic in three directions."""


@dataclass(frozen=True)
class _Environment:
    species: IntArray
    neighbours: Neighbours
    pairs: kernels.PairTables
    volume: float


@dataclass(frozen=True)
class AceBasis:
    """Invariant functions B_k(i) of the atoms within a cutoff around atom i.

    Columns stand in one block per species of the centre, in the order of `species`; an atom has zeros outside of its
    own block. Within a block the functions go up to products of four densities, Σ_t (n_t + w l_t + d_t) ≤
    max_degree[order]. The densities of a centre are sums over its neighbours of one species each, or of all species
    with weights: with few such mixed channels, the number of functions hardly grows with the number of species.

    Args:
        species: chemical symbols.
        cutoff_ang: cutoff radius in Å; functions are twice continuously differentiable there.
        max_degree: largest degree of orders 1, 2, …; a negative one leaves the order out.
        l_max: largest angular momentum of orders 1, 2, …; order 1 has l = 0 alone.
        l_weight: weight w of the angular momentum.
        mixing: weights (Q, Z) of the species in Q density channels; None: one channel per species.
        channel_degrees: degree d of each channel; empty: 0 for all.

    Raises:
        SettingsError: the arguments do not describe a basis.

    Source: Drautz, Phys. Rev. B 99, 014104 (2019); mixed species as in Willatt, Musil, Ceriotti, Phys. Chem. Chem.
    Phys. 20, 29661 (2018).
    """

    species: tuple[str, ...]
    cutoff_ang: float
    max_degree: tuple[int, ...]
    l_max: tuple[int, ...]
    l_weight: float = 1.0
    mixing: tuple[tuple[float, ...], ...] | None = None
    channel_degrees: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        unknown = [symbol for symbol in self.species if atomic_numbers.get(symbol, 0) < 1]
        if unknown or not self.species or len(set(self.species)) < len(self.species):
            raise SettingsError(f"species: {list(self.species)} must be distinct chemical symbols, at least one.")
        if not 1 <= len(self.max_degree) <= 4 or len(self.max_degree) != len(self.l_max):
            raise SettingsError(
                f"max_degree {list(self.max_degree)} and l_max {list(self.l_max)} need one number per order, 1 to 4."
            )
        if not (0 < self.cutoff_ang <= LARGEST_CUTOFF_ANG and 0 < self.l_weight < np.inf and min(self.l_max) >= 0):
            raise SettingsError(
                f"cutoff_ang (up to {LARGEST_CUTOFF_ANG:g}) and l_weight must be above 0, l_max must not be negative."
            )
        if max(self.max_degree) > MOST_DEGREE or max(self.l_max) > MOST_DEGREE:
            raise SettingsError(f"max_degree and l_max must not exceed {MOST_DEGREE}.")
        channels = len(self.species) if self.mixing is None else len(self.mixing)
        if self.mixing is not None and (
            not self.mixing or any(len(row) != len(self.species) or not np.isfinite(row).all() for row in self.mixing)
        ):
            raise SettingsError(f"mixing needs rows of {len(self.species)} finite weights, one per species.")
        if self.channel_degrees and (len(self.channel_degrees) != channels or min(self.channel_degrees) < 0):
            raise SettingsError(f"channel_degrees needs {channels} numbers that are not negative, one per channel.")
        if max(self.max_degree) < 0:
            raise SettingsError(
                f"max_degree {list(self.max_degree)} leaves no function; raise it or reduce it by less."
            )

    @cached_property
    def functions(self) -> tuple[BasisFunction, ...]:
        """Functions of one species of the centre; the species of a channel is a row of `weights`."""
        return list_functions(
            max_degree=self.max_degree,
            l_max=self.l_max,
            l_weight=self.l_weight,
            channel_degrees=self.channel_degrees or (0.0,) * len(self.weights),
        )

    @cached_property
    def weights(self) -> FloatArray:
        """Weights of the species in the density channels, shape (Q, Z)."""
        return np.eye(len(self.species)) if self.mixing is None else np.array(self.mixing, dtype=float)

    @property
    def parts(self) -> "tuple[AceBasis, ...]":
        """The basis itself: the one set of functions that stands in its columns."""
        return (self,)

    @property
    def n_functions(self) -> int:
        """Number K of columns: functions per species of the centre, times the number of species."""
        return len(self.functions) * len(self.species)

    @cached_property
    def n_radial(self) -> int:
        """Number N of radial functions of a species channel."""
        return 1 + max(channel.radial for function in self.functions for channel in function.channels)

    @cached_property
    def degree(self) -> FloatArray:
        """Degree Σ_t (n_t + w l_t) of every column, shape (K,); whole numbers where w is one."""
        return np.tile([function.degree for function in self.functions], len(self.species))

    @cached_property
    def order(self) -> IntArray:
        """Number of factors of every column, shape (K,)."""
        return np.tile(np.array([function.order for function in self.functions], dtype=np.int64), len(self.species))

    def subset_mask(self, reduction: int) -> BoolArray:
        """Columns that remain when every entry of `max_degree` is lowered by `reduction`, shape (K,)."""
        largest = np.array(self.max_degree)[self.order - 1] - reduction
        return self.degree <= largest + 1e-9

    def reduced(self, reduction: int) -> Self:
        """The basis of the columns of `subset_mask`, in the same order.

        Raises:
            SettingsError: no function remains.
        """
        lowered = tuple(largest - reduction for largest in self.max_degree)
        return replace(self, max_degree=lowered)

    def facts(self) -> dict[str, Any]:
        """Plain values that describe the basis to people."""
        return {
            "cutoff in Å": self.cutoff_ang,
            "functions": self.n_functions,
            "largest degree per order": list(self.max_degree),
            "largest angular momentum per order": list(self.l_max),
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values that `from_dict` turns into an equal basis."""
        return {
            "species": list(self.species),
            "cutoff_ang": self.cutoff_ang,
            "max_degree": list(self.max_degree),
            "l_max": list(self.l_max),
            "l_weight": self.l_weight,
            "mixing": None if self.mixing is None else [list(row) for row in self.mixing],
            "channel_degrees": list(self.channel_degrees),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The basis that `to_dict` described."""
        mixing = values.get("mixing")
        return cls(
            species=tuple(values["species"]),
            cutoff_ang=float(values["cutoff_ang"]),
            max_degree=tuple(int(degree) for degree in values["max_degree"]),
            l_max=tuple(int(momentum) for momentum in values["l_max"]),
            l_weight=float(values["l_weight"]),
            mixing=None if mixing is None else tuple(tuple(float(weight) for weight in row) for row in mixing),
            channel_degrees=tuple(float(degree) for degree in values.get("channel_degrees", ())),
        )

    def species_index(self, atoms: Atoms) -> IntArray:
        """Index into `species` of every atom, shape (n,).

        Raises:
            DataError: an atom's element is not in the basis.
        """
        return species_index(atoms, self.species, "basis")

    @cached_property
    def _tables(self) -> tuple[ChannelTables, FunctionTables, int]:
        channels, offsets = channel_tables(self.functions, self.n_radial)
        n_components = int(channels.offset[-1] + 2 * channels.momentum[-1] + 1)
        return channels, function_tables(self.functions, offsets), n_components

    def radial_functions(self, distance: FloatArray, species: IntArray) -> tuple[FloatArray, FloatArray]:
        """Values W_q,z g_n and slopes of the radial functions of all channels, row q · N + n, each of shape (Q N, P).

        Args:
            distance: distances in Å, each above 0 and not above the cutoff, shape (P,).
            species: species index of the neighbour at each distance, shape (P,).
        """
        plain = spherical_bessel(distance, self.n_radial, self.cutoff_ang)
        if len(self.species) == 1 and self.mixing is None:
            return plain
        weights = self.weights[:, species][:, None]
        shape = (len(weights) * self.n_radial, len(distance))
        values, slopes = ((weights * part).reshape(shape) for part in plain)
        return values, slopes

    def _environment(self, atoms: Atoms, pairs: Pairs | None = None) -> _Environment:
        species = self.species_index(atoms)
        neighbours = find_neighbours(atoms, self.cutoff_ang) if pairs is None else pairs.within(self.cutoff_ang)
        vector, distance = neighbours.vector, neighbours.distance
        radial, slope = self.radial_functions(distance, species[neighbours.neighbour])
        harmonics, harmonics_gradient = spherical_harmonics(vector, int(self._tables[0].momentum.max()))
        tables = kernels.PairTables(
            n_atoms=len(atoms),
            first_pair=neighbours.first_pair,
            first_edge=neighbours.first_edge,
            neighbour=neighbours.neighbour,
            edge_neighbour=neighbours.edge_neighbour,
            edge_position=neighbours.edge_position,
            vector=np.ascontiguousarray(vector.T),
            direction=np.ascontiguousarray((vector / distance[:, None]).T),
            radial=radial,
            radial_slope=slope,
            harmonics=harmonics,
            harmonics_gradient=harmonics_gradient,
        )
        volume = float(atoms.get_volume()) if atoms.pbc.all() else float("nan")
        return _Environment(species, neighbours, tables, volume)

    def _spread(self, compact: FloatArray, species: IntArray) -> FloatArray:
        """Invariants of one block (n, K_c) moved to the block of each atom's species, shape (n, K)."""
        result = np.zeros((len(species), len(self.species), compact.shape[1]))
        result[np.arange(len(species)), species] = compact
        return result.reshape(len(species), -1)

    def invariants(self, atoms: Atoms) -> FloatArray:
        """Invariants B_k(i) of every atom, shape (n, K).

        Raises:
            DataError: the structure cannot be described (unknown element, coincident atoms, not finite).
        """
        channels, functions, n_components = self._tables
        environment = self._environment(atoms)
        density = kernels.densities(environment.pairs, channels, n_components)
        return self._spread(kernels.products(density, functions), environment.species)

    def rows(self, atoms: Atoms, pairs: Pairs | None = None) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Rows of the design matrix: energy (K,), forces (3n, K) in 1/Å and stress (6, K) in 1/Å³.

        Multiplied by coefficients in eV they give the energy of all atoms, the forces -dE/dr and the stress dE/dε/V
        in ASE's sign and order. Stress rows are NaN unless the structure is periodic in three directions.

        Args:
            atoms: the structure, n atoms.
            pairs: its pairs, up to the cutoff at least; None: found here.

        Raises:
            DataError: the structure cannot be described (unknown element, coincident atoms, not finite).
        """
        channels, functions, n_components = self._tables
        environment = self._environment(atoms, pairs)
        density = kernels.densities(environment.pairs, channels, n_components)
        compact, values = kernels.products_with_derivatives(density, functions)
        species, n_species = environment.species, len(self.species)
        forces, strain = row_kernels.design_rows(environment.pairs, channels, functions, species, n_species, values)
        energy = np.concatenate([compact[species == z].sum(axis=0) for z in range(n_species)])
        return energy, forces, strain / environment.volume

    def project(self, atoms: Atoms, matrix: FloatArray) -> Projection:
        """Combinations of the invariants, B @ matrix, of every atom with derivatives by positions and strain.

        Args:
            atoms: the structure, n atoms.
            matrix: combinations, shape (K, P).

        Raises:
            DataError: the matrix has another number of rows, or the structure cannot be described.
        """
        if matrix.ndim != 2 or matrix.shape[0] != self.n_functions:
            raise DataError(f"A matrix of shape ({self.n_functions}, P) is needed, not one of shape {matrix.shape}.")
        matrix = np.ascontiguousarray(matrix, dtype=float)
        channels, functions, n_components = self._tables
        environment = self._environment(atoms)
        pairs, species = environment.pairs, environment.species
        density = kernels.densities(pairs, channels, n_components)
        compact, values = kernels.products_with_derivatives(density, functions)
        gradient, strain = row_kernels.project_rows(pairs, channels, functions, species, values, matrix)
        edges, own = np.diff(pairs.first_edge), pairs.first_edge[:-1]
        return Projection(
            rho=self._spread(compact, species) @ matrix,
            centre=np.repeat(np.arange(len(atoms)), edges + 1),
            neighbour=np.insert(pairs.edge_neighbour, own, np.arange(len(atoms))),
            gradient=gradient,
            strain=strain,
            volume=environment.volume,
        )

    def pull_back(self, atoms: Atoms) -> tuple[FloatArray, Callable[[FloatArray], tuple[FloatArray, FloatArray]]]:
        """Invariants (n, K), and what turns dE/dB (n, K) into forces (n, 3) in eV/Å and stress (6,) in eV/Å³.

        Derivatives are pulled back through the densities once, whatever the number of functions. The stress is NaN
        unless the structure is periodic in three directions.

        Raises:
            DataError: the structure cannot be described (unknown element, coincident atoms, not finite).
        """
        channels, functions, n_components = self._tables
        environment = self._environment(atoms)
        pairs, species, n_atoms = environment.pairs, environment.species, len(atoms)
        density = kernels.densities(pairs, channels, n_components)

        def derivatives(slopes: FloatArray) -> tuple[FloatArray, FloatArray]:
            blocks = np.asarray(slopes, dtype=float).reshape(n_atoms, len(self.species), -1)
            weights = np.ascontiguousarray(blocks[np.arange(n_atoms), species])
            gradient = kernels.pair_gradients(pairs, channels, kernels.density_adjoint(density, functions, weights))
            centre, neighbour = environment.neighbours.centre, environment.neighbours.neighbour
            forces = np.empty((n_atoms, 3))
            for x in range(3):
                forces[:, x] = np.bincount(centre, gradient[x], n_atoms) - np.bincount(neighbour, gradient[x], n_atoms)
            return forces, full_3x3_to_voigt_6_stress(pairs.vector @ gradient.T) / environment.volume

        return self._spread(kernels.products(density, functions), species), derivatives

    def evaluate(self, atoms: Atoms, atom_gradient: AtomGradient) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Energies of atoms (n,) in eV, forces (n, 3) in eV/Å and stress (6,) in eV/Å³ of any function of invariants.

        Args:
            atoms: the structure, n atoms.
            atom_gradient: maps invariants (n, K) to energies (n,) and their derivatives by the invariants (n, K).

        Raises:
            DataError: the structure cannot be described (unknown element, coincident atoms, not finite).
        """
        invariants, derivatives = self.pull_back(atoms)
        energies, slopes = atom_gradient(invariants)
        return np.asarray(energies, dtype=float), *derivatives(slopes)
