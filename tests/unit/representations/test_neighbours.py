from itertools import product

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from pesforge.errors import DataError
from pesforge.representations.neighbours import find_neighbours


def structure(seed, pbc):
    rng = np.random.default_rng(seed)
    cell = np.eye(3) * (3.1, 3.9, 4.6) + rng.normal(0, 0.5, (3, 3))
    return Atoms("H5", scaled_positions=rng.uniform(-1.5, 2.5, (5, 3)), cell=cell, pbc=pbc)


@pytest.mark.parametrize("pbc", [(True, True, True), (True, False, True), (False, False, False)])
def test_pairs_are_those_of_a_direct_search(pbc):
    atoms, cutoff = structure(0, pbc), 4.4
    found = find_neighbours(atoms, cutoff)
    expected = []
    ranges = [range(-9, 10) if periodic else (0,) for periodic in pbc]
    for i, j, shift in product(range(5), range(5), product(*ranges)):
        vector = atoms.positions[j] - atoms.positions[i] + np.array(shift) @ atoms.cell.array
        if (i != j or any(shift)) and np.linalg.norm(vector) < cutoff:
            expected.append((i, j, *np.round(vector, 9) + 0.0))
    rows = zip(found.centre.tolist(), found.neighbour.tolist(), np.round(found.vector, 9) + 0.0, strict=True)
    assert sorted((i, j, *vector) for i, j, vector in rows) == sorted(expected)


def test_pairs_and_edges_of_a_centre_describe_each_other():
    atoms = structure(1, True)
    found = find_neighbours(atoms, 6.0)
    assert np.any(found.centre == found.neighbour)
    for i in range(5):
        pairs = slice(*found.first_pair[i : i + 2])
        edges = found.edge_neighbour[slice(*found.first_edge[i : i + 2])]
        assert np.all(found.centre[pairs] == i)
        assert edges.tolist() == sorted(set(found.neighbour[pairs].tolist()) - {i})
        for neighbour, position in zip(found.neighbour[pairs], found.edge_position[pairs], strict=True):
            assert position == (-1 if neighbour == i else edges.tolist().index(neighbour))
    assert found.first_pair[-1] == len(found.centre)
    assert found.first_edge[-1] == found.n_edges


def test_edges_of_consecutive_centres_to_one_neighbour_are_not_merged():
    atoms = Atoms("H3", positions=[(-2, 0, 0), (2, 0, 0), (0, 0, 0)])
    found = find_neighbours(atoms, 3.0)
    assert found.edge_neighbour.tolist() == [2, 2, 0, 1]
    assert found.first_edge.tolist() == [0, 1, 2, 4]


def test_an_isolated_atom_has_no_pairs():
    found = find_neighbours(Atoms("H"), 5.0)
    assert len(found.centre) == found.n_edges == 0


def not_finite():
    atoms = bulk("Cu")
    atoms.positions[0, 0] = np.nan
    return atoms


@pytest.mark.parametrize(
    ("atoms", "words"),
    [
        (Atoms(), "no atoms"),
        (not_finite(), "not finite"),
        (Atoms("H", cell=[1, 1, 0], pbc=True), "linearly dependent"),
        (Atoms("H2", positions=[(0, 0, 0), (5, 0, 0)], cell=[5, 5, 5], pbc=True), "same place"),
    ],
)
def test_structures_without_an_environment_are_refused(atoms, words):
    with pytest.raises(DataError, match=words):
        find_neighbours(atoms, 3.0)
