"""The ASE calculator of a linear potential: ASE's names, signs and order, and pairs of its own."""

from copy import deepcopy

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError

from pesforge.errors import DataError
from pesforge.export import PesforgeCalculator, Potential
from pesforge.representations.ace import AceBasis


@pytest.fixture(scope="module")
def potential():
    basis = AceBasis(("Ge", "Si"), 3.6, (5, 4, 4), (0, 3, 2))
    coefficients = np.random.default_rng(3).normal(size=basis.n_functions) / (1 + basis.degree) ** 2
    return Potential("ace-linear", basis, coefficients, {"Si": -2.0, "Ge": -3.0})


@pytest.fixture
def atoms():
    crystal = bulk("Si", cubic=True)
    crystal.symbols[::3] = "Ge"
    crystal.rattle(0.1, seed=1)
    return crystal


def exact(potential, atoms):
    zeros = np.array([potential.zeros[symbol] for symbol in atoms.symbols])
    energies, forces, stress = potential.basis.evaluate(atoms, potential.atom_gradient)
    return energies + zeros, forces, stress


def test_results_have_the_names_and_signs_of_ase(potential, atoms):
    atoms.calc = PesforgeCalculator(potential)
    energies, forces, stress = exact(potential, atoms)
    assert atoms.get_potential_energy() == pytest.approx(energies.sum(), abs=1e-9)
    assert atoms.get_potential_energy(force_consistent=True) == atoms.get_potential_energy()
    assert np.allclose(atoms.get_potential_energies(), energies, rtol=0, atol=1e-10)
    assert np.allclose(atoms.get_forces(), forces, rtol=0, atol=1e-9)
    assert np.allclose(atoms.get_stress(), stress, rtol=0, atol=1e-11)
    assert np.abs(stress).min() > 1e-6


def test_a_structure_without_a_periodic_cell_has_no_stress(potential):
    atoms = Atoms("SiGe", positions=[[0, 0, 0], [2.3, 0, 0]], calculator=PesforgeCalculator(potential))
    assert np.abs(atoms.get_forces()).max() > 0
    assert "stress" not in atoms.calc.results
    with pytest.raises(PropertyNotImplementedError, match="periodic in three directions"):
        atoms.get_stress()


def test_one_calculator_serves_structures_in_turn(potential, atoms):
    shared = PesforgeCalculator(potential)
    others = [atoms, atoms * (2, 1, 1), Atoms("Si", positions=[[0, 0, 0]]), atoms[::-1]]
    for turn in range(3):
        for other in others:
            other = other.copy()
            other.rattle(0.01, seed=turn)
            other.calc = shared
            energies, forces, _ = exact(potential, other)
            assert np.allclose(other.get_potential_energies(), energies, rtol=0, atol=1e-10)
            assert np.allclose(other.get_forces(), forces, rtol=0, atol=1e-9)


def test_pairs_belong_to_one_calculator(potential, atoms):
    first, other = PesforgeCalculator(potential), PesforgeCalculator(potential)
    first.get_forces(atoms)
    copied = deepcopy(first)
    moved = atoms.copy()
    moved.positions[0, 0] += 0.1
    expected = other.get_forces(moved * (1, 1, 2))[: len(atoms)]
    assert np.allclose(copied.get_forces(moved), expected, rtol=0, atol=1e-11)
    assert np.allclose(first.get_forces(moved), expected, rtol=0, atol=1e-11)
    assert first._pairs is not other._pairs
    assert (first._pairs.n_found, copied._pairs.n_found, other._pairs.n_found) == (1, 1, 1)


def test_an_unknown_element_is_named(potential, atoms):
    atoms.symbols[2] = "Sn"
    with pytest.raises(DataError, match="no parameters for Sn"):
        PesforgeCalculator(potential).get_forces(atoms)
