"""The autocorrelation time against processes whose own is known."""

import numpy as np
import pytest
from scipy.signal import lfilter

from pesforge.sampling.autocorrelation import TRUSTED, autocorrelation, autocorrelation_time


def autoregressive(memory, length, seed):
    """x(t) = φ x(t − 1) + ξ, stationary from the start: ρ(t) = φ^t, τ = (1 + φ) / (2 (1 − φ))."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=length)
    noise[0] /= np.sqrt(1 - memory**2)
    return lfilter([1.0], [1.0, -memory], noise)


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9, 0.98])
def test_the_time_of_a_process_of_first_order(memory):
    tau = (1 + memory) / (1 - memory) / 2
    length = 200_000
    found = autocorrelation_time(autoregressive(memory, length, 1))
    window = 5 * tau
    error = tau * np.sqrt(2 * (2 * window + 1) / length)
    assert abs(found - tau) < 4 * error + 0.01 * tau


def test_the_shortest_trusted_series_is_right_within_a_factor_of_two():
    tau = 1.9 / 0.1 / 2
    found = [autocorrelation_time(autoregressive(0.9, int(TRUSTED * tau), seed)) for seed in range(200)]
    assert np.mean((tau / 2 < np.array(found)) & (np.array(found) < 2 * tau)) > 0.8
    assert 0.8 < np.mean(found) / tau < 1.05
    assert np.std(found) / tau == pytest.approx(np.sqrt(2 * (2 * 5 + 1 / tau) / TRUSTED), rel=0.4)


def test_the_autocorrelation_is_the_sum_of_products():
    series = autoregressive(0.7, 50, 3)
    centred = series - series.mean()
    by_hand = [float(centred[: 50 - lag] @ centred[lag:]) for lag in range(50)]
    np.testing.assert_allclose(autocorrelation(series), np.array(by_hand) / by_hand[0], atol=1e-12)


def test_constant_and_alternating_series_count_every_step():
    assert autocorrelation_time(np.ones(100)) == 0.5
    assert autocorrelation_time(np.resize([1.0, -1.0], 1000)) == 0.5
    assert autocorrelation_time([1.0]) == 0.5
