"""Design matrix of a set of structures: what the linear model is fitted on, and its labels."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from ase import Atoms

from pesforge import fields as names
from pesforge.errors import DataError
from pesforge.representations.archive import PART_BYTES, let_go, load_arrays, room_for, save_arrays
from pesforge.representations.arrays import BoolArray, FloatArray, IntArray
from pesforge.representations.neighbours import Pairs

if TYPE_CHECKING:
    from pesforge.representations.columns import Columns

Progress = Callable[[int, int], None]
"""Called with the number of finished structures and the number of all structures."""

ROWS = ("energy", "forces", "stress")
"""Names of the matrices, beside which all else is small."""
_TEXT = ("ids", "families", "groups")


@dataclass(frozen=True)
class Design:
    """Rows of the linear model for S structures of n_s atoms, with K functions and Z species.

    Rows of forces run over structures, atoms and x, y, z; those of stress over structures and xx, yy, zz, yz, xz, xy.
    """

    ids: tuple[str, ...]
    families: tuple[str, ...]
    groups: tuple[str, ...]
    n_atoms: IntArray
    """Atoms per structure, shape (S,)."""
    counts: FloatArray
    """Atoms of each species, shape (S, Z)."""
    energy: FloatArray
    """Invariants summed over the atoms, shape (S, K)."""
    forces: FloatArray
    """Negative derivatives of the energy rows by positions in 1/Å, shape (3 Σ n_s, K)."""
    stress: FloatArray
    """Derivatives of the energy rows by strain over the volume in 1/Å³, shape (6 S, K); NaN if not periodic."""
    y_energy: FloatArray
    """Labels in eV, shape (S,); NaN where absent."""
    y_forces: FloatArray
    """Labels in eV/Å, shape (3 Σ n_s,); NaN where absent."""
    y_stress: FloatArray
    """Labels in eV/Å³, shape (6 S,); NaN where absent or where the rows are NaN."""
    degree: FloatArray
    """Degree of each function, shape (K,)."""
    order: IntArray
    """Number of factors of each function, shape (K,)."""
    emphasis: FloatArray
    """Weights of the energy, forces and stress of each structure beside those of the fit, shape (S, 3)."""

    def __post_init__(self) -> None:
        structures, rows, columns = len(self.ids), 3 * int(self.n_atoms.sum()), len(self.degree)
        expected = {
            "n_atoms": (structures,),
            "energy": (structures, columns),
            "forces": (rows, columns),
            "stress": (6 * structures, columns),
            "y_energy": (structures,),
            "y_forces": (rows,),
            "y_stress": (6 * structures,),
            "order": (columns,),
            "emphasis": (structures, 3),
        }
        wrong = {
            name: getattr(self, name).shape for name, shape in expected.items() if getattr(self, name).shape != shape
        }
        if wrong or not len(self.counts) == len(self.families) == len(self.groups) == structures:
            raise DataError(
                f"A design of {structures} structures, {rows} force rows and {columns} functions has arrays of other "
                f"shapes: {wrong or 'families, groups or counts'}. Describe the structures again."
            )

    @property
    def offsets(self) -> IntArray:
        """First atom of each structure, and the number of all atoms, shape (S + 1,)."""
        return np.concatenate([[0], np.cumsum(self.n_atoms)]).astype(np.int64)

    def force_rows(self, structures: IntArray) -> IntArray:
        """Indices of the force rows of the given structures, in their order."""
        offsets = 3 * self.offsets
        parts = [np.arange(offsets[s], offsets[s + 1]) for s in np.asarray(structures)]
        return np.concatenate([np.empty(0, dtype=np.int64), *parts])

    def stress_rows(self, structures: IntArray) -> IntArray:
        """Indices of the stress rows of the given structures, in their order."""
        return (6 * np.asarray(structures, dtype=np.int64)[:, None] + np.arange(6)).ravel()

    def select(self, structures: IntArray | BoolArray) -> Self:
        """The design of the given structures: their indices, or a mask over all of them."""
        every = np.arange(len(self.ids))
        chosen = every[structures]
        if np.array_equal(chosen, every):
            return self
        rows, stress = self.force_rows(chosen), self.stress_rows(chosen)
        selected = replace(
            self,
            ids=tuple(self.ids[s] for s in chosen),
            families=tuple(self.families[s] for s in chosen),
            groups=tuple(self.groups[s] for s in chosen),
            n_atoms=self.n_atoms[chosen],
            counts=self.counts[chosen],
            energy=self.energy[chosen],
            forces=self.forces[rows],
            stress=self.stress[stress],
            y_energy=self.y_energy[chosen],
            y_forces=self.y_forces[rows],
            y_stress=self.y_stress[stress],
            emphasis=self.emphasis[chosen],
        )
        for name in ROWS:
            let_go(getattr(self, name))
        return selected

    def parts(self) -> Iterator[Self]:
        """The structures in their order, in parts of about 64 MB of rows; all at once where they are no more."""
        row_bytes = self.energy.itemsize * max(len(self.degree), 1)
        ends = np.cumsum((7 + 3 * self.n_atoms) * row_bytes) // PART_BYTES
        for structures in np.split(np.arange(len(self.ids)), 1 + np.flatnonzero(np.diff(ends))):
            yield self.select(structures)

    def emphasised(self, families: Mapping[str, Sequence[float]]) -> Self:
        """The design whose structures have the weights of energy, forces and stress that are given for their family.

        Raises:
            DataError: a family has no weights.
        """
        missing = sorted(set(self.families) - set(families))
        if missing:
            raise DataError(f"no weights are known for the families {', '.join(missing)}: cross-validate again.")
        emphasis = [families[family] for family in self.families]
        return replace(self, emphasis=np.array(emphasis, dtype=np.float64).reshape(len(self.ids), 3))

    def columns(self, chosen: BoolArray | IntArray) -> Self:
        """The design with the chosen functions only: a mask over all of them, or their indices."""
        return replace(
            self,
            energy=self.energy[:, chosen],
            forces=self.forces[:, chosen],
            stress=self.stress[:, chosen],
            degree=self.degree[chosen],
            order=self.order[chosen],
        )

    def save(self, path: Path | str, structures: IntArray | None = None) -> None:
        """Write the design to a file that ends in .npz, atomically; equal designs give equal bytes.

        Args:
            path: file.
            structures: indices of those to write, whose rows need not be held; None: all.
        """
        chosen = np.arange(len(self.ids)) if structures is None else structures
        labels = self.columns(np.empty(0, dtype=np.int64)).select(chosen)
        rows = {"energy": chosen, "forces": self.force_rows(chosen), "stress": self.stress_rows(chosen)}
        whole = {name: getattr(self, name) for name in (*ROWS, "degree", "order")}
        arrays = {field.name: whole.get(field.name, getattr(labels, field.name)) for field in fields(self)}
        save_arrays(path, arrays, None if structures is None else rows)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """The design that `save` wrote; its rows stay on the disk until they are looked at.

        Raises:
            DataError: the file is missing or damaged.
        """
        values: dict[str, Any] = dict(load_arrays(path, tuple(field.name for field in fields(cls)), mapped=ROWS))
        return cls(**(values | {name: tuple(values[name].tolist()) for name in _TEXT}))


def _labels(atoms: Atoms) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Stored energy (1,), forces (3n,) and stress (6,), NaN where the structure carries none for its present state."""
    calculator = atoms.calc
    found = {} if calculator is None or calculator.check_state(atoms) else calculator.results
    sizes = {"energy": 1, "forces": 3 * len(atoms), "stress": 6}
    energy, forces, stress = (
        np.asarray(found[name], dtype=float).reshape(size) if found.get(name) is not None else np.full(size, np.nan)
        for name, size in sizes.items()
    )
    return energy, forces, stress


