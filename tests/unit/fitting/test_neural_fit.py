"""Fits of non-linear heads: what is kept and why, ensembles, the folder, seeds, resuming."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge import load_potential
from pesforge.errors import DataError
from pesforge.export import save_model
from pesforge.fitting import FitSettings
from pesforge.fitting.fit import evaluate_frames
from pesforge.fitting.heads import NeuralOptions
from pesforge.fitting.neural import fit_neural
from pesforge.metrics import errors

SETTINGS = FitSettings(functions=16, reductions=(0,), neighbours=(14.0,), root_energy_weights=(20.0,))
"""So few functions that a linear potential cannot follow the labels."""
OPTIONS = {"projections": 6, "widths": (8,), "epochs": 60, "folds": 2, "batch_size": 8, "learning_rate": 0.01}


def copper(seed, spread=0.25):
    """A cell that is far from the ideal crystal, labelled by EMT, which is not linear in its densities."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    atoms.set_cell(atoms.cell.array * (1 + 0.06 * rng.uniform(-1, 1)), scale_atoms=True)
    atoms.positions += spread * rng.normal(size=atoms.positions.shape)
    work = atoms.copy()
    work.calc = EMT()
    labels = {"energy": work.get_potential_energy(), "forces": work.get_forces(), "stress": work.get_stress()}
    atoms.calc = SinglePointCalculator(atoms, **labels)
    atoms.info.update(id=f"s{seed}", family="all", group=f"g{seed // 2}")
    return atoms


@pytest.fixture(scope="module")
def frames():
    return [copper(seed) for seed in range(60)]


@pytest.fixture(scope="module")
def test_frames():
    return [copper(seed) for seed in range(1000, 1012)]


def fitted(frames, test=None, settings=SETTINGS, **options):
    options = NeuralOptions(**{**OPTIONS, **options})
    return fit_neural(frames, test, settings, say=lambda _: None, warnings=[], options=options)


@pytest.fixture(scope="module")
def fit(frames, test_frames):
    return fitted(frames, test_frames)


def test_a_head_that_helps_is_kept(fit, frames, test_frames):
    metrics, potential = fit.metrics, fit.potential
    assert potential.kind == "ace-neural"
    assert metrics["choice"]["head_kept"]
    assert "The head is kept." in metrics["choice"]["text"]
    assert metrics["cv"] == metrics["cv_neural"]
    assert metrics["cv"]["force_rmse_ev_per_ang"] < 0.95 * metrics["cv_linear"]["force_rmse_ev_per_ang"]
    assert metrics["test"] == errors(evaluate_frames(potential, test_frames))
    assert metrics["train"] == errors(evaluate_frames(potential, frames))
    linear = errors(evaluate_frames(linear_part(potential), test_frames))
    assert metrics["test"]["force_rmse_ev_per_ang"] < 0.98 * linear["force_rmse_ev_per_ang"]


def linear_part(potential):
    from pesforge.export import Potential

    return Potential("ace-linear", potential.basis, potential.coefficients, potential.zeros)


def test_a_head_that_does_not_help_is_left_out(frames):
    """One step of training cannot help; the linear potential and its own errors remain."""
    result = fitted(frames[:24], None, epochs=1, learning_rate=1e-9)
    metrics = result.metrics
    assert result.potential.kind == "ace-linear"
    assert not metrics["choice"]["head_kept"]
    assert "the linear potential alone is kept" in metrics["choice"]["text"]
    assert metrics["cv"] == metrics["cv_linear"]
    assert metrics["train"] == errors(evaluate_frames(result.potential, frames[:24]))
    assert {row["kind"] for row in metrics["uncertainty"]["kinds"]} == {"energy", "force", "stress"}
    told = result.potential.uncertainty(frames[30], forces=True)
    assert told.interval(0.9).energy_ev > 0
    assert told.mahalanobis is not None


