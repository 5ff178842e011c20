"""Autoregression finds its law; a cheap level helps where it is right and does no harm where it is wrong."""

import numpy as np
import pytest

from pesforge.fidelity.blend import BlendPoint
from pesforge.fidelity.methods import TooFewGroupsError, TwoLevels
from pesforge.fidelity.rows import HIGH, LOW, LevelRows, Scaling
from pesforge.potentials.normal import Weights

WEIGHTS = Weights(energy=400.0, force=1.0, stress=2500.0)
PRIORS = (1e-8, 1e-6, 1e-4, 1e-2, 1.0)
POINTS = [
    BlendPoint(lam, trust, low_trust, prior)
    for lam in (0.0, 0.5, 1.0)
    for trust in (0.0, 1.0)
    for low_trust in (0.0, 1.0, 1e3, 1e6)
    for prior in PRIORS
]
N_HIGH, N_LOW = 5, 40


@pytest.fixture
def errors(make_levels, make_rows):
    """Force errors of all methods on 60 structures that no fit has seen, mean over seeds."""

    def measure(**levels) -> dict[str, float]:
        found: dict[str, list[float]] = {}
        for seed in range(4):
            high, low = make_levels(structures=100, seed=10 * seed, **levels)
            clean, _ = make_levels(structures=100, seed=10 * seed, **(levels | {"noise": 0.0}))
            test, scaling = clean.select(np.arange(40, 100)), Scaling.of(high, 0.0)
            two = TwoLevels(make_rows(high, low, N_HIGH, N_LOW, scaling)[0], np.arange(N_LOW), WEIGHTS, PRIORS)
            alone = TwoLevels(make_rows(high, low, N_HIGH, 0, scaling)[0], np.arange(N_HIGH), WEIGHTS, PRIORS)
            difference = two.autoregressive(1.0)
            noise = two.noise(difference)
            fits = {
                "high": alone.one_level(HIGH),
                "blend": two.blend(noise, two.blends(noise, POINTS)),
                "delta": difference.fitted,
                "autoregressive": two.autoregressive(None).fitted,
            }
            rows = scaling.rows(test)
            force = rows.kind == 1
            for name, fitted in fits.items():
                error = (rows.matrix @ fitted.vector - rows.targets)[force]
                found.setdefault(name, []).append(float(np.sqrt(np.mean(error**2))))
        return {name: float(np.mean(values)) for name, values in found.items()}

    return measure


def test_a_low_level_without_bias_is_used(errors):
    found = errors(bias=0.0, noise=0.05)
    for method in ("blend", "delta", "autoregressive"):
        assert found[method] < 0.85 * found["high"], (method, found)


def test_a_low_level_of_huge_bias_does_no_harm(errors):
    found = errors(bias=30.0, noise=0.05)
    for method in ("blend", "autoregressive"):
        assert found[method] < 1.1 * found["high"], (method, found)


def test_autoregression_recovers_rho_and_delta(make_levels, make_rows):
    high, low = make_levels(structures=40, bias=0.0, noise=1e-4, rho=0.8)
    rows, _ = make_rows(high, low, 12, 40)
    found = TwoLevels(rows, np.arange(40), WEIGHTS, PRIORS).autoregressive(None)
    assert found.fitted.chosen["rho"] == pytest.approx(0.8, abs=0.02)
    delta = rows.matrix @ found.delta
    force = rows.kind == 1
    assert np.std(delta[force]) < 0.02 * np.std(rows.targets[force & rows.paired, HIGH])
    fixed = TwoLevels(rows, np.arange(40), WEIGHTS, PRIORS).autoregressive(1.0)
    gap = (rows.targets[:, HIGH] - rows.targets[:, LOW])[rows.paired]
    assert (rows.matrix @ fixed.delta)[rows.paired] == pytest.approx(gap, abs=2e-2 * np.abs(gap).max())


def test_rho_leaves_the_smallest_difference(make_levels, make_rows):
    high, low = make_levels(bias=0.4, noise=0.05)
    rows, _ = make_rows(high, low, 15, 40)
    found = TwoLevels(rows, np.arange(40), WEIGHTS, PRIORS).autoregressive(None).fitted.chosen["rho"]
    root = np.sqrt(np.array([400.0, 1.0, 2500.0]))[rows.kind]
    low_rows, high_rows = ((root * rows.targets[:, level])[rows.paired] for level in (LOW, HIGH))
    assert found == pytest.approx(np.linalg.lstsq(low_rows[:, None], high_rows, rcond=None)[0][0], rel=1e-9)


def test_left_out_errors_of_autoregression_equal_refits(make_levels, make_rows):
    """Low level, ρ and δ are all found again without the group, with the priors that were chosen."""
    high, low = make_levels(bias=0.4, noise=0.05, rho=1.3)
    rows, _ = make_rows(high, low, 10, 30)
    found = TwoLevels(rows, np.arange(30), WEIGHTS, PRIORS).autoregressive(None).fitted
    squares = []
    for structure in range(10):
        rest = rows.owner != structure
        kept = LevelRows(rows.matrix[rest], rows.kind[rest], rows.owner[rest], rows.targets[rest], rows.paired[rest])
        again = TwoLevels(kept, np.arange(30), WEIGHTS, (found.chosen["prior_low"],))
        mix = np.zeros((6, 2, 2))
        mix[3:] = np.eye(2)
        weights = np.array([0.0, 0.0, 0.0, 400.0, 1.0, 2500.0])
        both = again.equations.solve(weights, found.chosen["prior_delta"], mix).vectors
        rho = again.autoregressive(None).fitted.chosen["rho"]
        vector = rho * again.one_level(LOW).vector + both[:, HIGH] - rho * both[:, LOW]
        force = ~rest & (rows.kind == 1)
        squares.append((rows.matrix[force] @ vector - rows.targets[force, HIGH]) ** 2)
    assert found.left_out_mse[1] == pytest.approx(np.mean(np.concatenate(squares)), rel=1e-6)


def test_choices_need_two_groups(make_levels, make_rows):
    high, low = make_levels()
    rows, _ = make_rows(high, low, 5, 20)
    made = TwoLevels(rows, np.array([0] * 5 + [1] * 15), WEIGHTS, PRIORS)
    assert made.one_level(LOW).vector.shape == (rows.matrix.shape[1],)
    with pytest.raises(TooFewGroupsError, match="raise the budgets"):
        made.autoregressive(None)
    with pytest.raises(TooFewGroupsError):
        TwoLevels(rows, np.zeros(20, dtype=int), WEIGHTS, PRIORS)
