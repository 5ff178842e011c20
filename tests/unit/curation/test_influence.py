"""Cook's distance against its definition by refitting, and a planted corrupted label."""

from dataclasses import replace

import numpy as np
import pytest

from pesforge.curation.influence import compare_without, influence
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import Weights

WEIGHTS = Weights(energy=400.0, force=1.0, stress=2500.0)
ALPHA = 1e-3


def test_cook_of_a_structure_is_the_shift_of_all_fitted_values_by_its_removal(make_design):
    design = make_design(structures=14)
    problem = LinearProblem(design, prior_power=2.0)
    alpha = 1e-9
    found = influence(problem, WEIGHTS, alpha)
    factor = problem.factorise(WEIGHTS, alpha)
    rows, targets = factor.rows(design)
    residual = targets - rows @ factor.vector
    parameters = 9
    variance = residual @ residual / (len(rows) - parameters)
    for structure in (1, 6):
        rest, rest_targets = factor.rows(design.select(np.setdiff1d(np.arange(14), [structure])))
        refit = np.linalg.lstsq(rest, rest_targets, rcond=None)[0]
        shift = rows @ (factor.vector - refit)
        assert found.cook[structure] == pytest.approx(shift @ shift / (parameters * variance), rel=1e-5)
    assert found.effective_parameters == pytest.approx(parameters, rel=1e-6)
    assert found.noise == pytest.approx(np.sqrt(variance), rel=1e-6)


def test_cook_of_an_energy_row_is_the_shift_by_the_removal_of_that_row(make_design):
    design = make_design(structures=14)
    problem = LinearProblem(design, prior_power=2.0)
    found = influence(problem, WEIGHTS, 1e-9)
    factor = problem.factorise(WEIGHTS, 1e-9)
    rows, targets = factor.rows(design)
    structure = int(np.argmax(found.cook_energy))
    keep = np.arange(len(rows)) != structure
    refit = np.linalg.lstsq(rows[keep], targets[keep], rcond=None)[0]
    shift = rows @ (factor.vector - refit)
    assert found.cook_energy[structure] == pytest.approx(shift @ shift / (9 * found.noise**2), rel=1e-5)


def test_a_corrupted_high_leverage_label_comes_out_on_top(copper_design):
    clean = LinearProblem(copper_design, prior_power=2.0)
    alpha = clean.evidence(WEIGHTS).alpha
    before = influence(clean, WEIGHTS, alpha)
    tops = {int(np.argmax(before.cook)), int(np.argmax(before.cook_energy))}
    planted = int(next(s for s in np.argsort(-before.leverage_energy) if s not in tops))
    assert before.leverage_energy[planted] > np.quantile(before.leverage_energy, 0.8)
    energies = copper_design.y_energy.copy()
    energies[planted] += 0.4
    problem = LinearProblem(replace(copper_design, y_energy=energies), prior_power=2.0)
    found = influence(problem, WEIGHTS, alpha)
    assert int(np.argmax(found.cook_energy)) == planted
    assert int(np.argmax(found.cook)) == planted
    assert found.cook[planted] > 2 * np.sort(found.cook)[-2]


def test_the_fit_without_a_corrupted_label_predicts_the_others_better(make_design):
    design = make_design(structures=30)
    energies = design.y_energy.copy()
    energies[7] += 5.0
    problem = LinearProblem(replace(design, y_energy=energies), prior_power=2.0)
    rows = compare_without(
        problem,
        np.array([7]),
        WEIGHTS,
        ALPHA,
        prior_power=2.0,
        properties=lambda fit: [("c0", "eV", float(fit.coefficients[0]))],
    )
    errors = {row["quantity"].split()[0]: row for row in rows}
    assert errors["energy"]["without_top"] < 0.5 * errors["energy"]["all_labels"]
    assert errors["c0"]["without_top"] != errors["c0"]["all_labels"]
    assert set(rows[0]) == {"quantity", "unit", "all_labels", "without_top"}
