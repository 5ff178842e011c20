"""Molecular dynamics: harmonic crystals, whose motion is known, planted defects, and copper by EMT."""

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from harmonic import Harmonic, cube

from pesforge.errors import DataError
from pesforge.proof_settings import Dynamics
from pesforge.settings import Tolerances, Validate
from pesforge.validation.dynamics import conserve, density, dynamics_checks, expansion, melt, run_dynamics, snapshots
from pesforge.validation.properties import own_minimum

SHORT = Dynamics(equilibration_ps=0.1, energy_ps=0.4, density_ps=0.4, width_ang=5.0)


class Pumping(Harmonic):
    """A harmonic crystal with a force across every displacement, which is no gradient: going round does work."""

    share = 0.02

    def calculate(self, *arguments):
        super().calculate(*arguments)
        u = self.atoms.positions - self.sites
        u = u - u.mean(axis=0)
        self.results["forces"] = self.results["forces"] + self.share * self.spring * len(u) * np.cross([0, 0, 1.0], u)


class Breaking(Harmonic):
    """A harmonic crystal that cannot be computed after so many calls."""

    left = 200

    def calculate(self, *arguments):
        self.left -= 1
        if self.left < 0:
            raise DataError("two atoms stand in one place.")
        super().calculate(*arguments)


def verdicts(run):
    evidence = {"energy": [run], "atoms": 8, "timestep_fs": 1.0, "why": None}
    return {check.name.split(" at ")[0]: check for check in dynamics_checks(evidence, Tolerances())}


def test_a_harmonic_crystal_keeps_its_energy_and_its_temperature():
    atoms = cube()
    runs = [conserve(Harmonic(atoms.positions, 0.5), atoms, 300.0, SHORT, seed) for seed in range(8)]
    assert all(run["failure"] is None and run["reached_ps"] == run["asked_ps"] == 0.5 for run in runs)
    assert max(abs(run["drift_mev_per_atom_per_ps"]) for run in runs) < 0.1
    # 21 of 24 velocities, the centre of mass at rest; the energy of a run varies by √(2/21)
    assert np.mean([run["observed_k"] for run in runs]) == pytest.approx(300 * 21 / 24, abs=80)
    checks = verdicts(runs[0])
    assert [check.passed for check in checks.values()] == [True, True]
    assert runs[0]["rdf"]["g"][int(3.0 / 0.1)] > 1


def test_a_harmonic_crystal_oscillates_about_its_energy_as_the_integrator_says():
    """Velocity Verlet conserves E + (ωΔt)² m ω² x²/8 …: halving the step quarters what the energy swings by."""
    atoms = cube()
    slow, fast = (
        conserve(Harmonic(atoms.positions, 0.5), atoms, 300.0, SHORT.model_copy(update={"timestep_fs": step}), 1)
        for step in (2.0, 1.0)
    )
    assert slow["fluctuation_mev_per_atom"] / fast["fluctuation_mev_per_atom"] == pytest.approx(4, rel=0.1)


def test_forces_that_are_no_gradient_fail_the_drift():
    atoms = cube()
    check = verdicts(conserve(Pumping(atoms.positions, 0.5), atoms, 300.0, SHORT, 1))["energy drift"]
    assert check.passed is False


def test_a_time_step_far_too_long_fails_the_time():
    """The integrator is unstable beyond Δt = 2/ω, with m ω² = k N = 4 eV/Å² for silicon."""
    atoms = cube()
    limit_fs = 2 / np.sqrt(0.5 * 8 / 28.085) / units.fs
    wild = SHORT.model_copy(update={"timestep_fs": 1.2 * limit_fs})
    run = conserve(Harmonic(atoms.positions, 0.5), atoms, 300.0, wild, 1)
    checks = verdicts(run)
    assert [check.passed for check in checks.values()] == [False, False]
    assert 0 < run["reached_ps"] < 0.5
    assert checks["time without failure"].meaning == run["failure"]


def test_a_potential_that_gives_up_has_a_time_to_failure():
    atoms = cube()
    run = conserve(Breaking(atoms.positions, 0.5), atoms, 300.0, SHORT, 1)
    assert run["failure"] == "two atoms stand in one place."
    assert run["reached_ps"] == pytest.approx(0.2, abs=0.002)
    assert verdicts(run)["time without failure"].passed is False


class Swelling(EMT):
    """EMT under a pressure of its own: its stress is no derivative of its energy."""

    def calculate(self, *arguments):
        super().calculate(*arguments)
        self.results["stress"] = self.results["stress"] - [0.2, 0.2, 0.2, 0, 0, 0]


def test_a_cell_that_swells_has_no_density():
    parent = bulk("Cu", "fcc", a=3.59, cubic=True)
    found = density(Swelling(), parent.repeat(2), 300.0, SHORT.model_copy(update={"density_ps": 4.0}), 1)
    assert "times that at rest" in found["failure"]
    assert found["volume_ang3_per_atom"] is None


def test_density_begins_at_the_minimum_and_copper_expands():
    parent = own_minimum(EMT(), bulk("Cu", "fcc", a=3.6, cubic=True), Validate())
    quick = SHORT.model_copy(update={"timestep_fs": 4.0})
    cold = density(EMT(), parent.repeat(2), 1.0, quick, 1)
    assert cold["volume_ang3_per_atom"] == pytest.approx(parent.get_volume() / 4, rel=1e-3)
    assert cold["density_g_per_cm3"] == pytest.approx(63.546 * 1.66054 / cold["volume_ang3_per_atom"], rel=1e-4)
    hot = density(EMT(), parent.repeat(2), 600.0, quick.model_copy(update={"density_ps": 1.5}), 1)
    found = expansion([cold, hot])
    # EMT copper is close to the measured 17·10⁻⁶/K
    assert 8 < found["linear_1e6_per_k"] < 30
    assert found["linear_se_1e6_per_k"] < 8
    assert expansion([cold]) is None


def test_runs_of_a_study_lie_beside_its_snapshots():
    parent = bulk("Cu", "fcc", a=3.6, cubic=True)
    frames = []
    for index in range(4):
        frame = parent.copy()
        frame.rattle(0.05, seed=index)
        frame.calc = SinglePointCalculator(frame, energy=0.0)
        frame.info = {"family": "phonon" if index else "thermal", "temperature_k": 300.0}
        frames.append(frame)
    brief = SHORT.model_copy(update={"energy_ps": 0.1, "density_ps": 0.0, "melt_temperature_k": 4000.0, "melt_ps": 0.2})
    found = run_dynamics(EMT(), parent, brief, temperatures_k=[300.0], frames=frames, seed=1)
    assert found["atoms"] == 32
    assert found["density"] == []
    (reference,) = found["references"]
    assert (reference["family"], reference["structures"]) == ("phonon", 3)
    assert found["melt"]["moved_ang"] > 0.3
    assert list(snapshots(frames, ("md",), 300.0)) == []
    again = melt(EMT(), parent.repeat(2), brief, 7)
    assert again == melt(EMT(), parent.repeat(2), brief, 7), "the seed decides"
