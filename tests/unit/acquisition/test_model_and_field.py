"""The fit with scales of the pool against the house's fit, and the field of energies against Gaussian conditioning."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from pesforge.acquisition.blocks import energy_rows
from pesforge.acquisition.field import EnergyField
from pesforge.acquisition.model import Frame
from pesforge.errors import DataError
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import Weights

WEIGHTS = Weights(energy=400.0, force=1.0, stress=2500.0)


@pytest.mark.parametrize("weights", [WEIGHTS, Weights(400.0, 1.0, 0.0)])
def test_with_all_structures_labelled_the_fit_is_that_of_the_linear_problem(make_design, weights):
    design = make_design()
    problem = LinearProblem(design, prior_power=2.0)
    alpha = problem.evidence(weights).alpha
    found, expected = Frame.of(design, prior_power=2.0).factor(design, weights), problem.factorise(weights, alpha)
    assert found.alpha == pytest.approx(alpha, rel=1e-4)
    assert found.n_rows == expected.n_rows
    assert found.weighted_squares == pytest.approx(expected.weighted_squares, rel=1e-12)
    np.testing.assert_allclose(found.normal, expected.normal, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.fit().coefficients, expected.fit().coefficients, rtol=1e-5)
    np.testing.assert_allclose(found.fit().zeros, expected.fit().zeros, rtol=1e-5)


def test_a_share_of_two_is_a_structure_that_stands_twice(make_design):
    design = make_design()
    frame, some = Frame.of(design, prior_power=2.0), np.arange(1, 8)
    shares = np.ones(7)
    shares[[2, 4]] = 2.0
    weighted = frame.factor(design.select(some), WEIGHTS, alpha=0.1, shares=shares)
    doubled = frame.factor(design.select(np.concatenate([some, [3, 5]])), WEIGHTS, alpha=0.1)
    left, right = (np.append(fit.coefficients, fit.zeros) for fit in (weighted.fit(), doubled.fit()))
    np.testing.assert_allclose(weighted.normal, doubled.normal, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(left[:7], right[:7], rtol=0.05)
    assert np.ptp(weighted.cholesky - doubled.cholesky) == pytest.approx(0.0, abs=1e-9)


def test_the_frame_sees_no_label_and_the_fit_refuses_missing_ones(make_design):
    design = make_design()
    blind = replace(design, y_energy=np.full(12, np.nan), y_forces=np.full_like(design.y_forces, np.nan))
    frame, other = Frame.of(design, prior_power=2.0), Frame.of(blind, prior_power=2.0)
    np.testing.assert_array_equal(frame.scale, other.scale)
    np.testing.assert_array_equal(frame.functions, other.functions)
    with pytest.raises(DataError, match="at least one label"):
        frame.factor(blind, WEIGHTS)
    with pytest.raises(DataError, match="no structure"):
        Frame.of(design.select(np.arange(0)), prior_power=2.0)


def conditioned(prior, known, noise):
    cross = prior[:, known]
    return prior - cross @ np.linalg.solve(prior[np.ix_(known, known)] + noise * np.eye(len(known)), cross.T)


def test_the_field_is_the_conditional_gaussian_of_model_and_misfit(make_design):
    design = make_design(structures=20)
    factor = Frame.of(design, prior_power=2.0).factor(design.select(np.arange(2)), WEIGHTS, alpha=0.1)
    candidates, labelled, reference = (design.select(np.arange(*ends)) for ends in ((2, 12), (0, 2), (12, 20)))
    field = EnergyField.of(
        factor, candidates, labelled, reference, misfit_share=0.3, misfit_length=0.5, noise_share=0.01
    )
    order = np.concatenate([np.arange(2, 12), np.arange(2), np.arange(12, 20)])
    rows = energy_rows(factor, design)[order]
    rows = rows - rows.mean(axis=0)
    means = (design.energy / design.n_atoms[:, None])[order]
    distance = cdist(means / means.std(axis=0), means / means.std(axis=0))
    prior = rows @ rows.T / np.mean(np.sum(rows**2, axis=1))
    prior = prior + 0.3 * np.exp(-distance / (0.5 * np.median(distance)))
    target = np.arange(12, 20)
    before = conditioned(prior, np.array([10, 11]), 0.01)
    np.testing.assert_allclose(field.covariance, before, atol=1e-10)
    gains = field.gains(np.arange(10))
    for structure in range(10):
        after = conditioned(prior, np.array([10, 11, structure]), 0.01)
        expected = np.mean(np.diag(before)[target] - np.diag(after)[target])
        assert gains[structure] == pytest.approx(expected, rel=1e-8)
    np.testing.assert_allclose(field.after(4).covariance, conditioned(prior, np.array([10, 11, 4]), 0.01), atol=1e-10)


def test_without_a_reference_candidates_and_labelled_count(make_design):
    design = make_design()
    factor = Frame.of(design, prior_power=2.0).factor(design.select(np.arange(2)), WEIGHTS, alpha=0.1)
    field = EnergyField.of(factor, design.select(np.arange(2, 12)), design.select(np.arange(2)))
    np.testing.assert_array_equal(field.reference, np.arange(12))


def test_a_field_of_equal_structures_or_with_odd_numbers_is_refused(make_design):
    design = make_design()
    factor = Frame.of(design, prior_power=2.0).factor(design.select(np.arange(2)), WEIGHTS, alpha=0.1)
    same = design.select(np.zeros(4, dtype=np.int64))
    with pytest.raises(DataError, match="same descriptors"):
        EnergyField.of(factor, same, design.select(np.zeros(1, dtype=np.int64)))
    with pytest.raises(DataError, match="must be above 0"):
        EnergyField.of(factor, design, same, misfit_length=0.0)
