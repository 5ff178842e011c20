"""Bins of configuration space whose ranges the study states: pair distances, strains, mean descriptors."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations_with_replacement, pairwise
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii

from pesforge.errors import DataError
from pesforge.family_settings import BinKind
from pesforge.fields import STRAIN
from pesforge.pairs import find_pairs
from pesforge.representations.ace import AceBasis
from pesforge.representations.arrays import BoolArray, FloatArray, IntArray
from pesforge.sampling.frames import VOIGT
from pesforge.sampling.strain import invariants

BIN_WIDTH_ANG = 0.1
"""Width of pair-distance bins: about the thermal displacement of an atom."""
STRAIN_BINS = 6
"""Bins along each axis of the (I₁, √J₂) plane. The square root makes equal bins equal in strain."""
DESCRIPTOR_BINS = 8
"""Bins along each principal component, equally full of candidates."""
MAX_DEGREE, L_MAX = (6, 6), (0, 3)
"""Descriptors of coverage: pairs and triples. They do not follow the potential's basis, so that a larger basis changes
neither bins nor structures."""
SPREAD_FLOOR = 1e-10
"""A descriptor whose spread is below this share of the largest descriptor is constant up to rounding."""
SLACK = 1e-9
SAME_CELL_ANG = 1e-6


@dataclass(frozen=True)
class DistanceBins:
    """Bins of 0.1 Å for every pair of species, from the shortest distance that is believed to the cutoff.

    Args:
        numbers: atomic numbers of the species, rising.
        cutoff_ang: upper end in Å.
        min_distance_factor: lower end, over the sum of the pair's covalent radii.
    """

    numbers: tuple[int, ...]
    cutoff_ang: float
    min_distance_factor: float

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """Indices of the species of every pair."""
        return list(combinations_with_replacement(range(len(self.numbers)), 2))

    @property
    def names(self) -> list[str]:
        """Names of the pairs, such as Cu-O."""
        return ["-".join(chemical_symbols[self.numbers[index]] for index in pair) for pair in self.pairs]

    @cached_property
    def starts_ang(self) -> FloatArray:
        """Lower end of every pair in Å."""
        radii = covalent_radii[list(self.numbers)]
        return np.array([self.min_distance_factor * (radii[a] + radii[b]) for a, b in self.pairs])

    @cached_property
    def offsets(self) -> IntArray:
        """First bin of every pair, and the number of all bins."""
        counts = np.ceil((self.cutoff_ang - self.starts_ang) / BIN_WIDTH_ANG - SLACK).astype(np.int64)
        return np.concatenate([[0], np.cumsum(np.maximum(counts, 1))])

    @cached_property
    def _pair_of(self) -> IntArray:
        table = np.zeros((len(self.numbers),) * 2, dtype=np.int64)
        for index, (a, b) in enumerate(self.pairs):
            table[a, b] = table[b, a] = index
        return table

    def filled(self, atoms: Atoms) -> tuple[BoolArray, bool]:
        """Which bins a structure fills, and whether all of its distances are long enough to be believed."""
        reach = max(self.cutoff_ang, float(self.starts_ang.max()))
        i, j, distance = find_pairs(atoms, reach, "ijd", both_ways=False)
        species = np.searchsorted(self.numbers, atoms.numbers)
        pair = self._pair_of[species[i], species[j]]
        bins = np.floor((distance - self.starts_ang[pair]) / BIN_WIDTH_ANG).astype(np.int64)
        inside = (bins >= 0) & (bins < np.diff(self.offsets)[pair])
        found = np.zeros(self.offsets[-1], dtype=np.bool_)
        found[self.offsets[pair[inside]] + bins[inside]] = True
        return found, bool((bins >= 0).all())


@dataclass(frozen=True)
class StrainBins:
    """A grid over the plane of I₁ = tr ε and √J₂, J₂ = ½ dev ε : dev ε, of the range that the study asks for.

    Args:
        parent_cell: (3, 3) in Å.
        i1_max: the grid runs from −max to max.
        root_j2_max: the grid runs from 0 to max.
    """

    parent_cell: FloatArray
    i1_max: float
    root_j2_max: float

    @property
    def shape(self) -> tuple[int, int]:
        """Bins along I₁ and √J₂; one along an axis without range, none where neither has one."""
        if not (self.i1_max or self.root_j2_max):
            return 0, 0
        return STRAIN_BINS if self.i1_max else 1, STRAIN_BINS if self.root_j2_max else 1

    def filled(self, atoms: Atoms) -> BoolArray:
        """The bin of a structure as a mask; none for one that is no strained parent, or outside of the range."""
        found = np.zeros(self.shape, dtype=np.bool_)
        strain = np.asarray(atoms.info.get(STRAIN, np.full(6, np.nan)), dtype=float)
        tensor = np.eye(3)
        for value, (row, column) in zip(strain, VOIGT, strict=True):
            tensor[row, column] = tensor[column, row] = value + float(row == column)
        if found.size and np.allclose(atoms.cell.array, self.parent_cell @ tensor.T, rtol=0, atol=SAME_CELL_ANG):
            first, second = invariants(strain)
            where = np.array(
                [(first + self.i1_max) / (2 * self.i1_max or 1), np.sqrt(second) / (self.root_j2_max or 1)]
            )
            inside = (where > -SLACK) & (where < 1 + SLACK)
            if inside.all():
                place = np.clip((where * self.shape).astype(np.int64), 0, np.array(self.shape) - 1)
                found[tuple(place)] = True
        return found.ravel()


@dataclass(frozen=True)
class DescriptorBins:
    """A grid over the two leading principal components of standardised mean descriptors of a cloud of candidates.

    Args:
        species: symbols of the elements, in alphabetical order.
        cutoff_ang: cutoff of the descriptors in Å.
        mean: (K,) mean of the cloud.
        scale: (K,) inverse spread of the cloud, 0 for constant descriptors.
        components: (K, 2) unit vectors.
        edges: (2, n + 1) edges of the bins along each component.
        explained: (2,) share of the variance of the cloud along each component.
    """

    species: tuple[str, ...]
    cutoff_ang: float
    mean: FloatArray
    scale: FloatArray
    components: FloatArray
    edges: FloatArray
    explained: FloatArray

    @classmethod
    def of(cls, species: tuple[str, ...], cutoff_ang: float, cloud: FloatArray) -> "DescriptorBins":
        """The grid of a cloud, its edges at equal shares of the candidates along each component.

        Args:
            species: symbols of the elements, in alphabetical order.
            cutoff_ang: cutoff of the descriptors in Å.
            cloud: (C, K) mean descriptors of the candidates.

        Raises:
            DataError: the candidates do not differ.
        """
        mean, spread = cloud.mean(axis=0), cloud.std(axis=0)
        varying = spread > SPREAD_FLOOR * np.abs(cloud).max()
        if not varying.any():
            raise DataError("all candidates have the same descriptors; widen the ranges of `sample.candidates`.")
        scale = np.where(varying, 1 / np.where(varying, spread, 1), 0.0)
        _, sizes, rows = np.linalg.svd((cloud - mean) * scale, full_matrices=False)
        components = rows[:2].T
        largest = np.take_along_axis(components, np.abs(components).argmax(axis=0)[None], axis=0)
        components = components * np.sign(largest)
        scores = ((cloud - mean) * scale) @ components
        edges = np.quantile(scores, np.linspace(0, 1, DESCRIPTOR_BINS + 1), axis=0).T
        room = SLACK * np.maximum(np.ptp(scores, axis=0), SLACK)
        edges[:, 0] -= room
        edges[:, -1] += room
        return cls(species, cutoff_ang, mean, scale, components, edges, sizes[:2] ** 2 / (sizes**2).sum())

    @property
    def shape(self) -> tuple[int, int]:
        """Bins along the two components."""
        return DESCRIPTOR_BINS, DESCRIPTOR_BINS

    def scores(self, features: FloatArray) -> FloatArray:
        """Places (S, 2) of structures along the two components, from their mean descriptors (S, K)."""
        return np.asarray(((features - self.mean) * self.scale) @ self.components)

    def filled(self, features: FloatArray) -> BoolArray:
        """The bin of every structure as a mask (S, B), from its mean descriptors (S, K); none outside of the range."""
        scores = self.scores(features)
        place = [
            np.searchsorted(edges, column, side="right") - 1 for edges, column in zip(self.edges, scores.T, strict=True)
        ]
        inside = np.logical_and.reduce([(bins >= 0) & (bins < DESCRIPTOR_BINS) for bins in place])
        found = np.zeros((len(features), *self.shape), dtype=np.bool_)
        rows = np.flatnonzero(inside)
        found[rows, place[0][rows], place[1][rows]] = True
        return found.reshape(len(features), -1)


@cache
def _basis(species: tuple[str, ...], cutoff_ang: float) -> AceBasis:
    """The descriptors of coverage; their tables are made once."""
    return AceBasis(species=species, cutoff_ang=cutoff_ang, max_degree=MAX_DEGREE, l_max=L_MAX)


def mean_descriptors(frames: Sequence[Atoms], species: tuple[str, ...], cutoff_ang: float) -> FloatArray:
    """Mean over the atoms of the invariants of every structure, (S, K).

    Args:
        frames: structures.
        species: symbols of the elements, in alphabetical order.
        cutoff_ang: cutoff in Å.
    """
    basis = _basis(species, cutoff_ang)
    return np.array([basis.invariants(atoms).mean(axis=0) for atoms in frames]).reshape(len(frames), -1)


@dataclass(frozen=True)
class Bins:
    """All bins, in the order distances, strains, descriptors."""

    distances: DistanceBins
    strains: StrainBins
    descriptors: DescriptorBins

    @property
    def parts(self) -> dict[BinKind, slice]:
        """The bins of every kind."""
        sizes = [
            int(self.distances.offsets[-1]),
            *(int(np.prod(part.shape)) for part in (self.strains, self.descriptors)),
        ]
        ends = pairwise(np.cumsum([0, *sizes]).tolist())
        kinds: tuple[BinKind, ...] = ("distances", "strains", "descriptors")
        return {kind: slice(start, stop) for kind, (start, stop) in zip(kinds, ends, strict=True)}

    def filled(self, frames: Sequence[Atoms]) -> BoolArray:
        """Which bins every structure fills, (S, B)."""
        near = [self.distances.filled(atoms)[0] for atoms in frames]
        strained = [self.strains.filled(atoms) for atoms in frames]
        features = mean_descriptors(frames, self.descriptors.species, self.descriptors.cutoff_ang)
        blocks: list[Any] = [np.array(near), np.array(strained), self.descriptors.filled(features)] if frames else []
        return np.concatenate(blocks, axis=1) if blocks else np.zeros((0, self.parts["descriptors"].stop), np.bool_)
