"""The check of labels against finite differences, with EMT as the reference code."""

from types import SimpleNamespace

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from pesforge.dft.consistency import label_checks
from pesforge.dft.convergence import convergence_cells
from pesforge.settings import Converge, Tolerances


def labels(force_factor=1.0, pressure=0.0):
    def calculate(atoms):
        work = atoms.copy()
        work.calc = EMT()
        stress = work.get_stress()
        stress[:3] += pressure
        return SimpleNamespace(
            energy=work.get_potential_energy(), forces=force_factor * work.get_forces(), stress=stress
        )

    return calculate


@pytest.fixture
def cells():
    parent = bulk("Cu", "fcc", a=3.6, cubic=True)
    return convergence_cells(parent, Converge())["displaced"], parent


def test_conservative_labels_pass(cells):
    force, stress = label_checks(*cells, labels(), Tolerances())
    assert force.passed
    assert abs(force.value) > 0.5
    assert force.deviation < 2e-3
    assert stress.passed
    assert stress.deviation < 0.05


def test_forces_one_per_cent_too_large_are_caught(cells):
    force, stress = label_checks(*cells, labels(force_factor=1.01), Tolerances())
    assert force.passed is False
    assert stress.passed


def test_a_pressure_that_is_no_derivative_is_caught(cells):
    force, stress = label_checks(*cells, labels(pressure=0.005), Tolerances())
    assert force.passed
    assert stress.passed is False
    assert stress.deviation == pytest.approx(0.8, abs=0.06)
