"""The posterior of a linear fit against the covariance written out."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from pesforge.errors import DataError
from pesforge.potentials.normal import Centring, Factor, Weights
from pesforge.potentials.posterior import CHUNK_ROWS, TENSORS, Posterior, Trained, quantile_scale, whitening_of


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
    assert quantile_scale(noise * rng.normal(size=400) * np.sqrt(own), own) == pytest.approx(noise, rel=0.1)
    found = Posterior(whitening_of(factor), noise)
    np.testing.assert_allclose(found.whitening @ found.whitening.T, covariance, rtol=1e-9)
    new = rng.normal(size=(7, 5))
    np.testing.assert_allclose(found.leverage(new), np.einsum("rp,pq,rq->r", new, covariance, new), rtol=1e-9)


def test_leverages_do_not_depend_on_the_centring_of_the_rows():
    rng = np.random.default_rng(2)
    rows, scale, means = rng.normal(size=(400, 5)), np.full(5, 1.0), rng.normal(size=(1, 4))
    rows[:, 4] = 1.0
    centred = rows.copy()
    centred[:, :4] -= means
    new = np.concatenate([rng.normal(size=(7, 4)), np.ones((7, 1))], axis=1)
    found = [
        Posterior(whitening_of(factor_of(used, scale, 1e-9, Centring(np.zeros(1), centre))), 1.0).leverage(new)
        for used, centre in ((rows, np.zeros((1, 4))), (centred, means))
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


def test_training_atoms_of_two_species_bound_what_is_known():
    rng = np.random.default_rng(5)
    posterior = Posterior(rng.normal(size=(6, 4)), 1.0)
    parts = [np.hstack([rng.normal(size=(n, 4)), np.eye(2)[rng.integers(2, size=n)]]) for n in (3, 5, 7)]
    found = posterior.seen(iter(parts), 2)
    rows = np.concatenate(parts)
    whitened, heavy = rows @ posterior.whitening, rows[:, 5] == 1
    centre = np.array([whitened[~heavy].mean(axis=0), whitened[heavy].mean(axis=0)])
    np.testing.assert_allclose(found.trained.centre, centre)
    assert found.trained.largest_leverage == pytest.approx(np.max(np.sum(whitened**2, axis=1)))
    distances = found.distances(whitened, heavy.astype(int))
    expected = np.linalg.norm(whitened - centre[heavy.astype(int)], axis=1)
    np.testing.assert_allclose(distances, expected / np.sqrt(np.mean(expected**2)))
    assert posterior.distances(whitened, heavy.astype(int)) is None


def test_what_is_saved_is_loaded(tmp_path):
    trained = Trained(0.5, np.full((1, 3), 0.25), 2.0)
    posterior = Posterior(np.random.default_rng(1).normal(size=(4, 3)), 0.5, 0.25, trained=trained)
    posterior.save(tmp_path)
    again = Posterior.load(tmp_path)
    np.testing.assert_allclose(again.whitening, posterior.whitening, rtol=1e-7)
    assert (again.scale, again.force_scale, again.stress_scale) == (0.5, 0.25, None)
    assert (again.trained.largest_leverage, again.trained.distance) == (0.5, 2.0)
    np.testing.assert_array_equal(again.trained.centre, trained.centre)
    with pytest.raises(DataError, match="bound nothing"):
        Trained(np.nan, trained.centre, 2.0)
    with pytest.raises(DataError, match="finite"):
        Posterior(np.full((2, 2), np.nan), 1.0)


def test_leverages_of_forces_are_those_of_the_covariance():
    rng = np.random.default_rng(3)
    posterior = Posterior(rng.normal(size=(6, 6)), 0.5, 0.25, 0.125)
    covariance = (posterior.whitening @ posterior.whitening.T)[:5, :5]
    forces = rng.normal(size=(3 * CHUNK_ROWS // 2, 5))
    expected = np.einsum("rp,pq,rq->r", forces, covariance, forces)
    np.testing.assert_allclose(posterior.slope_leverages(forces), expected, rtol=1e-9)


def test_a_posterior_of_before_is_loaded(tmp_path):
    whitening = np.random.default_rng(2).normal(size=(4, 4)).astype(np.float32)
    save_file({"whitening": whitening, "scale": np.array([0.5])}, tmp_path / TENSORS)
    posterior = Posterior.load(tmp_path)
    assert (posterior.scale, posterior.force_scale, posterior.trained) == (0.5, None, None)
