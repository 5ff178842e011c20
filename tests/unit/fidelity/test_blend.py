"""Blended labels: limits, left-out predictions against refits, and the formulas against a Monte Carlo."""

from dataclasses import replace

import numpy as np
import pytest

from pesforge.fidelity.blend import N_CLASSES, BlendPoint, Noise, by_kind, class_weights, mixing, moments
from pesforge.fidelity.equations import Equations
from pesforge.fidelity.methods import TwoLevels
from pesforge.fidelity.rows import HIGH, LOW, Scaling
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import Weights

WEIGHTS = Weights(energy=400.0, force=1.0, stress=2500.0)
PRIORS = (1e-8, 1e-6, 1e-4, 1e-2)


def noise_of(low: float, high: float, correlation: float, gap: float) -> Noise:
    """Noise that is alike in all kinds up to their scale."""
    scale = np.array([1 / 400, 1.0, 1 / 2500])
    return Noise(low * scale, high * scale, np.full(3, correlation), gap * scale)


def problem(make_levels, make_rows, n_high, n_low, **levels):
    high, low = make_levels(**levels)
    rows, scaling = make_rows(high, low, n_high, n_low)
    return TwoLevels(rows, np.arange(max(n_high, n_low)), WEIGHTS, PRIORS), high, low, scaling


def test_one_level_is_the_linear_potential_of_the_package(make_levels, make_rows):
    high, low = make_levels()
    some = high.select(np.arange(30))
    rows, scaling = make_rows(high, low, 30, 0, scaling=Scaling.of(some, 0.0))
    fitted = TwoLevels(rows, np.arange(30), WEIGHTS, PRIORS).one_level(HIGH)
    reference = LinearProblem(some, prior_power=0.0)
    own = reference.fit(WEIGHTS, fitted.chosen["prior"]).coefficients
    assert (scaling.scale * fitted.vector)[: len(own)] == pytest.approx(own, rel=1e-7)
    left_out = reference.leave_out(WEIGHTS, fitted.chosen["prior"], some.ids)
    assert fitted.left_out_mse[1] == pytest.approx(np.mean(left_out.forces**2))


def test_no_share_of_the_high_label_is_the_low_level_alone(make_levels, make_rows):
    made, *_ = problem(make_levels, make_rows, 10, 30)
    noise = noise_of(1.0, 1.0, 0.0, 0.5)
    low = made.one_level(LOW)
    solution, _ = made.blend_at(noise, BlendPoint(0.0, 0.0, 0.0, low.chosen["prior"]))
    assert solution.vectors[:, 0] == pytest.approx(low.vector, rel=1e-9, abs=1e-12)


def test_the_whole_high_label_everywhere_is_the_high_level_alone(make_levels, make_rows):
    made, *_ = problem(make_levels, make_rows, 30, 30)
    high = made.one_level(HIGH)
    solution, mse = made.blend_at(noise_of(3.0, 1.0, 0.3, 0.5), BlendPoint(1.0, 0.0, 0.0, high.chosen["prior"]))
    assert solution.vectors[:, 0] == pytest.approx(high.vector, rel=1e-9, abs=1e-12)
    assert mse == pytest.approx(high.left_out_mse)


def test_without_any_high_label_lambda_does_nothing(make_levels, make_rows):
    made, *_ = problem(make_levels, make_rows, 0, 30)
    noise, fits = noise_of(1.0, 1.0, 0.0, 1.0), []
    for lam in (0.0, 0.5, 1.0):
        weights = class_weights(noise, WEIGHTS, BlendPoint(lam, 3.0, 0.0, 1e-4))
        fits.append(made.equations.solve(weights, 1e-4, mixing(lam)).vectors)
    assert np.array_equal(fits[0], fits[1])
    assert np.array_equal(fits[0], fits[2])


def test_the_weights_are_the_published_ones():
    noise = noise_of(4.0, 1.0, 0.0, 9.0)
    found = class_weights(noise, WEIGHTS, BlendPoint(0.5, 2.0, 0.0, 1.0)).reshape(2, 3)
    both = 0.25 * 4.0 + 0.25 * 1.0
    assert found[0] == pytest.approx([400.0, 1.0, 2500.0])
    assert found[1] / found[0] == pytest.approx(np.full(3, (1 / (both + 2.0 * 9.0)) / (1 / 4.0)))
    trusted = class_weights(noise, WEIGHTS, BlendPoint(0.5, 0.0, 5.0, 1.0)).reshape(2, 3)
    assert trusted[1] == pytest.approx([400.0, 1.0, 2500.0])
    assert trusted[0] / trusted[1] == pytest.approx(np.full(3, both / (4.0 + 5.0 * 9.0)))


