"""The cohesive energy against the lattice sum of Lennard and Jones, and planted differences that must be seen."""

import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge.validation.cohesion import cohesion_check, cohesive_ev_per_atom, free_atoms
from pesforge.validation.properties import energy_ev

LJ_SUM = 8.610200
"""Of the fcc lattice, in ε; J. E. Lennard-Jones and A. E. Ingham, Proc. R. Soc. A 107, 636 (1925): 14.454²/24.264."""
LJ_DISTANCE = 1.090174
"""Nearest distance in σ at that energy: (2·12.13188/14.45392)^(1/6)."""


def labelled(symbol: str, calculator, shift_ev: float = 0.0) -> Atoms:
    """A free atom with the energy of a calculator as its label."""
    atoms = Atoms(symbol, cell=[9.0] * 3)
    energy = energy_ev(calculator, atoms) + shift_ev
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=[[0.0, 0.0, 0.0]])
    return atoms


def judged(calculator, parent, labels, crystal_ev, ours="same"):
    minima = {"dft": crystal_ev, "potential": crystal_ev if ours == "same" else ours}
    return cohesion_check(calculator, parent, labels, crystal_ev_per_atom=minima, tolerance_percent=2.0)


def test_argon_is_bound_by_its_lattice_sum():
    epsilon, sigma = 0.0104, 3.40
    calculator = LennardJones(epsilon=epsilon, sigma=sigma, rc=12 * sigma, smooth=False)
    crystal = bulk("Ar", "fcc", a=2**0.5 * LJ_DISTANCE * sigma)
    check = judged(calculator, crystal, [labelled("Ar", calculator)], energy_ev(calculator, crystal))
    assert check.passed
    assert check.value == pytest.approx(LJ_SUM * epsilon, rel=3e-3)


def test_every_element_of_a_compound_counts_as_often_as_it_is_there():
    assert cohesive_ev_per_atom({"Si": 1, "O": 2}, {"Si": -1.0, "O": -2.0}, -9.0) == pytest.approx(-5 / 3 + 9)


def test_a_free_atom_that_is_off_fails():
    crystal = bulk("Cu", a=3.6)
    energy = energy_ev(EMT(), crystal)
    check = judged(EMT(), crystal, [labelled("Cu", EMT(), shift_ev=0.2)], energy)
    assert check.passed is False
    assert check.reference - check.value == pytest.approx(0.2)
    assert judged(EMT(), crystal, [labelled("Cu", EMT())], energy, ours=None).passed is False, "no minimum"


def test_pairs_and_crystals_are_no_free_atoms_and_a_missing_one_is_named():
    one = bulk("Cu", a=3.6)
    pair = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.2]], cell=[9.0] * 3)
    assert free_atoms([one, pair]) == {}
    check = judged(EMT(), bulk("CuAu", "rocksalt", a=5.0), [labelled("Cu", EMT())], -3.0)
    assert check.passed is None
    assert "free atom of Au" in check.meaning
