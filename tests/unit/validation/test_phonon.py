"""Force constants against brute force, frequencies against the literature and against supercells."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from crystals import CASES, brute_force, copper, evaluate, silicon, tersoff, triclinic

from pesforge.errors import DataError
from pesforge.validation.phonon import (
    displacements,
    force_constants,
    gamma_frequencies_thz,
    optical_phonon_thz,
    stiffness_per_species,
)
from pesforge.validation.spacegroup import operations


def measured(parent, make, distance=1e-3):
    frames = displacements(parent, distance)
    return force_constants(parent, frames, [evaluate(frame, make)[1] for frame in frames])


@pytest.mark.parametrize("name", CASES)
def test_force_constants_equal_brute_force(name):
    parent, make = CASES[name][0](), CASES[name][1]
    phi = measured(parent, make)
    expected = brute_force(parent, make)
    assert np.abs(phi - expected).max() < 2e-4 * np.abs(expected).max()
    assert np.abs(phi - phi.T).max() < 1e-12
    assert np.abs(phi.reshape(len(phi), -1, 3).sum(axis=1)).max() < 1e-10


@pytest.mark.parametrize(
    ("parent", "count"),
    [(silicon(), 1), (copper(), 1), (CASES["hcp"][0](), 1), (triclinic(), 24)],
)
def test_symmetry_saves_displacements(parent, count):
    frames = displacements(parent, 0.05)
    assert len(frames) == count
    for frame in frames:
        lengths = np.linalg.norm(frame.positions - parent.positions, axis=1)
        assert np.sort(lengths)[-2:] == pytest.approx([0, 0.05], abs=1e-7)


def test_operations_are_those_of_the_crystal():
    found = operations(silicon())
    assert len(found.rotations) == 192
    assert len(found.translations) == 4
    distances = silicon().get_all_distances(mic=True)
    for rotation, permutation in zip(found.rotations, found.permutations, strict=True):
        assert np.abs(rotation @ rotation.T - np.eye(3)).max() < 1e-10
        assert np.abs(distances[np.ix_(permutation, permutation)] - distances).max() < 1e-8


def test_einstein_stiffness_raises_the_harmonic_energy_by_three_halves_kt():
    parent = silicon()
    phi = measured(parent, tersoff)
    stiffness = stiffness_per_species(parent, phi)["Si"]
    shifts = np.random.default_rng(0).normal(size=(20000, 24)) / np.sqrt(stiffness)  # k_B T = 1 eV
    energies = 0.5 * np.einsum("si,ij,sj->s", shifts, phi, shifts) / len(parent)
    assert energies.mean() == pytest.approx(1.5, rel=0.01)


def test_two_species_get_their_own_stiffness_and_single_atoms_are_refused():
    parent = CASES["alloy"][0]()
    phi = measured(parent, EMT)
    stiffness = stiffness_per_species(parent, phi)
    assert list(stiffness) == ["Au", "Cu"]
    blocks = [np.trace(phi[3 * i : 3 * i + 3, 3 * i : 3 * i + 3]) / 3 for i in range(4)]
    assert stiffness == pytest.approx({"Au": blocks[0], "Cu": np.mean(blocks[1:])})
    single = bulk("Cu")
    with pytest.raises(DataError, match="supercell"):
        stiffness_per_species(single, measured(single, EMT))
    with pytest.raises(DataError, match="unstable"):
        stiffness_per_species(parent, -phi)


def test_the_optical_phonon_is_that_of_the_primitive_cell_in_any_cell():
    primitive = silicon(cubic=False)
    expected = gamma_frequencies_thz(measured(primitive, tersoff), primitive.get_masses())
    assert expected[:3] == pytest.approx(np.zeros(3), abs=1e-3)
    assert expected[3:] == pytest.approx([expected[5]] * 3, rel=1e-4)
    assert 14 < expected[5] < 18
    for parent in (primitive, silicon(), primitive.repeat((2, 1, 1))):
        phi = measured(parent, tersoff)
        assert optical_phonon_thz(parent, phi) == pytest.approx(expected[-1], rel=1e-4)
    assert optical_phonon_thz(copper(), measured(copper(), EMT)) is None


def test_folded_branches_are_not_taken_for_the_optical_phonon():
    primitive = Atoms("AlPt", scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], cell=[3.0] * 3, pbc=True)
    expected = gamma_frequencies_thz(measured(primitive, EMT), primitive.get_masses())[-1]
    parent = primitive.repeat((2, 1, 1))
    phi = measured(parent, EMT)
    assert gamma_frequencies_thz(phi, parent.get_masses())[-1] > 1.02 * expected
    assert optical_phonon_thz(parent, phi) == pytest.approx(expected, rel=1e-4)


def test_frequency_unit():
    # two atoms of 1 u, spring of 1 eV/Å²: ω² = 2 eV/(Å² u)
    phi = np.kron([[1.0, -1.0], [-1.0, 1.0]], np.eye(3))
    expected = np.sqrt(2 * 1.602176634e-19 / 1e-20 / 1.66053906660e-27) / (2 * np.pi) * 1e-12
    assert gamma_frequencies_thz(phi, np.ones(2))[-1] == pytest.approx(expected, rel=1e-6)
    assert gamma_frequencies_thz(-phi, np.ones(2))[0] == pytest.approx(-expected, rel=1e-6)


def test_incomplete_and_foreign_frames_are_refused():
    parent = triclinic()
    frames = displacements(parent, 0.01)
    zero = [np.zeros((4, 3))] * len(frames)
    with pytest.raises(DataError, match="forwards and backwards"):
        force_constants(parent, frames[:3], zero[:3])
    with pytest.raises(DataError, match="atom 3"):
        force_constants(parent, frames[:18], zero[:18])
    with pytest.raises(DataError, match="one moved atom; found 0"):
        force_constants(parent, [parent], zero[:1])
    with pytest.raises(DataError, match="lattice vectors"):
        force_constants(parent, [copper()], zero[:1])
