"""Structures as graphs of atoms and directed edges, the form that message-passing networks take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from ase import Atoms

from pesforge.errors import DataError
from pesforge.pairs import find_pairs
from pesforge.representations.arrays import FloatArray, IntArray

COINCIDENT_ANG = 1e-6
"""Distance below which two atoms count as the same point."""


@dataclass(frozen=True)
class Graph:
    """One structure or several, one after the other (S structures, n atoms, e edges).

    Attributes:
        positions: (n, 3) in Å.
        species: (n,) index of each atom's element.
        structure: (n,) structure of each atom.
        sender, receiver: (e,) atoms of each directed edge; every pair within the cutoff stands there twice.
        shifts: (e, 3) whole cell vectors to add to r_receiver − r_sender.
        cells: (S, 3, 3) cell vectors in Å as rows; zeros where there are none.
        volumes: (S,) in Å³; NaN for structures that are not periodic in three directions.
        n_atoms: (S,) atoms of each structure.
    """

    positions: FloatArray
    species: IntArray
    structure: IntArray
    sender: IntArray
    receiver: IntArray
    shifts: FloatArray
    cells: FloatArray
    volumes: FloatArray
    n_atoms: IntArray


def graph_of(atoms: Atoms, species: Mapping[str, int], cutoff_ang: float) -> Graph:
    """The graph of one structure.

    Args:
        atoms: the structure; cells smaller than the cutoff and positions outside of the cell are allowed.
        species: index of every chemical symbol that is known.
        cutoff_ang: length of the longest edge in Å.

    Raises:
        DataError: an element is not known, numbers are not finite, or atoms coincide.
    """
    symbols = atoms.get_chemical_symbols()
    missing = sorted(set(symbols) - set(species))
    if missing:
        raise DataError(
            f"The potential has no parameters for {', '.join(missing)}; it is made for {', '.join(species)}. "
            "Train a potential on structures that hold these elements."
        )
    cell = np.asarray(atoms.cell.array, dtype=np.float64)
    if not len(atoms) or not (np.isfinite(atoms.positions).all() and np.isfinite(cell).all()):
        raise DataError("The structure has no atoms, or positions or a cell that are not finite; repair or drop it.")
    first, second, shift, distance = find_pairs(atoms, cutoff_ang, "ijSd")
    if len(distance) and distance.min() < COINCIDENT_ANG:
        worst = int(distance.argmin())
        raise DataError(f"Atoms {first[worst]} and {second[worst]} are at the same place; drop the structure.")
    order = np.lexsort((*shift.T, second, first))
    return Graph(
        positions=np.asarray(atoms.positions, dtype=np.float64),
        species=np.array([species[symbol] for symbol in symbols], dtype=np.int64),
        structure=np.zeros(len(atoms), dtype=np.int64),
        sender=first[order].astype(np.int64),
        receiver=second[order].astype(np.int64),
        shifts=shift[order].astype(np.float64),
        cells=cell[None],
        volumes=np.array([atoms.get_volume() if atoms.pbc.all() else np.nan]),
        n_atoms=np.array([len(atoms)], dtype=np.int64),
    )


def joined(graphs: Sequence[Graph]) -> Graph:
    """One graph of several structures, without an edge between them.

    Raises:
        DataError: there is no structure.
    """
    if not graphs:
        raise DataError("There is no structure to join; give at least one.")
    n_atoms = np.concatenate([graph.n_atoms for graph in graphs])
    first = np.cumsum([0, *(len(graph.positions) for graph in graphs)])

    def together(name: str) -> npt.NDArray[np.float64]:
        return np.concatenate([getattr(graph, name) for graph in graphs])

    def moved(name: str) -> IntArray:
        return np.concatenate([getattr(graph, name) + start for graph, start in zip(graphs, first, strict=False)])

    return Graph(
        positions=together("positions"),
        species=np.concatenate([graph.species for graph in graphs]),
        structure=np.repeat(np.arange(len(n_atoms)), n_atoms),
        sender=moved("sender"),
        receiver=moved("receiver"),
        shifts=together("shifts"),
        cells=together("cells"),
        volumes=together("volumes"),
        n_atoms=n_atoms,
    )
