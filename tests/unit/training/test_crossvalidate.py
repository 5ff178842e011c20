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
from pesforge.training.crossvalidate import choose_point, crossvalidate, emphasis_of, score, score_se, weigh_by_error

SETTINGS = Crossvalidate(degree_reductions=(4, 2, 0), alphas=(1e-4, 1e-2, 1.0), family_weights="equal")
BY_ERROR = SETTINGS.model_copy(update={"family_weights": "by_error"})


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
    assert row["energy_typical_se_mev_per_atom"] > 0


def test_the_lowest_score_is_chosen_and_marked_once(design):
    evidence = crossvalidate(design, SETTINGS.model_copy(update={"rule": "lowest"}), mask_of(design))
    scores = [
        np.log(row["energy_typical_mev_per_atom"] * row["force_typical_ev_per_ang"] * row["stress_typical_gpa"])
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
    figures = {"energy_typical_mev_per_atom": np.e, "force_typical_ev_per_ang": np.e, "stress_typical_gpa": 9.0}
    assert score(figures, Weights(1.0, 1.0, 0.0)) == pytest.approx(2.0)
    with_errors = {**figures, "energy_typical_se_mev_per_atom": 0.3 * figures["energy_typical_mev_per_atom"]}
    with_errors["force_typical_se_ev_per_ang"] = 0.4 * figures["force_typical_ev_per_ang"]
    assert score_se(with_errors, Weights(1.0, 1.0, 0.0)) == pytest.approx(0.5)


def test_one_family_has_no_leave_family_out(design):
    single = replace(design, families=("thermal",) * 24)
    assert crossvalidate(single, SETTINGS, mask_of(single))["leave_family_out"] == []


def test_one_group_is_refused(design):
    with pytest.raises(DataError, match="at least two"):
        crossvalidate(replace(design, groups=("g",) * 24), SETTINGS, mask_of(design))


def spoiled(design, family, error_ev, error_ev_per_ang, seed=3):
    """The design whose labels of one family have an error that no potential can represent."""
    rng = np.random.default_rng(seed)
    bad = np.array([name == family for name in design.families])
    atoms = np.repeat(bad, 3 * design.n_atoms)
    return replace(
        design,
        y_energy=design.y_energy + error_ev * bad * rng.normal(size=len(bad)) * design.n_atoms,
        y_forces=design.y_forces + error_ev_per_ang * atoms * rng.normal(size=len(atoms)),
    )


def test_a_family_that_cannot_be_fitted_spoils_no_other(make_design):
    """Labels of one family are noise: its weight falls to that of its noise, and the others are fitted as without."""
    design = spoiled(make_design(structures=60, functions=10, noise=0.02), "strain", 1.0, 0.15)
    found = {kind: crossvalidate(design, settings, mask_of(design)) for kind, settings in
             (("equal", SETTINGS), ("by_error", BY_ERROR))}  # fmt: skip
    clean = {
        kind: next(row for row in evidence["leave_structure_out"]["by_family"] if row["family"] == "thermal")
        for kind, evidence in found.items()
    }
    for key in ("energy_rmse_mev_per_atom", "force_rmse_ev_per_ang"):
        assert clean["by_error"][key] < 0.6 * clean["equal"][key]
    weights = emphasis_of(found["by_error"])
    assert weights["strain"][1] / weights["thermal"][1] == pytest.approx((0.02 / 0.15) ** 2, rel=0.3)
    assert emphasis_of(found["equal"]) == {"strain": (1.0, 1.0, 1.0), "thermal": (1.0, 1.0, 1.0)}


def test_weights_of_families_are_inverse_noise_variances(make_design):
    """Noise that is known and differs threefold between families is found to within its own standard error."""
    design = spoiled(make_design(structures=240, functions=6, noise=0.02), "strain", 0.0, 0.0566)
    weights = weigh_by_error(design, SETTINGS, 1e-4)
    ratio = weights["thermal"][1] / weights["strain"][1]
    assert ratio == pytest.approx((0.02**2 + 0.0566**2) / 0.02**2, rel=0.2)
    assert np.sqrt(weights["thermal"][1] * weights["strain"][1]) == pytest.approx(1.0, rel=0.2)


def test_weights_of_a_single_family_are_one(design):
    single = replace(design, families=("thermal",) * 24)
    assert emphasis_of(crossvalidate(single, BY_ERROR, mask_of(single))) == {"thermal": (1.0, 1.0, 1.0)}
