"""Stored laws of errors: what is written is read, intervals are those of the law, and parts add up."""

from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from pesforge.errors import DataError
from pesforge.uncertainty.calibrated import CALIBRATION, Calibrated
from pesforge.uncertainty.law import Law
from pesforge.uncertainty.noise import NoiseShape
from pesforge.uncertainty.predicted import Predicted, Uncertainty
from pesforge.uncertainty.variance import Labels


def test_what_is_stored_is_read(tmp_path: Path) -> None:
    laws = {"energy": Law(0.1, 2.0, 4.0, (1.0, 2.0), (1.5, 3.5)), "force": Law(0.0, 1.0)}
    noise = NoiseShape(np.array([0.5]), np.array([2.0]), np.array([0.1, 0.2, 0.3]))
    known = Calibrated("dropout", laws, noise, 0.2, 20, 7)
    known.save(tmp_path)
    again = Calibrated.load(tmp_path)
    assert again.laws == laws
    assert (again.source, again.dropout, again.draws, again.seed) == ("dropout", 0.2, 20, 7)
    assert again.noise is not None
    features = np.linspace(-2, 2, 5)[:, None]
    np.testing.assert_array_equal(again.noise.of(features), noise.of(features))
    (tmp_path / CALIBRATION).write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="JSON"):
        Calibrated.load(tmp_path)


def test_parts_that_do_not_fit_are_refused() -> None:
    for source, laws, rate in (("posterior", {}, 0.0), ("members", {"energy": Law(0, 1)}, 0.1), ("guess", {}, 0.0)):
        with pytest.raises(DataError, match="Fit the potential again"):
            Calibrated(source, laws, dropout=rate, draws=20)  # type: ignore[arg-type]


def test_intervals_and_parts_are_those_of_students_law() -> None:
    """σ² is n² (σ_a² + s² h) ν / (ν - 2), an interval n w t(p), both written out."""
    law, size, spread = Law(0.3, 2.0, 5.0), 8.0, np.array([0.0, 0.25])
    found = Predicted(law, spread, np.ones(2), size)
    width = size * np.sqrt(0.3**2 + 2.0**2 * spread)
    np.testing.assert_allclose(found.sigma, width * np.sqrt(5 / 3))
    np.testing.assert_allclose(found.aleatoric**2 + found.epistemic**2, found.sigma**2)
    np.testing.assert_allclose(found.interval(0.95), width * scipy.stats.t.ppf(0.975, 5.0))
    whole = Uncertainty(Predicted(law, spread[1], np.ones(()), size), forces=found)
    assert whole.interval(0.95).energy_ev == pytest.approx(found.interval(0.95)[1])
    assert whole.interval(0.5).stress_ev_per_ang3 is None
    for level in (0.0, 95.0):
        with pytest.raises(DataError, match="between 0 and 1"):
            whole.interval(level)


def test_intervals_of_planted_errors_hold(tmp_path: Path) -> None:
    """Laws from some errors of heavy tails, stored and read, hold other errors of the same law as often as they say."""
    rng = np.random.default_rng(3)
    spread = rng.uniform(0.1, 4.0, 4000)
    error = np.sqrt(0.2**2 + 0.5**2 * spread) * rng.standard_t(4.0, 4000)
    owner = np.arange(4000)
    few = np.arange(4000) < 2000
    kept = Labels(error[few], spread[few], np.full(2000, 7.0), owner[few])
    known = Calibrated.of_posterior({"energy": kept, "stress": Labels(*np.zeros((3, 0)), np.zeros(0, dtype=int))})
    assert known is not None
    assert set(known.laws) == {"energy"}, "no stress was labelled"
    known.save(tmp_path)
    law = Calibrated.load(tmp_path).laws["energy"]
    rest = Predicted(law, spread[~few], np.ones(2000))
    for level in (0.5, 0.8, 0.95):
        assert np.mean(np.abs(error[~few]) < rest.interval(level)) == pytest.approx(level, abs=0.03)
    assert Calibrated.of_posterior({"energy": Labels(*np.zeros((3, 2)), np.arange(2))}) is None
