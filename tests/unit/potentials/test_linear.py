"""The linear potential against independent least squares on stacked rows, and brute-force refits."""

from dataclasses import replace

import numpy as np
import pytest

from pesforge.errors import DataError
from pesforge.potentials.linear import LinearProblem, predict, residuals
from pesforge.potentials.normal import Centring, Factor, Weights
from pesforge.representations import design as design_room

WEIGHTS = Weights(energy=400.0, force=1.0, stress=2500.0)
ALPHA = 1e-3


def stacked(design, problem, weights, alpha, mask):
    """Rows and targets of the regularised least squares problem, written out one structure at a time."""
    rows, targets = [], []
    scale = problem.scale[np.append(mask, np.ones(design.counts.shape[1], dtype=bool))]
    for s, n in enumerate(design.n_atoms):
        energy, force, stress = np.sqrt([weights.energy, weights.force, weights.stress] * design.emphasis[s])
        start = design.offsets[s]
        zero = np.zeros(design.counts.shape[1])
        centred = design.energy[s] - design.counts[s] @ problem.centring.functions
        rows.append(energy * np.append(centred[mask], design.counts[s]) / n)
        targets.append(energy * (design.y_energy[s] - design.counts[s] @ problem.centring.energy) / n)
        for r in range(3 * start, 3 * start + 3 * n):
            rows.append(force * np.append(design.forces[r, mask], zero))
            targets.append(force * design.y_forces[r])
        for r in range(6 * s, 6 * s + 6):
            if np.isfinite(design.y_stress[r]):
                rows.append(stress * np.append(design.stress[r, mask], zero))
                targets.append(stress * design.y_stress[r])
    rows += list(np.sqrt(alpha) * np.diag(1 / scale))
    targets += [0.0] * len(scale)
    return np.array(rows), np.array(targets)


def uneven(design):
    """The design whose families and kinds weigh differently."""
    return design.emphasised({"thermal": (2.0, 0.3, 1.5), "strain": (0.1, 5.0, 0.7)})


def brute_force(design, problem, weights, alpha, mask, held_out):
    """Prediction minus label of the structures `held_out` by a fit to the others; scales as in `problem`."""
    rest = design.select(np.setdiff1d(np.arange(len(design.ids)), held_out))
    solution = np.linalg.lstsq(*stacked(rest, problem, weights, alpha, mask), rcond=None)[0]
    coefficients = solution[: mask.sum()]
    zeros = solution[mask.sum() :] + problem.centring.energy - problem.centring.functions[:, mask] @ coefficients
    block = design.select(np.asarray(held_out))
    energy = (block.energy[:, mask] @ coefficients + block.counts @ zeros - block.y_energy) / block.n_atoms
    forces = block.forces[:, mask] @ coefficients - block.y_forces
    return energy, forces, block.stress[:, mask] @ coefficients - block.y_stress


@pytest.mark.parametrize("change", [lambda design: design, uneven], ids=["families alike", "families weighted"])
def test_fit_is_the_regularised_least_squares_solution(make_design, change):
    design = change(make_design())
    problem = LinearProblem(design, prior_power=2.0)
    mask = np.ones(7, dtype=bool)
    expected = np.linalg.lstsq(*stacked(design, problem, WEIGHTS, ALPHA, mask), rcond=None)[0]
    fit = problem.fit(WEIGHTS, ALPHA)
    np.testing.assert_allclose(fit.coefficients, expected[:7], rtol=1e-9)
    zeros = expected[7:] + problem.centring.energy - problem.centring.functions @ expected[:7]
    np.testing.assert_allclose(fit.zeros, zeros, rtol=1e-9)


def test_normal_equations_of_parts_are_those_of_the_whole(make_design, monkeypatch):
    design = uneven(make_design())
    whole = LinearProblem(design, prior_power=2.0)
    monkeypatch.setattr(design_room, "PART_BYTES", 2000)
    assert len([*design.parts()]) > 3
    parts = LinearProblem(design, prior_power=2.0)
    np.testing.assert_allclose(parts.scale, whole.scale, rtol=1e-13)
    one, other = (problem.factorise(WEIGHTS, ALPHA) for problem in (whole, parts))
    np.testing.assert_allclose(other.normal, one.normal, rtol=1e-12, atol=1e-12 * np.abs(one.normal).max())
    np.testing.assert_allclose(other.right, one.right, rtol=1e-12, atol=1e-12 * np.abs(one.right).max())
    assert (other.n_rows, other.weighted_squares) == (one.n_rows, pytest.approx(one.weighted_squares, rel=1e-12))


