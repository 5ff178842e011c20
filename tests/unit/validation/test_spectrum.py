"""Phonons of an fcc crystal of springs, known in closed form, and planted differences."""

import numpy as np
import pytest
from ase.build import bulk
from bonds import A, Bonds

from pesforge.sampling.wide_cell import wide_cell
from pesforge.settings import Tolerances
from pesforge.validation.phonon import THZ
from pesforge.validation.properties import phonon_thz
from pesforge.validation.spectrum import density, spectrum, spectrum_check

SPRING = 1.7


@pytest.fixture(scope="module")
def parent():
    return bulk("Al", "fcc", a=A, cubic=True)


@pytest.fixture(scope="module")
def phi(parent):
    return phonon_thz(Bonds(spring=SPRING), parent, 1e-3)[1]


@pytest.fixture(scope="module")
def found(parent, phi):
    return spectrum(Bonds(spring=SPRING), parent, parent, dft=phi, potential=1.21 * phi, displacement_ang=1e-3)


def at(found, side, name):
    """Squares of the frequencies at a special point over k/m."""
    place = next(place for place, word in found["ticks"] if word == name)
    index = int(np.argmin(np.abs(np.array(found["place"]) - place)))
    squares = np.array(found["sides"][side]["bands"])[:, index] ** 2
    return np.sort(squares) / (THZ**2 * SPRING / 26.9815385)


def test_springs_between_nearest_neighbours_vibrate_as_theory_says(found):
    """ω² m/k at X is 4, 4 and 8, at L 2, 2 and 8 (Ashcroft and Mermin, chapter 22)."""
    assert at(found, "large", "X") == pytest.approx([4, 4, 8], rel=1e-3)
    assert at(found, "large", "L") == pytest.approx([2, 2, 8], rel=2e-2), "not quite a vector of 3×3×3 cells"
    assert at(found, "dft", "X") == pytest.approx([4, 4, 8], rel=1e-3)
    assert at(found, "potential", "X") == pytest.approx([4.84, 4.84, 9.68], rel=1e-3)
    assert at(found, "large", "G") == pytest.approx([0, 0, 0], abs=1e-4)
    assert found["lowest_thz"] == pytest.approx(0, abs=1e-3)
    assert found["atoms"] == {"compared": 4, "large": 108}


def test_a_wider_cell_of_another_shape_holds_further_vectors_of_the_same_path(parent):
    """2×2×2 primitive cells hold L, which the cubic cell does not; they span their primitive cell in their own way."""
    cell = wide_cell(parent, 1.3 * A)
    phi = phonon_thz(Bonds(spring=SPRING), cell, 1e-3)[1]
    found = spectrum(Bonds(spring=SPRING), parent, cell, dft=phi, potential=1.21 * phi, displacement_ang=1e-3)
    assert found["atoms"] == {"compared": 8, "large": 108}
    assert at(found, "dft", "L") == pytest.approx([2, 2, 8], rel=1e-3)
    assert at(found, "dft", "X") == pytest.approx([4, 4, 8], rel=1e-3)
    assert at(found, "potential", "L") == pytest.approx([2.42, 2.42, 9.68], rel=1e-3)
    check = spectrum_check(cell, phi, phi, Tolerances())
    assert "8 wave vector(s)" in check.meaning
    assert "cell of 8 atoms" in check.name


def test_every_atom_has_three_states(found):
    for side in ("dft", "potential", "large"):
        assert np.trapezoid(found["sides"][side]["dos"], found["frequency_thz"]) == pytest.approx(3, rel=0.01)
    axis = np.linspace(0, 10, 1001)
    states = density(np.array([[2.0], [6.0]]), np.array([1, 3]), axis, 0.1)
    assert np.trapezoid(np.array(states)[axis < 4], axis[axis < 4]) == pytest.approx(3 / 4, rel=1e-3)


def test_frequencies_a_tenth_too_high_fail(parent, phi):
    same = spectrum_check(parent, phi, phi, Tolerances())
    assert (same.passed, same.deviation) == (True, pytest.approx(0, abs=1e-9))
    check = spectrum_check(parent, phi, 1.21 * phi, Tolerances())
    # twelve modes: 3 at Γ and at three X √4, √4, √8; a tenth of their root mean square over √8
    assert check.deviation == pytest.approx(10 * np.sqrt(3 * 16 / 12 / 8), rel=1e-3)
    assert check.passed is False
    assert "4 wave vector(s)" in check.meaning


def test_a_primitive_cell_holds_no_vector_to_interpolate():
    silicon = bulk("Al", "fcc", a=A)
    phi = np.zeros((3, 3))
    found = spectrum(Bonds(spring=SPRING), silicon, silicon, dft=phi, potential=phi, displacement_ang=1e-3)
    assert found["sides"]["dft"] is None
    assert at(found, "large", "X")[-1] == pytest.approx(8, rel=2e-2)
