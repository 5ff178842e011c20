"""Pairs of atoms: what is listed, and that listing them does not cost the import of torch."""

import subprocess
import sys

import numpy as np
from ase import Atoms
from ase.build import bulk

from pesforge.pairs import find_pairs


def test_pairs_of_a_crystal_are_listed_with_their_images() -> None:
    atoms = bulk("Cu", a=4.0)
    first, second, shift, distance, vector = find_pairs(atoms, 2.9, "ijSdD")
    assert len(distance) == 12
    assert not first.any()
    assert not second.any()
    assert first.dtype == shift.dtype == np.int64
    np.testing.assert_allclose(distance, np.sqrt(8.0))
    np.testing.assert_allclose(shift @ atoms.cell.array, vector)
    assert len(find_pairs(atoms, 2.9, "d", both_ways=False)[0]) == 6


def test_nothing_near_gives_empty_arrays() -> None:
    first, vector = find_pairs(Atoms("He2", positions=[(0, 0, 0), (0, 0, 9)]), 3.0, "iD")
    assert first.shape == (0,)
    assert vector.shape == (0, 3)


def test_listing_pairs_leaves_torch_alone_and_importable() -> None:
    program = """
import sys
from ase.build import bulk
from pesforge.pairs import find_pairs
assert len(find_pairs(bulk("Cu"), 2.7, "d")[0]) == 12
assert "torch" not in sys.modules
import torch
assert float(torch.ones(2).sum()) == 2.0
assert len(find_pairs(bulk("Cu"), 2.7, "d")[0]) == 12
"""
    subprocess.run([sys.executable, "-c", program], check=True)
