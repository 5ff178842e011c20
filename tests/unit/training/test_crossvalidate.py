"""The cross-validation stage: the point it chooses, the errors it reports, and the form of its evidence."""

from dataclasses import replace

import numpy as np
import pytest

from pesforge.errors import DataError
from pesforge.io import canonical_json
from pesforge.metrics import errors
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import Weights
from pesforge.settings import Crossvalidate
from pesforge.training.crossvalidate import choose_point, crossvalidate, score, score_se

SETTINGS = Crossvalidate(degree_reductions=(4, 2, 0), alphas=(1e-4, 1e-2, 1.0))


@pytest.fixture
def design(make_design):
    law = np.array([1.0, -2.0, 3.0, 4.0, -5.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    return make_design(structures=24, functions=10, coefficients=law, per_group=2)


def mask_of(design):
    return lambda reduction: design.degree <= design.degree.max() - reduction


def test_the_grid_holds_leave_group_out_errors_of_every_point(design):
    evidence = crossvalidate(design, SETTINGS, mask_of(design))
    assert len(evidence["grid"]) == 9
    assert [row["n_functions"] for row in evidence["grid"]] == [6] * 3 + [8] * 3 + [10] * 3
    row = evidence["grid"][4]
    problem = LinearProblem(design, prior_power=SETTINGS.prior_power)
    direct = errors(problem.leave_out(Weights.of(SETTINGS), 1e-2, design.groups, design.degree <= 9))
    assert {key: row[key] for key in direct} == direct
    assert row["energy_rmse_se_mev_per_atom"] > 0


def test_the_lowest_score_is_chosen_and_marked_once(design):
    evidence = crossvalidate(design, SETTINGS, mask_of(design))
    scores = [
        np.log(row["energy_rmse_mev_per_atom"]) + np.log(row["force_rmse_ev_per_ang"]) + np.log(row["stress_rmse_gpa"])
        for row in evidence["grid"]
    ]
    assert [row["chosen"] for row in evidence["grid"]].index(True) == int(np.argmin(scores))
    assert sum(row["chosen"] for row in evidence["grid"]) == 1
    chosen = evidence["grid"][int(np.argmin(scores))]
    assert evidence["chosen"]["alpha"] == chosen["alpha"]
    assert evidence["leave_group_out"]["force_rmse_ev_per_ang"] == chosen["force_rmse_ev_per_ang"]


def test_a_basis_that_misses_functions_is_not_chosen(make_design):
    law = np.array([1.0, -2.0, 3.0, 4.0, -5.0, 50.0, 100.0, 200.0, 300.0, 400.0])
    design = make_design(structures=24, functions=10, coefficients=law)
    assert crossvalidate(design, SETTINGS, mask_of(design))["chosen"]["degree_reduction"] == 0


def test_ties_go_to_the_smaller_basis_and_then_to_the_larger_alpha():
    points = [
        {"score": 1.0, "n_functions": 20, "alpha": 1.0},
        {"score": 1.0, "n_functions": 10, "alpha": 0.1},
        {"score": 1.0, "n_functions": 10, "alpha": 0.5},
        {"score": 2.0, "n_functions": 5, "alpha": 1.0},
    ]
    for point in points:
        point["score_se"] = 0.1
    assert choose_point(points, "lowest") == 2
    assert choose_point(points, "one_standard_error") == 2
    points[-1]["score"] = 1.09
    assert choose_point(points, "lowest") == 2
    assert choose_point(points, "one_standard_error") == len(points) - 1


def test_held_out_errors_exceed_training_errors_and_families_are_apart(design):
    evidence = crossvalidate(design, SETTINGS, mask_of(design))
    assert evidence["training"]["force_rmse_ev_per_ang"] < evidence["leave_group_out"]["force_rmse_ev_per_ang"]
    for key in ("by_family", "leave_family_out"):
        assert [row["family"] for row in evidence[key]] == ["strain", "thermal"]
        assert sum(row["n_structures"] for row in evidence[key]) == 24
    assert evidence["leave_family_out"] != evidence["by_family"]
    assert evidence["evidence"]["alpha"] > 0


def test_parity_and_structure_errors_agree_with_the_reported_errors(design):
    evidence = crossvalidate(design, SETTINGS, mask_of(design))
    energy = evidence["parity"]["energy_ev_per_atom"]
    np.testing.assert_allclose(energy["reference"], design.y_energy / design.n_atoms)
    gap = np.subtract(energy["predicted"], energy["reference"])
    assert 1e3 * np.sqrt(np.mean(gap**2)) == pytest.approx(evidence["leave_group_out"]["energy_rmse_mev_per_atom"])
    rows = evidence["structures"]
    np.testing.assert_allclose([row["energy_error_mev_per_atom"] for row in rows], 1e3 * gap, rtol=1e-6, atol=1e-9)
    squares = np.array([row["force_error_ev_per_ang"] for row in rows]) ** 2 * 3 * design.n_atoms
    force = evidence["leave_group_out"]["force_rmse_ev_per_ang"]
    assert squares.sum() / (3 * design.n_atoms.sum()) == pytest.approx(force**2)
    canonical_json(evidence)


def test_without_stress_labels_the_score_leaves_stress_out(design):
    bare = replace(design, y_stress=np.full_like(design.y_stress, np.nan))
    evidence = crossvalidate(bare, SETTINGS, mask_of(bare))
    assert evidence["leave_group_out"]["stress_rmse_gpa"] is None
    assert np.isfinite(evidence["chosen"]["score"])
    figures = {"energy_rmse_mev_per_atom": np.e, "force_rmse_ev_per_ang": np.e, "stress_rmse_gpa": 9.0}
    assert score(figures, Weights(1.0, 1.0, 0.0)) == pytest.approx(2.0)
    with_errors = {**figures, "energy_rmse_se_mev_per_atom": 0.3 * figures["energy_rmse_mev_per_atom"]}
    with_errors["force_rmse_se_ev_per_ang"] = 0.4 * figures["force_rmse_ev_per_ang"]
    assert score_se(with_errors, Weights(1.0, 1.0, 0.0)) == pytest.approx(0.5)


def test_one_family_has_no_leave_family_out(design):
    single = replace(design, families=("thermal",) * 24)
    assert crossvalidate(single, SETTINGS, mask_of(single))["leave_family_out"] == []


def test_one_group_is_refused(design):
    with pytest.raises(DataError, match="at least two"):
        crossvalidate(replace(design, groups=("g",) * 24), SETTINGS, mask_of(design))
