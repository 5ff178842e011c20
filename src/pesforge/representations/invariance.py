"""What a representation of structures keeps: its change where the same atoms are only told in another way."""

from collections.abc import Callable, Iterator

import numpy as np
from ase import Atoms

from pesforge.representations.arrays import FloatArray

Represent = Callable[[Atoms], FloatArray]
MOLECULE = ("order of atoms", "rotation", "reflection", "origin")
"""Operations on any structure."""
CRYSTAL = (*MOLECULE, "periodic images", "lattice vectors", "supercell")
"""Operations on a crystal: the last three are choices of the periodic cell."""


def _rotation(rng: np.random.Generator) -> FloatArray:
    """A proper rotation, uniform over all of them (Mezzadri, Notices of the AMS 54, 592, 2007)."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return np.asarray(q * np.sign(np.linalg.det(q)))


def _turned(atoms: Atoms, matrix: FloatArray) -> Atoms:
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ matrix.T)
    turned.positions = atoms.positions @ matrix.T
    return turned


def _told_otherwise(atoms: Atoms, rng: np.random.Generator) -> Iterator[tuple[str, Atoms]]:
    """The same structure in another way, by the name of the operation."""
    yield "order of atoms", atoms[rng.permutation(len(atoms))]
    yield "order of atoms", atoms[::-1]
    yield "rotation", _turned(atoms, _rotation(rng))
    yield "reflection", _turned(atoms, -_rotation(rng))
    moved = atoms.copy()
    moved.positions = atoms.positions + rng.normal(scale=3.0, size=3)
    yield "origin", moved
    if not atoms.pbc.all():
        return
    jumped = atoms.copy()
    jumped.positions = atoms.positions + rng.integers(-2, 3, size=(len(atoms), 3)) @ atoms.cell.array
    yield "periodic images", jumped
    for matrix in ([[1, 1, 0], [0, 1, 0], [0, -1, 1]], [[0, 1, 0], [0, 0, 1], [1, 0, 0]]):
        other = atoms.copy()
        other.set_cell(np.array(matrix) @ atoms.cell.array)
        yield "lattice vectors", other
    for repetitions in ((2, 1, 1), (1, 2, 3)):
        yield "supercell", atoms.repeat(repetitions)


def violations(represent: Represent, atoms: Atoms, seed: int) -> dict[str, float]:
    """Largest change of a representation under each operation that leaves the structure what it is, over its norm.

    Args:
        represent: maps a structure to numbers, none of which may depend on how it is told.
        atoms: structure without symmetry of its own, which would hide a fault; periodic in three directions or none.
        seed: of the random operations.
    """
    own = represent(atoms)
    size = float(np.linalg.norm(own))
    found: dict[str, float] = {}
    for name, told in _told_otherwise(atoms, np.random.default_rng(seed)):
        change = represent(told)
        moved = float(np.linalg.norm(change - own)) / size if change.shape == own.shape else np.inf
        found[name] = max(found.get(name, 0.0), moved)
    return found