def test_prior_scale_is_the_inverse_rms_force_damped_by_degree(make_design):
    design = make_design()
    scale = LinearProblem(design, prior_power=1.5).scale
    expected = 1 / np.sqrt((design.forces**2).mean(axis=0)) / (1 + design.degree) ** 1.5
    np.testing.assert_allclose(scale[:-2], expected, rtol=1e-12)
    np.testing.assert_array_equal(scale[-2:], 10.0)


def test_noiseless_data_give_back_the_law_and_the_energy_zeros(make_design):
    law = np.array([0.3, -1.0, 2.0, 0.5, -4.0, 20.0, 7.0])
    fit = LinearProblem(make_design(noise=0.0, coefficients=law), prior_power=2.0).fit(WEIGHTS, 1e-10)
    np.testing.assert_allclose(fit.coefficients, law, rtol=1e-6)
    np.testing.assert_allclose(fit.zeros, [-3.0, -5.0], rtol=1e-6)


def test_a_huge_energy_zero_changes_no_coefficient(make_design):
    design = make_design()
    shifted = replace(design, y_energy=design.y_energy + design.counts @ [-8000.0, -300.0])
    plain, moved = (LinearProblem(d, prior_power=2.0).fit(WEIGHTS, ALPHA) for d in (design, shifted))
    np.testing.assert_allclose(moved.coefficients, plain.coefficients, rtol=1e-7)
    np.testing.assert_allclose(moved.zeros - plain.zeros, [-8000.0, -300.0], rtol=1e-9)


@pytest.mark.parametrize("per_group", [1, 2, 4], ids=["by block", "by block of two", "by Gram downdate"])
@pytest.mark.parametrize("weights", [WEIGHTS, Weights(320.0, 1.0, 0.0)], ids=["all kinds", "stress unweighted"])
def test_leave_group_out_equals_the_refit_without_the_group(make_design, per_group, weights):
    design = uneven(make_design(per_group=per_group, functions=30 if per_group < 4 else 7))
    mask = np.arange(len(design.degree)) != 3
    problem = LinearProblem(design, prior_power=2.0)
    found = problem.leave_out(weights, ALPHA, design.groups, mask)
    for group in set(design.groups):
        members = [s for s, name in enumerate(design.groups) if name == group]
        energy, forces, stress = brute_force(design, problem, weights, ALPHA, mask, members)
        chosen = found.select(members)
        np.testing.assert_allclose(chosen.energy, energy, atol=1e-8)
        np.testing.assert_allclose(chosen.forces, forces, atol=1e-8)
        np.testing.assert_allclose(chosen.stress, stress, atol=1e-8)


@pytest.mark.parametrize("per_group", [1, 2, 4], ids=["by block", "by block of two", "by Gram downdate"])
def test_absent_structures_are_in_no_fit_and_groups_are_left_out_across_them(make_design, per_group):
    design = make_design(per_group=per_group, functions=30 if per_group < 4 else 7)
    mask = np.arange(len(design.degree)) != 3
    problem = LinearProblem(design, prior_power=2.0)
    absent = np.array([family == "strain" for family in design.families])
    found = problem.leave_out(WEIGHTS, ALPHA, design.groups, mask, absent=absent)
    for group in set(design.groups):
        members = [s for s, name in enumerate(design.groups) if name == group]
        unseen = sorted({*members, *np.flatnonzero(absent)})
        energy, forces, stress = brute_force(design, problem, WEIGHTS, ALPHA, mask, unseen)
        block, chosen = design.select(np.array(unseen)), found.select(members)
        places = np.searchsorted(unseen, members)
        np.testing.assert_allclose(chosen.energy, energy[places], atol=1e-8)
        np.testing.assert_allclose(chosen.forces, forces[block.force_rows(places)], atol=1e-8)
        np.testing.assert_allclose(chosen.stress, stress[block.stress_rows(places)], atol=1e-8)


def test_a_reduced_factor_is_the_factor_of_the_rest(make_design):
    design = make_design()
    problem = LinearProblem(design, prior_power=2.0)
    block, rest = design.select(np.arange(5)), design.select(np.arange(5, 12))
    found = problem.factorise(WEIGHTS, ALPHA).reduced(block)
    rows, targets = found.rows(rest)
    np.testing.assert_allclose(found.normal, rows.T @ rows + ALPHA * np.eye(9), atol=1e-9)
    np.testing.assert_allclose(found.vector, np.linalg.solve(found.normal, rows.T @ targets), atol=1e-8)
    assert found.n_rows == len(targets)
    assert found.weighted_squares == pytest.approx(targets @ targets)


def test_a_group_that_cannot_be_taken_out_within_precision_is_left_out_by_a_refit(make_design, monkeypatch):
    design = make_design(per_group=2, functions=30)
    problem = LinearProblem(design, prior_power=2.0)
    exact = problem.leave_out(WEIGHTS, ALPHA, design.groups)

    def beyond_precision(factor, block):
        raise DataError("not positive definite")

    monkeypatch.setattr(Factor, "without", beyond_precision)
    found = problem.leave_out(WEIGHTS, ALPHA, design.groups)
    for kind in ("energy", "forces", "stress"):
        np.testing.assert_allclose(getattr(found, kind), getattr(exact, kind), atol=1e-8)


