"""Calibrated laws against laws that are known, and the planted faults that they must find."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from pesforge.errors import DataError
from pesforge.uncertainty.calibration import calibrate
from pesforge.uncertainty.crossfit import judge
from pesforge.uncertainty.law import Law
from pesforge.uncertainty.merit import CURVE, STATED, Scored
from pesforge.uncertainty.noise import NoiseShape, by_kind
from pesforge.uncertainty.variance import Labels


def drawn(law: Law, structures: int = 400, per: int = 6, seed: int = 0, widen: float = 1.0) -> Labels:
    """Errors drawn from a law at spreads over four decades and noise shapes over one."""
    rng = np.random.default_rng(seed)
    spread, noise = 10 ** rng.uniform(-4, 0, structures * per), 10 ** rng.uniform(-0.5, 0.5, structures * per)
    size = structures * per
    draws = rng.normal(size=size) if np.isinf(law.dof) else rng.standard_t(law.dof, size)
    labels = Labels(np.zeros(size), spread, noise, np.repeat(np.arange(structures), per))
    return replace(labels, error=widen * law.width(labels) * draws)


@pytest.mark.parametrize("true", [Law(0.02, 0.3), Law(0.05, 0.1, 4.0)])
def test_a_known_law_is_recovered(true: Law) -> None:
    found = calibrate(drawn(true, 2000), bend=False)
    assert found.noise == pytest.approx(true.noise, rel=0.1)
    assert found.scale == pytest.approx(true.scale, rel=0.1)
    assert found.dof > 30 if np.isinf(true.dof) else found.dof == pytest.approx(true.dof, rel=0.2)


def test_noise_and_knowledge_are_told_apart() -> None:
    """Where one part is absent, the other explains the errors; and the two variances add up."""
    noise_only, spread_only = (calibrate(drawn(law, 2000)) for law in (Law(0.02, 0.0), Law(0.0, 0.3)))
    labels = drawn(Law(0.02, 0.3))
    assert noise_only.epistemic(labels).max() < 0.2 * noise_only.aleatoric(labels).min()
    assert spread_only.noise < 2e-3
    both = calibrate(labels)
    assert both.aleatoric(labels) ** 2 + both.epistemic(labels) ** 2 == pytest.approx(both.deviation(labels) ** 2)


@pytest.mark.parametrize("factor", [5.0, 0.2])
def test_a_deviation_that_is_wrong_by_five_is_caught_and_mended(factor: float) -> None:
    claimed = Law(0.02, 0.3)
    labels = drawn(claimed, widen=factor, seed=1)
    groups = [index // 2 for index in range(400)]
    found = judge({"force": labels}, {"force": claimed}, groups, seed=0)["force"]
    assert found.before.calibration_error > 0.25
    assert found.after.calibration_error < 0.02
    assert found.before.figures(1.0)["standardised_std"] == pytest.approx(factor, rel=0.1)
    assert found.after.figures(1.0)["standardised_std"] == pytest.approx(1.0, abs=0.1)
    assert found.after.coverage(STATED) == pytest.approx(STATED, abs=0.02)
    right = judge({"force": drawn(claimed, seed=1)}, {"force": claimed}, groups, seed=0)["force"]
    assert right.before.calibration_error < 0.02


def test_tails_that_a_gaussian_misses_are_mended_by_the_dof_and_by_the_quantiles() -> None:
    labels = drawn(Law(0.05, 0.1, 2.5), 800, seed=2)
    groups = list(range(800))
    judged = {
        name: judge({"force": labels}, {"force": Law(0.1, 0.1)}, groups, seed=0, **how)["force"].after
        for name, how in (
            ("gaussian", {"heavy_tails": False, "bend": False}),
            ("student", {"bend": False}),
            ("bent", {"heavy_tails": False}),
        )
    }
    assert judged["gaussian"].calibration_error > 3 * judged["student"].calibration_error
    assert judged["gaussian"].coverage((0.5,))[0] > 0.6
    for name in ("student", "bent"):
        assert judged[name].coverage((0.5, 0.8, 0.95)) == pytest.approx((0.5, 0.8, 0.95), abs=0.02)
    better = judged["student"].figures(1.0), judged["gaussian"].figures(1.0)
    assert better[0]["log_likelihood"] > better[1]["log_likelihood"]


def test_a_law_that_is_no_t_at_all_is_bent_into_shape() -> None:
    """Uniform errors: no Student's t has such quantiles."""
    labels = drawn(Law(0.02, 0.3), 800)
    uniform = np.random.default_rng(3).uniform(-1, 1, len(labels.error))
    labels = replace(labels, error=Law(0.02, 0.3).width(labels) * uniform)
    groups = list(range(800))
    plain, bent = (
        judge({"force": labels}, {"force": Law(1, 1)}, groups, seed=0, bend=way)["force"].after for way in (False, True)
    )
    assert plain.calibration_error > 0.04
    assert bent.calibration_error < 0.01


def test_levels_and_half_widths_are_inverse() -> None:
    labels = drawn(Law(0.02, 0.3, 3.0))
    law = calibrate(labels)
    assert law.knots
    for level in (0.03, 0.5, 0.91, 0.999):
        edge = replace(labels, error=law.half_width(labels, level))
        assert law.level(edge) == pytest.approx(np.full(len(edge.error), level))
    quantiles = [law.quantile(level) for level in np.linspace(0.01, 0.999, 400)]
    assert (np.diff(quantiles) > 0).all()


