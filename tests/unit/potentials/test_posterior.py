"""The posterior of a linear fit against the covariance written out."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from pesforge.errors import DataError
from pesforge.potentials.normal import Centring, Factor, Weights
from pesforge.potentials.posterior import CHUNK_ROWS, TENSORS, Posterior, posterior_of


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
    posterior = Posterior(np.random.default_rng(1).normal(size=(4, 3)), 0.5, 0.25)
    posterior.save(tmp_path)
    again = Posterior.load(tmp_path)
    np.testing.assert_allclose(again.whitening, posterior.whitening, rtol=1e-7)
    assert (again.scale, again.force_scale, again.stress_scale) == (0.5, 0.25, None)
    with pytest.raises(DataError, match="finite"):
        Posterior(np.full((2, 2), np.nan), 1.0)


def test_deviations_of_forces_and_stress_are_those_of_the_covariance():
    rng = np.random.default_rng(3)
    posterior = Posterior(rng.normal(size=(6, 6)), 0.5, 0.25, 0.125)
    covariance = (posterior.whitening @ posterior.whitening.T)[:5, :5]
    forces, stress = rng.normal(size=(3 * CHUNK_ROWS // 2, 5)), rng.normal(size=(6, 5))
    found_forces, found_stress = posterior.deviations(forces, stress)
    expected = 0.25 * np.sqrt(np.einsum("rp,pq,rq->r", forces, covariance, forces)).reshape(-1, 3)
    np.testing.assert_allclose(found_forces, expected, rtol=1e-9)
    np.testing.assert_allclose(found_stress, 0.125 * np.sqrt(np.diag(stress @ covariance @ stress.T)), rtol=1e-9)
    assert posterior.deviations(forces, np.full((6, 5), np.nan))[1] is None
    assert Posterior(posterior.whitening, 0.5, 0.25).deviations(forces, stress)[1] is None


def test_a_posterior_of_before_has_energies_and_says_that_it_knows_no_forces(tmp_path):
    whitening = np.random.default_rng(2).normal(size=(4, 4)).astype(np.float32)
    save_file({"whitening": whitening, "scale": np.array([0.5])}, tmp_path / TENSORS)
    posterior = Posterior.load(tmp_path)
    assert posterior.of(np.ones((2, 4))).energy_sigma_ev > 0
    with pytest.raises(DataError, match="without the scale of its force errors"):
        posterior.deviations(np.ones((6, 3)), np.ones((6, 3)))