def test_left_out_predictions_equal_refits(make_levels, make_rows):
    made, *_ = problem(make_levels, make_rows, 12, 30)
    noise, point = noise_of(2.0, 1.0, 0.2, 0.3), BlendPoint(0.6, 0.5, 2.0, 1e-4)
    weights, mix = class_weights(noise, WEIGHTS, point), mixing(point.lam)
    solution = made.equations.solve(weights, point.prior, mix)
    for block, predicted in zip(made.blocks, solution.left_out(made.blocks), strict=True):
        rest = np.setdiff1d(np.arange(len(made.rows.kind)), block)
        again = Equations(
            made.rows.matrix[rest], made.rows.label_class[rest], made.rows.targets[rest], N_CLASSES
        ).solve(weights, point.prior, mix)
        assert predicted == pytest.approx(made.rows.matrix[block] @ again.vectors, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("lam", "trust", "low_trust", "correlation"),
    [(0.0, 0.0, 0.0, 0.0), (0.5, 1.0, 0.0, 0.0), (0.7, 0.3, 4.0, 0.6), (1.0, 0.0, 0.0, 0.9)],
)
def test_bias_and_variance_equal_a_monte_carlo(make_levels, make_rows, lam, trust, low_trust, correlation):
    high, low = make_levels(structures=20, noise=0.0)
    rows, _ = make_rows(high, low, 8, 20)
    rng = np.random.default_rng(3)
    truth = rng.normal(size=rows.matrix.shape[1])
    truth *= 5.0 / np.linalg.norm(rows.matrix * truth, axis=0)
    bias = 0.3 * rng.normal(size=len(rows.kind)) + 0.2
    noise = noise_of(0.5, 0.2, correlation, 0.1)
    # A prior that shrinks the estimate by as much as the bias of the low labels moves it.
    point = BlendPoint(lam, trust, low_trust, 2000.0)
    weights = class_weights(noise, WEIGHTS, point)
    equations = Equations(rows.matrix, rows.label_class, rows.targets, N_CLASSES)
    found = moments(
        equations, point, weights=weights, low_bias=bias, truth=truth, noise=noise, at=rows.matrix, kind=rows.kind
    )
    draws = 4000
    clean = rows.matrix @ truth
    first, second = rng.normal(size=(2, draws, len(clean)))
    low_noise = np.sqrt(noise.low_variance)[rows.kind] * first
    high_noise = np.sqrt(noise.high_variance)[rows.kind] * (correlation * first + np.sqrt(1 - correlation**2) * second)
    blended = np.where(
        rows.paired, (1 - lam) * (clean + bias + low_noise) + lam * (clean + high_noise), clean + bias + low_noise
    )
    root = np.sqrt(weights)[rows.label_class]
    design = rows.matrix * root[:, None]
    normal = design.T @ design + point.prior * np.eye(len(truth))
    estimates = np.linalg.solve(normal, design.T @ (blended * root).T).T @ rows.matrix.T
    off = estimates.mean(axis=0) - clean
    spread = estimates.var(axis=0)
    assert found.variance == pytest.approx(by_kind(spread, rows.kind), rel=0.05)
    # The mean of the draws is itself noisy by a 4000th of the variance.
    assert found.bias_squared == pytest.approx(by_kind(off**2 - spread / draws, rows.kind), rel=0.05)
    direct = by_kind(((estimates - clean) ** 2).mean(axis=0), rows.kind)
    assert found.mse == pytest.approx(direct, rel=0.05)


def test_the_noise_of_both_levels_is_found_again(make_levels, make_rows):
    """A high level of 0.02 eV/Å and a low one of 0.05, independent; their bias is far larger than both."""
    made, *_ = problem(make_levels, make_rows, 40, 40, bias=0.5, noise=0.02, low_noise=0.05)
    noise = made.noise(made.autoregressive(1.0))
    assert noise.low_variance[1] == pytest.approx(0.05**2, rel=0.5)
    assert noise.high_variance[1] < 4 * (0.02**2 + 0.05**2)
    rows = made.rows
    gap = by_kind((rows.targets[:, HIGH] - rows.targets[:, LOW]) ** 2, rows.kind)
    assert noise.gap_squared[1] == pytest.approx(gap[1] - 0.02**2 - 0.05**2, rel=0.1)


def test_a_constant_offset_between_the_levels_is_taken_off(make_levels, make_rows):
    high, low = make_levels(bias=0.0, noise=0.0)
    rows, _ = make_rows(high, low, 10, 30)
    assert rows.targets[rows.paired, HIGH] == pytest.approx(rows.targets[rows.paired, LOW], abs=1e-9)
    moved = replace(low, y_energy=low.y_energy + low.counts @ [3.0, -1.0])
    again, _ = make_rows(high, moved, 10, 30)
    assert again.targets == pytest.approx(rows.targets, abs=1e-9)
