"""How long a stationary series remembers its past: the integrated autocorrelation time."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

WINDOW = 5.0
"""The sum ends at the first lag above this multiple of its own value (Sokal advises 4 to 6 and 10 for slow tails)."""
TRUSTED = 50.0
"""A series of at least so many autocorrelation times measures them to some 40 %: the error is about
√(2 (2 M + 1)/n) of the value, with M the window and n the length, both in steps (Sokal)."""


def autocorrelation(series: ArrayLike) -> NDArray[np.float64]:
    """Normalised autocorrelation ρ(t) of a series (n,) for t = 0 … n − 1, by Fourier transforms.

    Args:
        series: at least one value; a constant series has ρ = 1 at t = 0 and 0 elsewhere.
    """
    values = np.asarray(series, dtype=float)
    values = values - values.mean()
    size = 1 << (2 * len(values) - 1).bit_length()
    spectrum = np.fft.rfft(values, size)
    found = np.fft.irfft(spectrum * np.conj(spectrum), size)[: len(values)]
    if not found[0] > 0:
        return np.eye(1, len(values))[0]
    return np.asarray(found / found[0])


def autocorrelation_time(series: ArrayLike) -> float:
    """Integrated autocorrelation time τ = 1/2 + Σ ρ(t) in steps of a stationary series; at least 1/2.

    The sum ends at the smallest lag M ≥ 5 τ(M): beyond it ρ is noise. n values are worth n/(2τ) independent ones, and
    two values 2τ apart or more count as independent. An oscillating series can have τ below 1/2; it counts as 1/2.

    Args:
        series: (n,) values at equal steps.

    Source: A. Sokal, Monte Carlo Methods in Statistical Mechanics, in: Functional Integration, NATO ASI B 361, 131
    (1997), section 3.
    """
    running = np.cumsum(autocorrelation(series)) - 0.5
    lags = np.arange(len(running))
    beyond = lags >= WINDOW * running
    beyond[0] = False
    end = int(np.argmax(beyond)) if beyond.any() else len(running) - 1
    return max(float(running[end]), 0.5)