@pytest.mark.parametrize("dof", [np.inf, 3.7])
def test_scores_are_the_integrals_that_define_them(dof: float) -> None:
    law = Law(0.3, 0.0, dof)
    labels = Labels(np.array([0.5]), np.array([1.0]), np.array([1.0]), np.array([0]))
    cumulated = scipy.stats.norm(scale=0.3).cdf if np.isinf(dof) else scipy.stats.t(dof, scale=0.3).cdf
    below = scipy.integrate.quad(lambda x: cumulated(x) ** 2, -200, 0.5, limit=500, points=[-2, 0])[0]
    above = scipy.integrate.quad(lambda x: (1 - cumulated(x)) ** 2, 0.5, 200, limit=500, points=[1, 2])[0]
    assert law.crps(labels)[0] == pytest.approx(below + above, rel=1e-6)
    density = (cumulated(0.5 + 1e-5) - cumulated(0.5 - 1e-5)) / 2e-5
    assert law.log_likelihood(labels)[0] == pytest.approx(np.log(density), rel=1e-6)


def test_coverage_and_calibration_error_of_levels_that_are_known() -> None:
    labels = Labels(np.array([0.1, 0.2, 0.9, 5.0]), np.zeros(4), np.ones(4), np.arange(4))
    scored = Scored.of(labels, Law(1.0, 0.0))
    assert scored.coverage((0.5, 0.68, 0.99)) == [0.5, 0.75, 0.75]
    expected = np.mean([abs(np.mean(scipy.stats.norm.ppf((1 + p) / 2) > labels.error) - p) for p in CURVE])
    assert scored.calibration_error == pytest.approx(expected)


def test_a_calibration_never_sees_the_group_that_it_is_judged_on() -> None:
    """One group has errors a hundred times too large: its own law does not know of them."""
    labels = drawn(Law(0.02, 0.3), 40)
    groups = ["odd" if index < 8 else index for index in range(40)]
    odd = labels.owner < 8
    labels = replace(labels, error=np.where(odd, 100.0 * labels.error, labels.error))
    after = judge({"force": labels}, {"force": Law(0.02, 0.3)}, groups, seed=0)["force"].after
    own = np.isin(after.owner, np.arange(8))
    assert np.median(after.level[own]) > 0.99
    assert 0.2 < np.median(after.level[~own]) < 0.8


def test_noise_that_depends_on_the_surroundings_is_learned() -> None:
    """Force noise that grows tenfold with a feature: its law comes back, and intervals hold for calm atoms too."""
    rng = np.random.default_rng(4)
    n_atoms, features = np.full(300, 6), rng.normal(size=(1800, 3))
    true = np.exp(1.5 * np.clip(features[:, 0], -3, 3))
    errors = 0.05 * np.sqrt(true)[:, None] * rng.normal(size=(1800, 3))
    learned = NoiseShape.learned(features, errors).of(features)
    assert np.corrcoef(np.log(learned), np.log(true))[0, 1] > 0.99
    owner = np.repeat(np.arange(300), 18)
    plain = Labels.of(errors.ravel(), np.full(5400, 1e-6), owner)

    def shaped(seen: np.ndarray) -> dict[str, Labels]:
        taught = np.isin(np.repeat(np.arange(300), 6), seen)
        shape = NoiseShape.learned(features[taught], errors[taught])
        noise = by_kind(shape.of(features), n_atoms)
        assert noise["energy"] == pytest.approx(noise["force"].reshape(300, 18).mean(axis=1))
        return {"force": Labels.of(errors.ravel(), np.full(5400, 1e-6), owner, noise["force"])}

    flat, steep = (
        judge({"force": plain}, {"force": Law(0.05, 0.0)}, range(300), seed=0, shaped=way)["force"].after
        for way in (None, shaped)
    )
    places = np.argsort(flat.owner, kind="stable"), np.argsort(steep.owner, kind="stable")
    calm = np.repeat(features[:, 0] < -1, 3)
    assert np.mean(flat.level[places[0]][calm] < 0.8) > 0.95
    assert np.mean(steep.level[places[1]][calm] < 0.8) == pytest.approx(0.8, abs=0.04)
    assert steep.log_likelihood.mean() > flat.log_likelihood.mean() + 0.1
    with pytest.raises(DataError, match="no force errors"):
        NoiseShape.learned(features, np.zeros((1800, 3)))


def test_what_cannot_be_calibrated_says_so() -> None:
    labels = drawn(Law(0.02, 0.3))
    with pytest.raises(DataError, match="cannot be calibrated"):
        calibrate(labels.select(np.array([0])))
    with pytest.raises(DataError, match="cannot be calibrated"):
        calibrate(replace(labels, error=np.zeros(len(labels.error))))
    with pytest.raises(DataError, match="no law of errors"):
        Law(0.1, 0.1, 1.5)
    with pytest.raises(DataError, match="no kind of label"):
        judge({"force": labels.select(np.array([0]))}, {"force": Law(1, 1)}, range(400), seed=0)
    with pytest.raises(DataError, match="variances finite"):
        replace(labels, spread=-labels.spread)
