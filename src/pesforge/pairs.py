"""Pairs of atoms within a reach, periodic images included."""

import sys
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms


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
