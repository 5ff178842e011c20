"""The posterior of a linear fit against the covariance written out."""

import numpy as np
import pytest

from pesforge.errors import DataError
from pesforge.potentials.normal import Centring, Factor, Weights
from pesforge.potentials.posterior import Posterior, posterior_of


def factor_of(rows: np.ndarray, scale: np.ndarray, alpha: float, centring: Centring) -> Factor:
    normal = rows.T @ rows + alpha * np.eye(rows.shape[1])
    return Factor(
        weights=Weights(1.0, 0.0, 0.0),
        alpha=alpha,
        columns=np.ones(rows.shape[1] - 1, dtype=bool),
        scale=scale,
        centring=centring,
        normal=normal,
        right=np.zeros(rows.shape[1]),
        cholesky=np.linalg.cholesky(normal),
        vector=np.zeros(rows.shape[1]),
        n_rows=len(rows),
        weighted_squares=0.0,
    )


def test_leverage_and_scale_are_those_of_the_covariance():
    rng = np.random.default_rng(0)
    rows, scale = rng.normal(size=(400, 5)), rng.uniform(0.5, 2.0, 5)
    factor = factor_of(rows, scale, 0.1, Centring(np.zeros(1), np.zeros((1, 4))))
    covariance = np.diag(scale) @ np.linalg.inv(factor.normal) @ np.diag(scale)
    own = np.einsum("sp,pq,sq->s", rows, np.linalg.inv(factor.normal), rows)
    noise = 0.03
    left_out = noise * rng.normal(size=400) * np.sqrt(own / (1 - own))
    found = posterior_of(factor, rows, left_out)
    np.testing.assert_allclose(found.whitening @ found.whitening.T, covariance, rtol=1e-9)
    assert found.scale == pytest.approx(noise, rel=0.1)
    new = rng.normal(size=(7, 5))
    np.testing.assert_allclose(found.leverage(new), np.einsum("rp,pq,rq->r", new, covariance, new), rtol=1e-9)
    expected = found.scale * np.sqrt(new.sum(axis=0) @ covariance @ new.sum(axis=0))
    assert found.of(new).energy_sigma_ev == pytest.approx(expected, rel=1e-9)


def test_leverages_do_not_depend_on_the_centring_of_the_rows():
    rng = np.random.default_rng(2)
    rows, scale, means = rng.normal(size=(400, 5)), np.full(5, 1.0), rng.normal(size=(1, 4))
    rows[:, 4] = 1.0
    centred = rows.copy()
    centred[:, :4] -= means
    new = np.concatenate([rng.normal(size=(7, 4)), np.ones((7, 1))], axis=1)
    found = [
        posterior_of(factor_of(used, scale, 1e-9, Centring(np.zeros(1), centre)), used, np.ones(400)).leverage(new)
        for used, centre in ((rows, np.zeros((1, 4))), (centred, means))
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


def test_what_is_saved_is_loaded(tmp_path):
    posterior = Posterior(np.random.default_rng(1).normal(size=(4, 3)), 0.5)
    posterior.save(tmp_path)
    again = Posterior.load(tmp_path)
    np.testing.assert_allclose(again.whitening, posterior.whitening, rtol=1e-7)
    assert again.scale == 0.5
    with pytest.raises(DataError, match="finite"):
        Posterior(np.full((2, 2), np.nan), 1.0)
