"""Finite differences and closed loops pass right calculators and catch wrong ones."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones

from pesforge.settings import Tolerances
from pesforge.validation.derivatives import derivative_checks, loop_force, stress_deviation

TOLERANCES = Tolerances()
FORCE, STRESS, LOOP = (
    "force against finite difference",
    "stress against finite difference",
    "work along closed loops, over their length",
)


def outcome(calculator, atoms=None):
    atoms = bulk("Ar", "fcc", a=4.4, cubic=True) if atoms is None else atoms
    checks = derivative_checks(atoms, calculator, tolerances=TOLERANCES, seed=3)
    assert all(check.group == "derivatives" for check in checks)
    return {check.name: check.passed for check in checks}


def test_a_conservative_calculator_passes(planted):
    for calculator in (planted.Pair(), LennardJones(sigma=3.0, epsilon=0.1, rc=8.0, smooth=True)):
        assert outcome(calculator) == {FORCE: True, STRESS: True, LOOP: True}


def test_a_force_that_is_no_gradient_is_caught_by_difference_and_loop(planted):
    assert outcome(planted.Swirling()) == {FORCE: False, STRESS: True, LOOP: False}


def test_a_small_scale_error_is_caught_by_differences_but_does_no_work(planted):
    assert outcome(planted.Scaled()) == {FORCE: False, STRESS: False, LOOP: True}


def test_forces_that_are_no_numbers_fail(planted):
    assert outcome(planted.Broken()) == {FORCE: False, STRESS: True, LOOP: False}


def test_without_stress_or_cell_its_check_does_not_apply(planted):
    assert outcome(planted.Stressless())[STRESS] is None
    cluster = Atoms("Ar3", positions=[[0, 0, 0], [3, 0, 0], [0.2, 3.1, 0.1]])
    assert outcome(planted.Pair(), cluster) == {FORCE: True, STRESS: None, LOOP: True}


def test_the_work_of_a_known_swirl(planted):
    """∮ κ (ẑ × r)·dr = 2 κ times the enclosed area in the x-y plane."""

    class InPlane:
        def normal(self, size):
            plane = np.zeros(size)
            plane[0, 0, 0] = plane[1, 0, 1] = 1.0
            return plane

        def integers(self, _):
            return 0

    atoms = Atoms("Ar", positions=[[7, 8, 9]])
    radius = 0.3
    found = loop_force(atoms, planted.Swirling(), rng=InPlane(), radius_ang=radius, single=True)
    assert found == pytest.approx(0.05 * 2 * np.pi * radius**2 / (2 * np.pi * radius), rel=1e-12)


def test_the_structure_is_left_as_it_was(planted):
    atoms = bulk("Ar", "fcc", a=4.4, cubic=True)
    before = atoms.copy()
    outcome(planted.Pair(), atoms)
    assert atoms == before
    assert atoms.calc is None


def test_stress_is_compared_with_the_energy_of_strained_cells(planted):
    atoms = bulk("Ar", "fcc", a=4.4, cubic=True)
    atoms.rattle(0.1, seed=1)
    assert stress_deviation(atoms, planted.Pair()) < 1e-9
    assert stress_deviation(atoms, planted.Scaled()) > 1e-6
