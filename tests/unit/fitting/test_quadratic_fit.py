"""Fits of quadratic heads: planted models, exact leave-group-out against refits, what is kept and why, the command."""

import json
from dataclasses import replace

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge import load_potential
from pesforge.cli import main
from pesforge.errors import SettingsError
from pesforge.export import Potential
from pesforge.fitting import FitSettings
from pesforge.fitting.evaluation import evaluate_frames
from pesforge.fitting.fit import solve
from pesforge.fitting.models import fitter_of
from pesforge.fitting.quadratic import fit_quadratic
from pesforge.fitting.quadratic_choice import QuadraticOptions, choose_quadratic
from pesforge.fitting.search import choose
from pesforge.folds import group_members
from pesforge.metrics import errors
from pesforge.potentials.linear import residuals
from pesforge.potentials.quadratic_head import QuadraticHead
from pesforge.representations.design import describe
from pesforge.representations.principal import principal_projections

SETTINGS = FitSettings(functions=14, reductions=(2, 0), neighbours=(14.0,), root_energy_weights=(20.0, 40.0))
"""So few functions that a linear potential cannot follow the labels."""
OPTIONS = QuadraticOptions(projections=6)


def quiet(_):
    pass


def labelled(atoms, seed, calculator):
    work = atoms.copy()
    work.calc = calculator
    labels = {"energy": work.get_potential_energy(), "forces": work.get_forces(), "stress": work.get_stress()}
    atoms.calc = SinglePointCalculator(atoms, **labels)
    atoms.info.update(id=f"s{seed}", family=("hot", "cold")[seed % 2], group=f"g{seed // 2}")
    return atoms


