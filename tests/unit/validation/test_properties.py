"""Properties of a potential beside a reference, with EMT in both places and then with a planted difference."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from pesforge.fields import FAMILY, STRAIN, TEMPERATURE_K
from pesforge.settings import Tolerances, Validate
from pesforge.validation.accuracy import accuracy_checks, domain_of, shortest_distance
from pesforge.validation.elastic import elastic_tensor, strained_cells
from pesforge.validation.elastic_constants import named_constants
from pesforge.validation.eos import fit_eos, volume_cells
from pesforge.validation.properties import at_equilibrium, compare, elastic_checks, evaluate, phonon_thz

SETTINGS = Validate()
DISPLACEMENT_ANG = 0.02


class Stiffer(EMT):
    """EMT with all energies, forces and stresses multiplied."""

    factor = 1.03

    def calculate(self, *arguments):
        super().calculate(*arguments)
        for name in ("energy", "forces", "stress"):
            if name in self.results:
                self.results[name] = self.results[name] * self.factor


class Collapsing(EMT):
    """EMT with an energy that falls with the volume, however small."""

    def calculate(self, *arguments):
        super().calculate(*arguments)
        self.results["energy"] += 5.0 * self.atoms.get_volume()


@pytest.fixture(scope="module")
def copper():
    return bulk("Cu", "fcc", a=3.62, cubic=True)


@pytest.fixture(scope="module")
def reference(copper):
    cells = volume_cells(copper, SETTINGS.eos_points, SETTINGS.eos_linear_strain_max)
    energies = [found["energy"] for found in evaluate(EMT(), cells)]
    equilibrium = at_equilibrium(copper, fit_eos(copper, [cell.get_volume() for cell in cells], energies))
    frames = strained_cells(equilibrium, SETTINGS.elastic_strain)
    found = evaluate(EMT(), frames)
    _, phi = phonon_thz(EMT(), copper, DISPLACEMENT_ANG)
    tensor = elastic_tensor(
        equilibrium, frames, stresses=[f["stress"] for f in found], forces=[f["forces"] for f in found], phi=phi
    )
    return {
        "energies_ev": energies,
        "constants_gpa": named_constants(tensor, equilibrium),
        "optical_phonon_thz": None,
    }


def checks_of(calculator, copper, reference):
    found, curves = compare(
        calculator, copper, reference=reference, settings=SETTINGS, displacement_ang=DISPLACEMENT_ANG
    )
    return {check.name: check for check in found}, curves


def test_a_potential_equal_to_the_reference_deviates_by_nothing(copper, reference):
    checks, curves = checks_of(EMT(), copper, reference)
    assert set(checks) == {"lattice constant", "bulk modulus", "bulk modulus, derivative", "C11", "C12", "C44"}
    assert all(check.passed for check in checks.values())
    assert max(check.deviation for check in checks.values()) < 1e-6
    assert curves["phonon_thz"] is None
    np.testing.assert_allclose(curves["eos"]["dft_ev_per_atom"], curves["eos"]["potential_ev_per_atom"], atol=1e-9)


def test_a_potential_three_per_cent_too_stiff_fails_the_bulk_modulus_alone(copper, reference):
    checks, _ = checks_of(Stiffer(), copper, reference)
    assert checks["lattice constant"].passed
    assert checks["bulk modulus"].passed is False
    assert checks["bulk modulus"].deviation == pytest.approx(3.0, abs=0.01)
    assert checks["C11"].passed
    assert checks["C11"].deviation == pytest.approx(3.0, abs=0.05)


def test_a_potential_without_equilibrium_fails_and_stops_nothing(copper, reference):
    checks, curves = checks_of(Collapsing(), copper, reference)
    assert [name for name, check in checks.items() if check.passed is False] == list(checks)
    assert curves["eos"]["potential_fit"] is None
    assert min(curves["eos"]["potential_ev_per_atom"]) == 0.0


def test_a_constant_that_stress_blurs_or_that_is_near_zero_is_not_judged():
    wanted, found = {"C11": 100.0, "C14": 0.4, "C13": 10.0}, {"C11": 101.0, "C14": 0.6}
    stresses = {"dft": 0.7, "potential": None}
    checks = {check.name: check for check in elastic_checks(wanted, found, stresses, Tolerances())}
    assert [check.passed for check in checks.values()] == [True, None, None]
    assert "0.7 GPa are left" in checks["C13"].meaning
    checks = elastic_checks(wanted, found, {"dft": 0.1, "potential": 0.1}, Tolerances())
    assert [check.passed for check in checks] == [True, None, False]


def test_errors_become_checks_and_a_missing_label_does_not_apply():
    errors = {"energy_rmse_mev_per_atom": 1.0, "force_rmse_ev_per_ang": 9.0, "stress_rmse_gpa": None}
    energy, force, stress = accuracy_checks(errors, Tolerances(), "left out")
    assert (energy.passed, force.passed, stress.passed) == (True, False, None)


def test_the_domain_is_what_the_data_span(copper):
    cold, strained = copper.copy(), copper.copy()
    cold.info.update({FAMILY: "thermal", TEMPERATURE_K: 300.0, STRAIN: np.zeros(6)})
    strained.info.update({FAMILY: "strain", TEMPERATURE_K: 0.0, STRAIN: np.array([-0.03, -0.03, -0.03, 0, 0, 0])})
    strained.set_cell(copper.cell.array * 0.97, scale_atoms=True)
    domain = domain_of([cold, strained])
    assert domain.families == ("thermal", "strain")
    assert domain.max_temperature_k == 300.0
    assert domain.max_hydrostatic_strain == pytest.approx(0.03)
    assert domain.shortest_distance_ang == pytest.approx(0.97 * 3.62 / np.sqrt(2))
    cool = domain_of([cold, strained], ["strain"])
    assert (cool.max_temperature_k, cool.families) == (0.0, ("thermal", "strain"))


def test_the_shortest_distance_counts_periodic_images():
    assert shortest_distance(bulk("Cu", "sc", a=2.3)) == pytest.approx(2.3)
    assert shortest_distance(bulk("Cu", "sc", a=9.1)) == pytest.approx(9.1)