def _text(atoms: Atoms, name: str, default: str) -> str:
    return str(atoms.info.get(name, default))


Rows = tuple[FloatArray, FloatArray, FloatArray]
"""Rows of one structure: energy (K,), forces (3n, K), stress (6, K)."""


def describe(
    frames: Sequence[Atoms], basis: "Columns", progress: Progress | None = None, folder: Path | None = None
) -> Design:
    """The design matrix of structures with their labels.

    A structure without an id gets its position in the sequence, one without a group forms a group of its own.

    Args:
        frames: structures; labels are taken from their calculators where they hold any, nothing is computed.
        basis: the functions.
        progress: called after every structure.
        folder: where the rows stay on the disk, in a file without a name; None: they are held in memory.

    Raises:
        DataError: a structure cannot be described; the message names it.
        StorageError: the disk is full.
    """

    def rows() -> Iterator[Rows]:
        for s, atoms in enumerate(frames):
            yield rows_of(atoms, basis, str(s))
            if progress is not None:
                progress(s + 1, len(frames))

    return assemble(frames, basis, rows(), folder)


def rows_of(atoms: Atoms, basis: "Columns", name: str, pairs: Pairs | None = None) -> Rows:
    """Rows of one structure.

    Args:
        atoms: the structure.
        basis: the functions.
        name: what a structure without an id is called.
        pairs: pairs of the structure, up to the largest cutoff at least; None: found here.

    Raises:
        DataError: the structure cannot be described; the message names it.
    """
    try:
        return basis.rows(atoms, pairs)
    except DataError as error:
        raise DataError(f"Structure {_text(atoms, names.ID, name)}: {error}") from error


