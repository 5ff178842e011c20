"""Projections of a set of structures: what non-linear heads are trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.representations.archive import load_arrays, save_arrays
from pesforge.representations.arrays import BoolArray, FloatArray, IntArray
from pesforge.representations.design import Progress

if TYPE_CHECKING:
    from pesforge.representations.stacked import Basis


@dataclass(frozen=True)
class ProjectionSet:
    """Combinations ρ of invariants for the N atoms of S structures, with derivatives over E edges.

    With dE_i/dρ_i known, the force on atom j is -Σ_e gradient[e] · dE/dρ[centre[e]] over the edges with neighbour j,
    and the stress of a structure is Σ_i strain[i] · dE/dρ[i] / volume over its atoms.
    """

    rho: FloatArray
    """Values, shape (N, P)."""
    species: IntArray
    """Index of each atom's element in the basis, shape (N,)."""
    structure: IntArray
    """Structure of each atom, shape (N,)."""
    centre: IntArray
    """Atom i of each edge among all N atoms, shape (E,), rising."""
    neighbour: IntArray
    """Atom j of each edge among all N atoms, shape (E,)."""
    gradient: FloatArray
    """dρ_i/dr_j in 1/Å, shape (E, 3, P)."""
    strain: FloatArray
    """dρ_i/dε, shape (N, 6, P), order xx, yy, zz, yz, xz, xy."""
    volumes: FloatArray
    """Volumes in Å³, shape (S,); NaN for structures that are not periodic in three directions."""
    atom_offsets: IntArray
    """First atom of each structure, and N, shape (S + 1,)."""
    edge_offsets: IntArray
    """First edge of each structure, and E, shape (S + 1,)."""

    def select(self, structures: IntArray | BoolArray) -> Self:
        """The projections of the given structures: their indices, or a mask over all of them."""
        chosen = np.arange(len(self.volumes))[structures]
        atoms, atom_offsets = _ranges(self.atom_offsets, chosen)
        edges, edge_offsets = _ranges(self.edge_offsets, chosen)
        shift = np.repeat(atom_offsets[:-1] - self.atom_offsets[chosen], np.diff(edge_offsets))
        return type(self)(
            rho=self.rho[atoms],
            species=self.species[atoms],
            structure=np.repeat(np.arange(len(chosen)), np.diff(atom_offsets)),
            centre=self.centre[edges] + shift,
            neighbour=self.neighbour[edges] + shift,
            gradient=self.gradient[edges],
            strain=self.strain[atoms],
            volumes=self.volumes[chosen],
            atom_offsets=atom_offsets,
            edge_offsets=edge_offsets,
        )

    def save(self, path: Path | str) -> None:
        """Write the projections to a file that ends in .npz, atomically; equal projections give equal bytes."""
        save_arrays(path, {field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """The projections that `save` wrote.

        Raises:
            DataError: the file is missing or damaged.
        """
        return cls(**load_arrays(path, tuple(field.name for field in fields(cls))))


def _ranges(offsets: IntArray, chosen: IntArray) -> tuple[IntArray, IntArray]:
    """Indices of the elements of chosen ranges, one range after the other, and their new offsets."""
    lengths = offsets[chosen + 1] - offsets[chosen]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return np.arange(starts[-1]) + np.repeat(offsets[chosen] - starts[:-1], lengths), starts


def project_all(
    frames: Sequence[Atoms], basis: "Basis", matrix: FloatArray, progress: Progress | None = None
) -> ProjectionSet:
    """Combinations B @ matrix of the invariants of all atoms, with derivatives.

    Args:
        frames: structures, at least one.
        basis: the functions.
        matrix: combinations, shape (K, P); the coefficients of a linear potential can be one of its columns.
        progress: called after every structure.

    Raises:
        DataError: there is no structure, or one cannot be described; the message names its position.
    """
    if not frames:
        raise DataError("There is no structure to project; give at least one.")
    parts = []
    for s, atoms in enumerate(frames):
        try:
            parts.append(basis.project(atoms, matrix))
        except DataError as error:
            raise DataError(f"Structure {s} of {len(frames)}: {error}") from error
        if progress is not None:
            progress(s + 1, len(frames))
    sizes = np.array([len(part.rho) for part in parts], dtype=np.int64)
    edges = np.array([len(part.centre) for part in parts], dtype=np.int64)
    atom_offsets = np.concatenate([[0], np.cumsum(sizes)])
    return ProjectionSet(
        rho=np.concatenate([part.rho for part in parts]),
        species=np.concatenate([basis.species_index(atoms) for atoms in frames]),
        structure=np.repeat(np.arange(len(parts)), sizes),
        centre=np.concatenate([part.centre + first for part, first in zip(parts, atom_offsets, strict=False)]),
        neighbour=np.concatenate([part.neighbour + first for part, first in zip(parts, atom_offsets, strict=False)]),
        gradient=np.concatenate([part.gradient for part in parts]),
        strain=np.concatenate([part.strain for part in parts]),
        volumes=np.array([part.volume for part in parts]),
        atom_offsets=atom_offsets,
        edge_offsets=np.concatenate([[0], np.cumsum(edges)]),
    )