def structure(seed, gold=False):
    """A cell that is far from the ideal crystal."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    if gold:
        atoms.symbols[: seed % 3] = "Au"
    atoms.set_cell(atoms.cell.array * (1 + 0.06 * rng.uniform(-1, 1)), scale_atoms=True)
    atoms.positions += 0.2 * rng.normal(size=atoms.positions.shape)
    return atoms


@pytest.fixture(scope="module")
def frames():
    return [labelled(structure(seed), seed, EMT()) for seed in range(40)]


@pytest.fixture(scope="module")
def chosen(frames):
    return choose(frames, SETTINGS, quiet)


@pytest.fixture(scope="module")
def quadratic(frames, chosen):
    return choose_quadratic(frames, chosen, SETTINGS, OPTIONS, quiet)


@pytest.fixture(scope="module")
def fitted(frames):
    test = [labelled(structure(seed), seed, EMT()) for seed in range(1000, 1008)]
    return fit_quadratic(frames, test, SETTINGS, say=quiet, warnings=[], options=OPTIONS), test


def test_leave_group_out_is_exactly_that_of_refits(frames, quadratic):
    """Against normal equations of rows in memory, solved anew without each group."""
    quadratic = replace(quadratic, alpha=1e-3)
    solved = solve(quadratic)
    assert solved.method == "every group left out, exact"
    design = describe(frames, quadratic.quadratic)
    factor = quadratic.problem.factorise(quadratic.weights, quadratic.alpha, quadratic.mask)
    for members in list(group_members([atoms.info["group"] for atoms in frames]).values())[:5]:
        seen = design.select(np.setdiff1d(np.arange(len(frames)), members))
        rows, targets = factor.rows(seen)
        normal = rows.T @ rows + quadratic.alpha * np.eye(rows.shape[1])
        held = residuals(design.select(members), factor.fit(np.linalg.solve(normal, rows.T @ targets)))
        found = solved.left_out.select(members)
        np.testing.assert_allclose(found.energy, held.energy, atol=1e-7)
        np.testing.assert_allclose(found.forces, held.forces, atol=1e-6)
        np.testing.assert_allclose(found.stress, held.stress, atol=1e-7)


def test_the_potential_is_the_fit_of_the_columns(frames, quadratic):
    solved = solve(quadratic)
    factor = quadratic.problem.factorise(quadratic.weights, quadratic.alpha, quadratic.mask)
    rows = residuals(describe(frames, quadratic.quadratic), factor.fit())
    found = evaluate_frames(solved.potential, frames)
    np.testing.assert_allclose(found.energy, rows.energy, atol=1e-9)
    np.testing.assert_allclose(found.forces, rows.forces, atol=1e-8)
    np.testing.assert_allclose(found.stress, rows.stress, atol=1e-9)
    known = solved.potential.uncertainty(frames[0], forces=True)
    assert known.energy_sigma_ev > 0
    assert known.force_sigma_ev_per_ang.min() > 0


@pytest.mark.parametrize("gold", [False, True], ids=["one species", "two species"])
def test_a_planted_quadratic_model_is_recovered(gold):
    """Labels of a quadratic form of the very projections that the fit will find: errors vanish, with it alone."""
    frames = [labelled(structure(seed, gold), seed, EMT()) for seed in range(36)]
    chosen = choose(frames, SETTINGS, quiet)
    species = len(chosen.basis.species)
    scale = chosen.problem.scale[np.append(chosen.mask, np.zeros(species, dtype=bool))]
    scale = scale * (1 + chosen.basis.degree) ** SETTINGS.prior_power
    matrix, rng = principal_projections(frames, chosen.basis, scale, 3), np.random.default_rng(5)
    head = QuadraticHead.of_products(np.zeros(3), 0.02 * rng.normal(size=6))
    coefficients = 0.05 * scale * rng.normal(size=len(scale))
    zeros = dict.fromkeys(chosen.basis.species, -2.0)
    planted = Potential("ace-quadratic", chosen.basis, coefficients, zeros, head, matrix, np.zeros(3))
    for atoms in frames:
        energies, forces, stress = planted.evaluate(atoms)
        atoms.calc = SinglePointCalculator(atoms, energy=energies.sum(), forces=forces, stress=stress)
    result = fit_quadratic(frames, None, SETTINGS, say=quiet, warnings=[], options=QuadraticOptions(projections=4))
    assert result.metrics["choice"]["head_kept"]
    linear, found = result.metrics["cv_linear"], result.metrics["cv"]
    assert found == result.metrics["cv_quadratic"]
    assert found["force_rmse_ev_per_ang"] < 1e-4
    assert found["energy_rmse_mev_per_atom"] < 1e-1
    assert result.potential.basis == chosen.basis
    assert linear["force_rmse_ev_per_ang"] > 100 * found["force_rmse_ev_per_ang"]


def test_the_prior_of_the_products_is_the_one_chosen(quadratic):
    products = slice(quadratic.basis.n_functions, quadratic.quadratic.n_functions)
    columns = np.concatenate([forces[:, products] for _, forces, _ in quadratic.problem.kept])
    expected = 2.0**quadratic.octaves / np.sqrt(np.mean(columns**2, axis=0))
    np.testing.assert_allclose(quadratic.problem.scale[products], expected)
    others = {point["octaves"] for point in quadratic.tried}
    assert quadratic.octaves in others
    assert len(others) > 1


def test_a_head_that_helps_is_kept(fitted, frames):
    result, test = fitted
    metrics = result.metrics
    assert result.potential.kind == "ace-quadratic"
    assert metrics["choice"]["head_kept"]
    assert "The head is kept." in metrics["choice"]["text"]
    assert metrics["cv"] == metrics["cv_quadratic"]
    assert metrics["cv"]["force_rmse_ev_per_ang"] < 0.9 * metrics["cv_linear"]["force_rmse_ev_per_ang"]
    assert metrics["test"] == errors(evaluate_frames(result.potential, test))
    assert metrics["train"] == pytest.approx(errors(evaluate_frames(result.potential, frames)), rel=1e-6)
    assert [row["family"] for row in metrics["by_group"]["cv"]] == ["hot", "cold"]
    assert (
        metrics["n_functions"]
        == metrics["choice"]["head"]["n_linear_functions"] + (metrics["choice"]["head"]["n_products"])
    )
    assert "tried_heads" not in result.metadata["method"]


def test_a_head_that_does_not_help_is_left_out(frames):
    """Labels that are linear in the invariants: products cannot add anything."""
    chosen = choose(frames, SETTINGS, quiet)
    planted = solve(chosen).potential
    copies = [atoms.copy() for atoms in frames]
    rng = np.random.default_rng(0)
    for atoms in copies:
        energies, forces, stress = planted.evaluate(atoms)
        forces = forces + 0.05 * rng.normal(size=forces.shape)
        atoms.calc = SinglePointCalculator(atoms, energy=energies.sum(), forces=forces, stress=stress)
    result = fit_quadratic(copies, None, SETTINGS, say=quiet, warnings=[], options=OPTIONS)
    metrics = result.metrics
    assert result.potential.kind == "ace-linear"
    assert not metrics["choice"]["head_kept"]
    assert "the linear potential alone is kept" in metrics["choice"]["text"]
    assert metrics["cv"] == metrics["cv_linear"]
    assert metrics["n_functions"] == result.potential.basis.n_functions


def test_more_projections_than_directions_and_one_projection(frames, chosen):
    many = choose_quadratic(frames, chosen, SETTINGS, QuadraticOptions(projections=64), quiet)
    assert len(many.quadratic.mean) <= chosen.basis.n_functions
    one = choose_quadratic(frames, chosen, SETTINGS, QuadraticOptions(projections=1), quiet)
    assert one.count == 1
    assert solve(one).potential.head.n_inputs == 1


def test_the_command(frames, tmp_path, capsys):
    for atoms in frames:
        atoms.info["config_type"] = atoms.info["family"]
    ase.io.write(tmp_path / "train.extxyz", frames, format="extxyz")
    out = tmp_path / "fit"
    argv = ["fit", str(tmp_path / "train.extxyz"), "--out", str(out), "--functions", "14"]
    assert main([*argv, "--model", "ace-quadratic", "--option", "projections=4"]) == 0
    assert "A quadratic head of" in capsys.readouterr().out
    metrics = json.loads((out / "metrics.json").read_text())
    found = evaluate_frames(load_potential(out).potential, frames)
    assert errors(found)["force_rmse_ev_per_ang"] == pytest.approx(metrics["train"]["force_rmse_ev_per_ang"], rel=1e-6)
    with pytest.raises(SettingsError, match="projections: most principal projections"):
        fitter_of("ace-quadratic", {"projection": "4"})