def test_leave_out_differs_from_the_training_residuals_and_gathers_interleaved_labels(make_design):
    design = make_design()
    problem = LinearProblem(design, prior_power=2.0)
    found = problem.leave_out(WEIGHTS, ALPHA, design.families)
    members = [s for s, family in enumerate(design.families) if family == "strain"]
    energy, forces, _ = brute_force(design, problem, WEIGHTS, ALPHA, np.ones(7, dtype=bool), members)
    np.testing.assert_allclose(found.select(members).energy, energy, atol=1e-8)
    np.testing.assert_allclose(found.select(members).forces, forces, atol=1e-8)
    trained = residuals(design, problem.fit(WEIGHTS, ALPHA))
    assert np.sum(found.forces**2) > np.sum(trained.forces**2)


def test_structures_without_stress_are_fitted_and_their_residual_is_nan(make_design):
    design = make_design()
    held_out = LinearProblem(design, prior_power=2.0).leave_out(WEIGHTS, ALPHA, design.ids)
    missing = np.isnan(held_out.stress.reshape(-1, 6))
    np.testing.assert_array_equal(np.flatnonzero(missing.all(axis=1)), [0, 5])
    assert missing.any(axis=1).sum() == 2
    assert np.isfinite(held_out.energy).all()


def test_functions_without_any_force_get_the_coefficient_zero(make_design):
    design = make_design()
    dead = design.forces.copy()
    dead[:, 2] = 0.0
    problem = LinearProblem(replace(design, forces=dead), prior_power=2.0)
    fit = problem.fit(WEIGHTS, ALPHA)
    assert fit.coefficients[2] == 0.0
    assert np.isfinite(fit.coefficients).all()
    assert np.isfinite(problem.evidence(WEIGHTS).alpha)


def test_unused_functions_have_the_coefficient_zero_and_prediction_follows(make_design):
    design = make_design()
    mask = np.array([True, False, True, True, False, True, True])
    fit = LinearProblem(design, prior_power=2.0).fit(WEIGHTS, ALPHA, mask)
    assert not fit.coefficients[~mask].any()
    predicted = predict(design, fit)
    np.testing.assert_allclose(
        predicted.energy, design.energy[:, mask] @ fit.coefficients[mask] + design.counts @ fit.zeros
    )


def test_leverage_is_the_sensitivity_of_the_prediction_to_its_own_label(make_design):
    design = make_design()
    problem = LinearProblem(design, prior_power=2.0)
    leverage = problem.leverage(WEIGHTS, ALPHA)
    step = 1e-3
    for row in (0, 17, 40):
        labels = design.y_forces.copy()
        labels[row] += step
        moved = LinearProblem(replace(design, y_forces=labels), prior_power=2.0).fit(WEIGHTS, ALPHA)
        slope = design.forces[row] @ (moved.coefficients - problem.fit(WEIGHTS, ALPHA).coefficients) / step
        assert leverage.forces[row] == pytest.approx(slope, rel=1e-6)
    parts = leverage.energy.sum() + leverage.forces.sum() + np.nansum(leverage.stress)
    assert leverage.structure.sum() == pytest.approx(parts, rel=1e-12)
    assert np.isnan(leverage.stress).sum() == 12


def test_effective_parameters_are_trace_of_the_projection(make_design):
    design = make_design()
    problem = LinearProblem(design, prior_power=2.0)
    found = problem.evidence(WEIGHTS)
    assert found.converged
    assert problem.leverage(WEIGHTS, found.alpha).structure.sum() == pytest.approx(found.effective_parameters, rel=1e-6)


@pytest.mark.parametrize("generating_alpha", [1e-2, 1.0, 30.0])
def test_evidence_recovers_the_prior_that_made_the_data(make_design, generating_alpha):
    functions, noise = 80, 0.1
    design = make_design(structures=60, functions=functions, noise=0.0)
    problem = LinearProblem(design, prior_power=1.0)
    rng = np.random.default_rng(5)
    law = problem.scale[:functions] * rng.normal(size=functions) * noise / np.sqrt(generating_alpha)
    labelled = replace(
        design,
        y_energy=design.energy @ law
        + design.counts @ [-3.0, -5.0]
        + noise / 20 * rng.normal(size=len(design.ids)) * design.n_atoms,
        y_forces=design.forces @ law + noise * rng.normal(size=len(design.y_forces)),
        y_stress=design.stress @ law + noise / 50 * rng.normal(size=len(design.y_stress)) + 0 * design.y_stress,
    )
    found = LinearProblem(labelled, prior_power=1.0).evidence(WEIGHTS)
    assert found.converged
    assert generating_alpha / 2 < found.alpha < generating_alpha * 2
    assert found.noise == pytest.approx(noise, rel=0.1)


