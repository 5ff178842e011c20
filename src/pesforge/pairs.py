"""Pairs of atoms within a reach, periodic images included."""

import sys
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms

LONGEST_ANG = 1000.0
"""Longest lattice vector of a structure with labels; what is longer is not in Å, or no number of this world."""
FARTHEST_ANG = 1e6
"""Largest coordinate, which may be outside of the cell."""
THINNEST_ANG = 0.3
"""Smallest distance of opposite faces of a periodic cell; a thinner one has pairs without number."""


def _vesin() -> Any:
    """vesin's class of neighbour lists.

    vesin imports torch where it is installed, for tensors that are never given to it here. That takes seconds, so the
    import is refused for the moment; vesin then does without.
    """
    if "vesin" not in sys.modules and "torch" not in sys.modules:
        sys.modules["torch"] = None  # type: ignore[assignment]
        try:
            import_module("vesin")
        finally:
            del sys.modules["torch"]
    return import_module("vesin").NeighborList


def unfit(atoms: Atoms) -> str:
    """What is wrong with the size of a structure, so that its pairs cannot be found; nothing where it is sound."""
    cell = atoms.cell.array
    if not (np.isfinite(atoms.positions).all() and np.isfinite(cell).all()):
        return "positions or cell are not finite"
    longest = float(np.abs(cell).max(initial=0.0))
    if longest > LONGEST_ANG:
        return f"the cell reaches over {longest:.3g} Å, more than {LONGEST_ANG:g} Å"
    farthest = float(np.abs(atoms.positions).max(initial=0.0))
    if farthest > FARTHEST_ANG:
        return f"an atom stands at {farthest:.3g} Å, beyond {FARTHEST_ANG:g} Å"
    if np.linalg.matrix_rank(cell[atoms.pbc]) < int(atoms.pbc.sum()):
        return "it is periodic, but its cell has no volume"
    whole = atoms.cell.complete().array
    faces = np.linalg.norm(np.cross(np.roll(whole, -1, axis=0), np.roll(whole, -2, axis=0)), axis=1)
    if (abs(np.linalg.det(whole)) < THINNEST_ANG * faces[atoms.pbc]).any():
        return f"opposite faces of its cell are less than {THINNEST_ANG} Å apart"
    return ""


def find_pairs(atoms: Atoms, reach_ang: float, quantities: str, *, both_ways: bool = True) -> list[npt.NDArray[Any]]:
    """Arrays over the pairs of a structure.

    Args:
        atoms: a structure of finite positions; cells smaller than the reach are allowed.
        reach_ang: largest distance in Å.
        quantities: any of i and j (indices, int64), S (cell shifts of j, shape (P, 3), int64), d (distances in Å) and D
            (vectors r_j - r_i in Å, shape (P, 3)); one array of the result each, in this order.
        both_ways: whether a pair is listed from both of its ends.

    Source: the library vesin.
    """
    finder = _vesin()(cutoff=reach_ang, full_list=both_ways, n_threads=1)
    found = finder.compute(
        points=np.ascontiguousarray(atoms.positions, dtype=float),
        box=np.ascontiguousarray(atoms.cell.array, dtype=float),
        periodic=[bool(flag) for flag in atoms.pbc],
        quantities=quantities,
    )
    return [
        array.astype(np.int64) if letter in "ijS" else array for letter, array in zip(quantities, found, strict=True)
    ]
