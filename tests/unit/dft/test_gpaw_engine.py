"""GPAW on the two-atom cell: gradients, failures provoked for real, and what a dry run can know."""

import dataclasses
import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from pesforge.dft.engines import get_engine
from pesforge.dft.failures import MISSING_SETUP, SCF, TIMEOUT, TOO_CLOSE
from pesforge.dft.gpaw_engine import GpawEngine
from pesforge.dft.settings import ReferenceSettings
from pesforge.dft.store import LabelStore, calculate_or_recall
from pesforge.errors import LabelError
from pesforge.settings import Dft

SETTINGS = ReferenceSettings("gpaw", "PBE", False, 0.0, 150.0, 0.6, 1e-4, 0.0)
MESH = (2, 2, 2)


@pytest.fixture(scope="module")
def rattled():
    atoms = bulk("Si", a=5.47)
    atoms.positions[1] += [0.06, -0.03, 0.05]
    return atoms


def reason(atoms, engine=None, settings=SETTINGS, timeout=600.0, tmp_path=None):
    store = LabelStore(tmp_path, "code")
    with pytest.raises(LabelError) as caught:
        calculate_or_recall(
            atoms,
            settings=settings,
            engine=engine or GpawEngine(),
            store=store,
            max_attempts=1,
            timeout_s=timeout,
            mesh=MESH,
        )
    assert str(caught.value)
    return caught.value.reason


def test_forces_are_the_gradient_of_the_energy(rattled):
    tight = dataclasses.replace(SETTINGS, smearing_ev=0.2)
    engine = GpawEngine()
    label = engine.calculate(rattled, tight, MESH, 1)
    assert label.stress.shape == (6,)
    step, energies = 0.02, []
    for sign in (1, -1):
        moved = rattled.copy()
        moved.positions[1, 0] += sign * step
        energies.append(engine.calculate(moved, tight, MESH, 1).energy)
    assert label.forces[1, 0] == pytest.approx(-(energies[0] - energies[1]) / (2 * step), abs=5e-3)
    assert abs(label.forces[1, 0]) > 0.2
    assert rattled.calc is None


def test_remedies_change_the_way_and_not_the_result(rattled):
    engine = GpawEngine()
    first, second = (engine.calculate(rattled, SETTINGS, MESH, attempt) for attempt in (1, 3))
    assert second.energy == pytest.approx(first.energy, abs=1e-4)
    assert np.abs(second.forces - first.forces).max() < 2e-3


def test_scf_that_does_not_converge(rattled, tmp_path):
    assert reason(rattled, GpawEngine(max_iterations=2), tmp_path=tmp_path) == SCF
    assert list(tmp_path.rglob("*.json")) == []


def test_atoms_on_top_of_each_other(tmp_path):
    assert reason(Atoms("Si2", positions=np.zeros((2, 3)), cell=[4, 4, 4], pbc=True), tmp_path=tmp_path) == TOO_CLOSE


def test_an_element_without_data_set(tmp_path):
    assert reason(Atoms("Po", cell=[3.4] * 3, pbc=True), tmp_path=tmp_path) == MISSING_SETUP


def test_a_calculation_that_takes_too_long(rattled, tmp_path):
    assert reason(rattled, timeout=0.05, tmp_path=tmp_path) == TIMEOUT


def test_problems_are_found_without_a_calculation():
    engine = get_engine(Dft())
    assert engine.problems(Dft(), ["Si", "Al"]) == []
    assert engine.problems(Dft(functional="revPBE"), ["Cu"]) == []
    (problem,) = engine.problems(Dft(), ["Si", "Po"])
    assert "Po" in problem
    assert "GPAW_SETUP_PATH" in problem
    (problem,) = engine.problems(Dft(functional="PBEsool"), ["Si"])
    assert "LDA, PBE, RPBE, revPBE" in problem
    (problem,) = engine.problems(Dft(initial_moment=2.0), ["Fe"])
    assert "spin_polarized" in problem


def test_data_sets_of_another_folder_are_found(monkeypatch, tmp_path):
    (tmp_path / "Po.PBE").write_text("")
    monkeypatch.setenv("GPAW_SETUP_PATH", str(tmp_path))
    assert GpawEngine().problems(Dft(), ["Si", "Po"]) == []


def test_without_gpaw_the_problem_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gpaw", None)
    monkeypatch.setattr("pesforge.dft.gpaw_engine.find_spec", lambda name: None)
    (problem,) = GpawEngine().problems(Dft(), ["Si"])
    assert "not installed" in problem


def test_tolerance_moves_every_criterion_and_spin_is_passed_on():
    parameters = GpawEngine().parameters(dataclasses.replace(SETTINGS, scf_tolerance=1e-3), MESH, 1)
    assert parameters["convergence"] == pytest.approx({"energy": 1e-3, "density": 1e-3, "eigenstates": 4e-6})
    assert "spinpol" not in parameters
    assert GpawEngine().parameters(dataclasses.replace(SETTINGS, spin_polarized=True), MESH, 1)["spinpol"] is True
    mixers = [str(GpawEngine().parameters(SETTINGS, MESH, attempt)["mixer"]) for attempt in (1, 2, 3, 4)]
    assert len(set(mixers)) == 3


def test_the_estimate_is_within_a_factor_of_three_of_what_was_measured():
    eight = bulk("Si", cubic=True)
    wide = dataclasses.replace(SETTINGS, cutoff_ev=250.0)
    assert 8 < GpawEngine().estimate_seconds(eight, wide, (4, 4, 4)) < 70
    assert 0.5 < GpawEngine().estimate_seconds(bulk("Si"), SETTINGS, (3, 3, 3)) < 4
