"""Symmetry checks pass invariant potentials and catch planted terms that break one symmetry each."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from pesforge.export import PesforgeCalculator, Potential
from pesforge.representations.ace import AceBasis
from pesforge.settings import Tolerances
from pesforge.validation.derivatives import derivative_checks
from pesforge.validation.symmetry import random_rotation, symmetry_checks

TOLERANCES = Tolerances()


def failed(calculator, atoms=None, seed=2):
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True) if atoms is None else atoms
    checks = symmetry_checks(atoms, calculator, tolerances=TOLERANCES, seed=seed)
    assert all(check.group == "symmetry" for check in checks)
    return {check.name.split(":")[0] for check in checks if check.passed is False}


@pytest.fixture(scope="module")
def compound():
    return bulk("SiC", "zincblende", a=4.36, cubic=True)


@pytest.fixture(scope="module")
def ace():
    """A two-species expansion with random coefficients, scaled to forces of a few eV/Å."""
    basis = AceBasis(species=("Si", "C"), cutoff_ang=4.0, max_degree=(6, 6, 5), l_max=(0, 3, 2))
    scale = 5.0 / (1 + basis.degree) ** 2
    coefficients = np.random.default_rng(1).normal(size=basis.n_functions) * scale
    return PesforgeCalculator(Potential("ace-linear", basis, coefficients, {"Si": -100.0, "C": -150.0}))


def test_emt_and_a_pair_potential_pass(planted):
    assert failed(EMT()) == set()
    assert failed(planted.Pair()) == set()


def test_ace_passes(ace, compound):
    assert failed(ace, compound) == set()
    checks = derivative_checks(compound, ace, tolerances=TOLERANCES, seed=4)
    assert [check.passed for check in checks] == [True] * 3
    rattled = compound.copy()
    rattled.rattle(0.1, seed=1)
    rattled.calc = ace
    assert np.abs(rattled.get_forces()).max() > 0.1


def test_an_orientation_dependent_term_is_caught(planted):
    caught = failed(planted.Oriented())
    assert {"rotation", "reflection", "net torque on a cluster, over its radius"} <= caught
    assert not caught & {"translation", "shuffled like atoms", "supercell 2×1×1", "other lattice vectors", "net force"}


def test_an_index_dependent_term_is_caught(planted):
    caught = failed(planted.Numbered())
    assert {"reversed like atoms", "cycled like atoms", "shuffled like atoms", "supercell 2×1×1"} <= caught
    assert not caught & {"rotation", "reflection", "translation", "other lattice vectors", "net force"}


def test_a_force_without_balance_is_caught(planted):
    assert {"net force", "net torque on a cluster, over its radius", "translation"} <= failed(planted.Swirling())


def test_forces_that_are_no_numbers_fail_everywhere(planted):
    checks = symmetry_checks(bulk("Cu", cubic=True), planted.Broken(), tolerances=TOLERANCES, seed=1)
    assert not any(check.passed for check in checks if check.name.endswith("forces") or "net" in check.name)


def test_like_atoms_alone_change_places(compound, planted):
    """Pair energies that differ by element survive, because silicon never takes the place of carbon."""

    class ByElement(planted.Pair):
        def weights(self, centre, neighbour, vector):
            numbers = self.atoms.numbers
            return 0.1 * (numbers[centre] + numbers[neighbour]), np.zeros_like(vector)

    assert failed(ByElement(), compound) == set()


def test_a_cluster_has_no_periodic_checks(planted):
    cluster = Atoms("Cu3", positions=[[0, 0, 0], [2.5, 0, 0], [0.3, 2.4, 0.2]])
    checks = symmetry_checks(cluster, planted.Pair(), tolerances=TOLERANCES, seed=1)
    assert [check.name for check in checks if check.passed is None] == ["change of the periodic cell"]
    assert not any("lattice" in check.name or "supercell" in check.name for check in checks)
    assert all(check.passed is not False for check in checks)


def test_rotations_are_proper_and_without_a_preferred_direction():
    rng = np.random.default_rng(0)
    turns = np.array([random_rotation(rng) for _ in range(4000)])
    assert np.allclose(turns @ turns.transpose(0, 2, 1), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(turns), 1)
    assert np.abs(turns.mean(axis=0)).max() < 5 / np.sqrt(3 * 4000)


def test_the_structure_is_left_as_it_was():
    atoms = bulk("Cu", cubic=True)
    before = atoms.copy()
    failed(EMT(), atoms)
    assert atoms == before
    assert atoms.calc is None
