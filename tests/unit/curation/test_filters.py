"""Filters on geometry and labels: each planted defect is dropped with its own reason, the rest stays."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge.curation.filters import Sieve, absurd_forces, broken_labels, filter_labels, too_short
from pesforge.errors import DataError
from pesforge.settings import Curate


def labelled(name, positions, *, cell=(9.0, 9.0, 9.0), pbc=True, symbols=None, **results):
    atoms = Atoms(symbols or "Si" * len(positions), positions=positions, cell=cell, pbc=pbc, info={"id": name})
    defaults = {"energy": -1.0, "forces": np.zeros((len(positions), 3)), "stress": np.zeros(6)}
    atoms.calc = SinglePointCalculator(atoms, **{**defaults, **results})
    return atoms


def test_a_pair_across_the_boundary_is_too_short():
    inside = labelled("fine", [[1, 1, 1], [3.4, 1, 1]])
    across = labelled("across", [[0.2, 1, 1], [8.6, 1, 1]])
    found = too_short([inside, across], 0.6)
    assert [decision.id for decision in found] == ["across"]
    assert "0.600 Å" in found[0].reason


def test_an_atom_too_close_to_its_own_image_is_found():
    thin = labelled("thin", [[0, 0, 0]], cell=(1.2, 9, 9))
    assert [decision.id for decision in too_short([thin], 0.6)] == ["thin"]
    free = labelled("free", [[0, 0, 0]], cell=(1.2, 9, 9), pbc=(False, True, True))
    assert too_short([free], 0.6) == []


def test_each_pair_is_judged_by_its_own_radii():
    bond = [[0, 0, 0], [0, 0, 0.8]]
    assert too_short([labelled("CH", bond, symbols="CH")], 0.6) == []
    assert [decision.id for decision in too_short([labelled("SiSi", bond, symbols="SiSi")], 0.6)] == ["SiSi"]


def test_forces_beyond_the_limit_are_judged_by_their_length():
    below = labelled("below", [[0, 0, 0]], forces=np.array([[17.0, 17.0, 0.0]]))
    above = labelled("above", [[0, 0, 0]], forces=np.array([[18.0, 18.0, 18.0]]))
    assert [decision.id for decision in absurd_forces([below, above], 30.0)] == ["above"]


def test_labels_that_are_missing_or_not_numbers_are_broken():
    good = labelled("good", [[0, 0, 0]])
    bare = Atoms("Si", info={"id": "bare"})
    energy = labelled("energy", [[0, 0, 0]], energy=np.nan)
    forces = labelled("forces", [[0, 0, 0]], forces=np.array([[0, np.inf, 0]]))
    stress = labelled("stress", [[0, 0, 0]], stress=np.full(6, np.nan))
    molecule = labelled("molecule", [[0, 0, 0]], stress=np.full(6, np.nan), pbc=False)
    found = {decision.id: decision.reason for decision in broken_labels([good, bare, energy, forces, stress, molecule])}
    assert set(found) == {"bare", "energy", "forces", "stress"}
    assert found["bare"] == "energy is missing, forces is missing"
    assert found["forces"] == "forces is not a number"


def test_nothing_vanishes_and_a_structure_is_dropped_once():
    frames = [
        labelled("good", [[0, 0, 0], [2.4, 0, 0]]),
        labelled("broken", [[0, 0, 0], [0.5, 0, 0]], energy=np.nan),
        labelled("short", [[0, 0, 0], [0.5, 0, 0]], forces=np.full((2, 3), 99.0)),
        labelled("hot", [[0, 0, 0], [2.4, 0, 0]], forces=np.full((2, 3), 99.0)),
    ]
    kept, decisions = filter_labels(frames, Curate())
    assert [atoms.info["id"] for atoms in kept] == ["good"]
    assert [(d.id, d.filter) for d in decisions] == [
        ("broken", "broken_label"),
        ("short", "too_short"),
        ("hot", "absurd_forces"),
    ]


def test_decisions_are_sorted_by_filter_in_whatever_order_structures_come():
    frames = [
        labelled("hot", [[0, 0, 0], [2.4, 0, 0]], forces=np.full((2, 3), 99.0)),
        labelled("near", [[0, 0, 0], [0.5, 0, 0]]),
        labelled("broken", [[0, 0, 0], [0.5, 0, 0]], energy=np.nan),
        labelled("good", [[0, 0, 0], [2.4, 0, 0]]),
        labelled("nearer", [[0, 0, 0], [0.4, 0, 0]]),
    ]
    sieve = Sieve(Curate())
    assert [atoms.info["id"] for atoms in sieve.kept(iter(frames))] == ["good"]
    assert [decision.id for decision in sieve.decisions] == ["broken", "near", "nearer", "hot"]


def test_ids_must_be_unique():
    with pytest.raises(DataError, match="twin"):
        filter_labels([labelled("twin", [[0, 0, 0]])] * 2, Curate())