def test_labels_that_are_not_numbers_are_refused_by_name(make_design):
    design = make_design()
    forces = design.y_forces.copy()
    forces[3 * design.offsets[4]] = np.nan
    with pytest.raises(DataError, match="structure s4"):
        LinearProblem(replace(design, y_forces=forces), prior_power=2.0)


def test_a_mask_of_the_wrong_length_is_refused(make_design):
    problem = LinearProblem(make_design(), prior_power=2.0)
    with pytest.raises(DataError, match="length 7"):
        problem.fit(WEIGHTS, ALPHA, np.ones(6, dtype=bool))
    with pytest.raises(DataError, match="at least one"):
        problem.fit(WEIGHTS, ALPHA, np.zeros(7, dtype=bool))


@pytest.mark.parametrize("functions", [7, 40], ids=["fewer unknowns than rows", "more"])
@pytest.mark.parametrize("weights", [WEIGHTS, Weights(400.0, 1.0, 0.0)], ids=["all", "no stress"])
def test_leverages_of_labels_by_the_fit_without_them(make_design, functions, weights):
    """Against the covariance of the other structures' rows, written out and inverted."""
    design = uneven(make_design(functions=functions))
    problem = LinearProblem(design, prior_power=2.0)
    mask = np.arange(functions) != 3
    factor = problem.factorise(weights, ALPHA, mask)
    for held_out in ([1], [4, 5]):
        rest = design.select(np.setdiff1d(np.arange(len(design.ids)), held_out))
        rows = stacked(rest, problem, weights, ALPHA, mask)[0]
        covariance = np.linalg.inv(rows.T @ rows)
        block = design.select(np.array(held_out))
        found = factor.outside(block)
        centred = block.energy - block.counts @ problem.centring.functions
        present = np.isfinite(block.y_stress)
        zeros = np.zeros((len(block.stress), 2))
        expected = {
            "energy": np.hstack([centred[:, mask], block.counts]) / block.n_atoms[:, None],
            "force": np.hstack([block.forces[:, mask], np.zeros((len(block.forces), 2))]),
            "stress": np.hstack([block.stress[:, mask], zeros])[present],
        }
        assert present.sum() == 6 if held_out == [4, 5] else present.all()
        for kind, own in expected.items():
            np.testing.assert_allclose(found[kind], np.einsum("rp,pq,rq->r", own, covariance, own), rtol=1e-6)


def test_centring_of_equal_compositions_stays_small():
    """Molecules of one formula: what a species explains is not decided by the data, and must not be by rounding."""
    rng = np.random.default_rng(0)
    counts = np.tile([5.0, 8.0, 2.0], (150, 1))
    rows, energies = rng.normal(size=(150, 4)) + 3.0, 100.0 + rng.normal(size=150)
    centring = Centring.of(counts, rows, energies)
    assert np.abs(centring.functions).max() < 10
    np.testing.assert_allclose(centring.rows(counts, rows).mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(centring.targets(counts, energies).mean(), 0.0, atol=1e-12)


def test_a_family_without_weights_is_refused(make_design):
    with pytest.raises(DataError, match="families strain"):
        make_design().emphasised({"thermal": (1.0, 1.0, 1.0)})


def test_evidence_stays_where_the_normal_matrix_can_be_factorised(make_design):
    """Noiseless labels with huge weights, and columns that are copies: only rounding bounds α from below."""
    design = make_design(noise=0.0)
    design = replace(
        design,
        **{name: np.tile(getattr(design, name), 6) for name in ("energy", "forces", "stress", "degree", "order")},
    )
    weights = Weights(1e8, 1e8, 1e8)
    problem = LinearProblem(design, prior_power=2.0)
    found = problem.evidence(weights)
    spectrum = np.linalg.eigvalsh(problem.factorise(weights, 1.0).normal)
    assert found.alpha >= np.finfo(np.float64).eps * spectrum.max()
    assert np.isfinite(problem.leave_out(weights, found.alpha, design.groups).energy).all()


def test_centring_follows_the_structures_that_weigh_most(make_design):
    """Energies of the heavy structures are near 0 after centring, wherever the light ones lie."""
    design = make_design(functions=3)
    far = np.array([name == "strain" for name in design.families])
    energy = design.counts @ [-3.0, -5.0] + 50.0 * far * design.n_atoms
    centring = Centring.of(design.counts, design.energy, energy, np.where(far, 1e-6, 1.0))
    assert np.abs(centring.targets(design.counts, energy)[~far]).max() < 1e-3
