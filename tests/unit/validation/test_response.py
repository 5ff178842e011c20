"""Force constants by distance: springs of known reach, images, and forces that moved atoms really cause."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from crystals import brute_force, evaluate, silicon, tersoff

from pesforge.errors import DataError
from pesforge.fields import BOLTZMANN_EV_PER_K
from pesforge.validation.phonon import displacements, force_constants
from pesforge.validation.response import PairDistances, disagreement, response_by_distance


def argon():
    return bulk("Ar", "fcc", a=5.2, cubic=True).repeat(2)


def within(cutoff):
    return lambda: LennardJones(sigma=3.4, epsilon=0.0104, rc=cutoff, smooth=True)


def measured(parent, make):
    frames = displacements(parent, 1e-3)
    return force_constants(parent, frames, [evaluate(frame, make)[1] for frame in frames])


def test_distances_and_images_equal_those_of_ase():
    crystal = silicon().repeat((2, 1, 1))
    pairs = PairDistances.of(crystal)
    assert len(pairs.first) == 16 * 15
    expected = crystal.get_all_distances(mic=True)
    assert np.abs(expected[pairs.first, pairs.second] - pairs.distance_ang).max() < 1e-9
    assert pairs.whole_to_ang == pytest.approx(5.46 / 2)
    far = np.flatnonzero((pairs.distance_ang > 3.8) & (pairs.distance_ang < 3.9))
    assert set(pairs.images[far]) == {2, 4}, "second neighbours meet themselves through a face, or two"


def test_a_pair_potential_answers_up_to_its_cutoff_and_a_bond_order_potential_up_to_twice_it():
    argons = response_by_distance(
        argon(), measured(argon(), within(5.0)), measured(argon(), within(4.0)), cutoff_ang=4.0, temperature_k=40.0
    )
    rows = {round(row["distance_ang"], 2): row for row in argons["shells"]}
    assert rows[3.68]["potential_ev_per_ang2"] > 0.01
    assert all(row["potential_ev_per_ang2"] < 1e-6 for distance, row in rows.items() if distance > 4.0)
    parent = silicon().repeat((3, 1, 1))
    phi = measured(parent, tersoff)
    rows = response_by_distance(parent, phi, phi, cutoff_ang=3.2, temperature_k=300.0)["shells"]
    answers = {round(row["distance_ang"], 2): row["dft_ev_per_ang2"] for row in rows}
    assert answers[3.86] > 0.1, "second neighbours share a third atom"
    assert max(value for distance, value in answers.items() if distance > 6.4) < 1e-5 * max(answers.values())


def test_forces_from_beyond_are_those_of_moved_atoms():
    parent, make, step = bulk("Ar", "fcc", a=5.2, cubic=True).repeat((2, 1, 1)), within(9.0), 1e-3
    phi = brute_force(parent, make)
    found = response_by_distance(parent, phi, 0 * phi, cutoff_ang=3.8, temperature_k=30.0)
    far = parent.get_all_distances(mic=True) > 3.8
    squares = np.zeros(len(parent))
    for atom in range(len(parent)):
        for axis in range(3):
            moved = parent.copy()
            moved.positions[atom, axis] += step
            forces = evaluate(moved, make)[1] / step
            squares += np.where(far[atom], (forces**2).sum(axis=1), 0.0)
    stiffness = np.trace(phi) / len(phi)
    expected = np.sqrt(squares.mean() / 3 * BOLTZMANN_EV_PER_K * 30.0 / stiffness)
    at = found["at_cutoff"][0]
    assert at["dft_ev_per_ang"] == pytest.approx(expected, rel=1e-3)
    assert at["potential_ev_per_ang"] == 0
    assert at["difference_ev_per_ang"] == pytest.approx(at["dft_ev_per_ang"])
    *forces, last = [row["dft_ev_per_ang"] for row in found["beyond"]]
    assert forces == sorted(forces, reverse=True)
    assert last is None, "beyond the farthest pair nothing was measured"


def test_shells_tell_species_apart():
    salt = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    phi = np.kron(8 * np.eye(8) - 1, np.eye(3))
    rows = response_by_distance(salt, phi, phi, cutoff_ang=4.0, temperature_k=300.0)["shells"]
    assert [(row["pair"], round(row["distance_ang"], 2), row["images"]) for row in rows] == [
        ("Cl-Na", 2.8, 2),
        ("Na-Na", 3.96, 4),
        ("Cl-Cl", 3.96, 4),
        ("Cl-Na", 4.85, 8),
    ]
    assert all(row["dft_ev_per_ang2"] == pytest.approx(3**0.5) for row in rows)


def test_force_constants_of_a_repeated_cell_are_those_of_the_cell_but_for_their_noise():
    parent = silicon()
    phi, own = measured(parent.repeat((2, 1, 1)), tersoff), measured(parent, tersoff)
    assert disagreement(phi, own) < 1e-5 * np.abs(own).max()
    noise = np.random.default_rng(3).normal(0, 0.1, phi.shape)
    assert disagreement(phi + noise, own) == pytest.approx(0.1 * 3 * 2**0.5, rel=0.05), "9 components, two copies"
    mixed = phi.reshape(2, 8, 3, 48).swapaxes(0, 1).reshape(48, 48)
    assert disagreement(mixed, own) > 0.1


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(DataError, match=r"enlarge `analysis\.locality\.supercell`"):
        PairDistances.of(bulk("Cu"))
    with pytest.raises(DataError, match="periodic along 0 vectors"):
        PairDistances.of(Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 4]]))
    with pytest.raises(DataError, match="unstable"):
        response_by_distance(silicon(), -np.eye(24), np.eye(24), cutoff_ang=4.0, temperature_k=300.0)