def test_an_ensemble_is_the_mean_of_its_members_and_knows_its_spread(frames, test_frames, tmp_path):
    result = fitted(frames, None, members=2, dropout=0.02, epochs=40)
    assert result.metrics["choice"]["head_kept"]
    assert "An ensemble of 2 heads" in result.metrics["choice"]["text"]
    save_model(tmp_path / "a", result.potential, result.metadata)
    potential = load_potential(tmp_path / "a").potential
    assert potential.facts()["heads"] == 2
    atoms = test_frames[0]
    parts = [member.evaluate(atoms) for member in potential.members]
    for mean, mine, stored in zip(
        zip(*parts, strict=True), potential.evaluate(atoms), result.potential.evaluate(atoms), strict=True
    ):
        np.testing.assert_allclose(np.mean(mean, axis=0), mine, rtol=1e-10, atol=1e-12)
        np.testing.assert_array_equal(mine, stored)
    energy, forces = potential.spread(atoms)
    assert energy == pytest.approx(np.std([part[0].sum() for part in parts], ddof=1))
    np.testing.assert_allclose(forces, np.std([part[1] for part in parts], axis=0, ddof=1))
    assert energy > 0


def test_a_single_head_has_no_spread(fit, frames):
    assert fit.potential.members == (fit.potential,)
    with pytest.raises(DataError, match="one member"):
        fit.potential.spread(frames[0])


def test_the_seed_decides_and_an_interrupted_fit_goes_on(fit, frames, tmp_path):
    class StoppedError(Exception):
        pass

    def say(line):
        if line.startswith("heads of"):
            raise StoppedError

    options = NeuralOptions(**OPTIONS, work=tmp_path)
    with pytest.raises(StoppedError):
        fit_neural(frames, None, SETTINGS, say=say, warnings=[], options=options)
    again = fit_neural(frames, None, SETTINGS, say=lambda _: None, warnings=[], options=options)
    assert again.metrics["cv"] == fit.metrics["cv"]
    np.testing.assert_array_equal(again.potential.head.output, fit.potential.head.output)


def test_too_little_memory_is_said(frames):
    with pytest.raises(DataError, match="projections of all training structures"):
        fitted(frames, None, replace(SETTINGS, memory_bytes=3e5))


def check_intervals(potential, frames, options):
    """Laws of the named source; force errors on new structures within them about as often as they say."""
    assert potential.calibrated.source == ("members" if "members" in options else "dropout")
    assert (potential.calibrated.noise is not None) == ("heteroscedastic" in options)
    inside = []
    for atoms in frames:
        told = potential.uncertainty(atoms, forces=True)
        assert told.leverage is None
        wrong = np.abs(potential.evaluate(atoms)[1] - atoms.get_forces())
        inside.append(np.mean(wrong < told.interval(0.8).forces_ev_per_ang))
        np.testing.assert_allclose(told.forces.aleatoric**2 + told.forces.epistemic**2, told.forces.sigma**2)
        assert told.stress.sigma.shape == (6,)
        assert potential.uncertainty(atoms).energy_sigma_ev == told.energy_sigma_ev
    assert 0.65 < np.mean(inside) < 0.95
    if "members" in options:
        bare = replace(potential, calibrated=None).uncertainty(frames[0], forces=True)
        energy, forces = potential.spread(frames[0])
        assert bare.energy_sigma_ev == pytest.approx(energy)
        np.testing.assert_allclose(bare.force_sigma_ev_per_ang, forces)


@pytest.mark.parametrize(("count", "options"), [(40, {"members": 5, "heteroscedastic": True}), (60, {"dropout": 0.1})])
def test_what_heads_say_of_their_own_errors_is_calibrated_on_held_out_groups(
    frames, test_frames, count, options, tmp_path
):
    """Members of bootstrap samples, and draws of dropout, are far too sure of themselves before.

    The stored potential uses the laws that were judged, and its intervals hold on new structures.
    """
    result = fitted(frames[:count], None, epochs=30, **options)
    found = result.metrics["uncertainty"]
    save_model(tmp_path / "a", result.potential, result.metadata)
    check_intervals(load_potential(tmp_path / "a").potential, test_frames, options)
    assert ("5 heads" if "members" in options else "20 draws of dropout") in found["source"]
    assert ("depends on the projections" in found["source"]) == ("heteroscedastic" in options)
    rows = {row["kind"]: row for row in found["kinds"]}
    assert set(rows) == {"energy", "force", "stress"}
    force = rows["force"]
    assert force["n"] == 12 * count
    assert force["before"]["standardised_std"] > 1.5
    assert 0.7 < force["after"]["standardised_std"] < 1.4
    assert force["after"]["calibration_error_percent"] < 4 < force["before"]["calibration_error_percent"]
    assert force["calibrated"]


def test_a_plain_head_says_nothing_of_its_errors(fit, frames):
    assert "uncertainty" not in fit.metrics
    with pytest.raises(DataError, match="knows nothing of its own errors"):
        fit.potential.uncertainty(frames[0])