def assemble(frames: Sequence[Atoms], basis: "Columns", rows: Iterable[Rows], folder: Path | None = None) -> Design:
    """The design matrix of structures whose rows are known.

    Args:
        frames: structures with their labels.
        basis: the functions.
        rows: rows of each structure.
        folder: where the rows stay on the disk; None: in memory.
    """
    lengths = (len(frames), 3 * sum(len(atoms) for atoms in frames), 6 * len(frames))
    energy, forces, stress = (room_for((length, basis.n_functions), folder) for length in lengths)
    counts = np.zeros((len(frames), len(basis.species)))
    ids = tuple(_text(atoms, names.ID, str(s)) for s, atoms in enumerate(frames))
    row = filled = 0
    for s, (atoms, block) in enumerate(zip(frames, rows, strict=True)):
        counts[s] = np.bincount(basis.species_index(atoms), minlength=len(basis.species))
        energy[s], forces[row : row + 3 * len(atoms)], stress[6 * s : 6 * s + 6] = block
        row += 3 * len(atoms)
        filled += sum(rows_of_kind.nbytes for rows_of_kind in block)
        if filled > PART_BYTES:
            filled = 0
            for matrix in (energy, forces, stress):
                let_go(matrix)
    empty = np.empty(0)
    labels = list(map(_labels, frames))
    y_energy, y_forces, y_stress = (np.concatenate([empty, *(found[kind] for found in labels)]) for kind in range(3))
    return Design(
        ids=ids,
        families=tuple(_text(atoms, names.FAMILY, "") for atoms in frames),
        groups=tuple(_text(atoms, names.GROUP, name) for name, atoms in zip(ids, frames, strict=True)),
        n_atoms=np.array([len(atoms) for atoms in frames], dtype=np.int64),
        counts=counts,
        energy=energy,
        forces=forces,
        stress=stress,
        y_energy=y_energy,
        y_forces=y_forces,
        y_stress=np.where(np.isnan(stress).any(axis=1), np.nan, y_stress),
        degree=basis.degree,
        order=basis.order,
        emphasis=np.ones((len(frames), 3)),
    )
