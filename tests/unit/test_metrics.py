"""Errors against numbers worked out by hand."""

import numpy as np
import pytest

from pesforge.errors import DataError
from pesforge.metrics import (
    Residuals,
    bootstrap_intervals,
    by_family,
    errors,
    paired_changes,
    standard_errors,
    typical_errors,
    typical_standard_errors,
)


def example() -> Residuals:
    stress = np.full(12, np.nan)
    stress[:6] = [0.01, -0.01, 0.01, -0.01, 0.01, 0.01]
    return Residuals(
        energy=np.array([0.003, -0.004]),
        forces=np.array([0.1, 0.0, 0.0, 0.2, 0.0, 0.0, -0.2, 0.0, 0.0]),
        stress=stress,
        n_atoms=np.array([1, 2]),
    )


def test_errors_have_the_stated_units_and_leave_out_missing_stress():
    found = errors(example())
    assert found == {
        "energy_rmse_mev_per_atom": pytest.approx(np.sqrt(12.5)),
        "energy_mae_mev_per_atom": pytest.approx(3.5),
        "force_rmse_ev_per_ang": pytest.approx(0.1),
        "force_mae_ev_per_ang": pytest.approx(0.5 / 9),
        "stress_rmse_gpa": pytest.approx(1.6021766),
        "stress_mae_gpa": pytest.approx(1.6021766),
    }


def test_no_stress_at_all_gives_none():
    found = errors(example().select([1]))
    assert found["stress_rmse_gpa"] is None
    assert found["stress_mae_gpa"] is None
    assert found["force_rmse_ev_per_ang"] == pytest.approx(np.sqrt(0.08 / 6))


def test_the_standard_error_of_a_mean_over_equal_groups_is_the_textbook_one():
    rng = np.random.default_rng(0)
    energy = rng.normal(size=40)
    residuals = Residuals(energy, np.zeros(120), np.full(240, np.nan), np.ones(40, dtype=np.int64))
    found = standard_errors(residuals, [f"g{index}" for index in range(40)])
    expected = 1e3 * np.abs(energy).std(ddof=1) / np.sqrt(40)
    assert found["energy_mae_se_mev_per_atom"] == pytest.approx(expected)
    assert found["stress_rmse_se_gpa"] is None


def test_copies_within_a_group_do_not_lower_the_standard_error():
    rng = np.random.default_rng(0)
    energy = np.repeat(rng.normal(size=10), 5)
    residuals = Residuals(energy, np.zeros(150), np.full(300, np.nan), np.ones(50, dtype=np.int64))
    grouped = standard_errors(residuals, [index // 5 for index in range(50)])
    single = standard_errors(residuals, list(range(50)))
    assert grouped["energy_rmse_se_mev_per_atom"] > 2 * single["energy_rmse_se_mev_per_atom"]


def test_families_are_reported_apart():
    rows = by_family(example(), ["a", "b"])
    assert [(row["family"], row["n_structures"]) for row in rows] == [("a", 1), ("b", 1)]
    assert rows[0]["energy_rmse_mev_per_atom"] == pytest.approx(3.0)


def test_lengths_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="2 structures"):
        Residuals(np.zeros(2), np.zeros(8), np.zeros(12), np.array([1, 2]))


def test_bootstrap_intervals_hold_the_mean_as_often_as_they_say() -> None:
    """Over many samples of a known distribution the interval of the MAE covers its true value about 9 times in 10."""
    rng, covered = np.random.default_rng(0), []
    for seed in range(150):
        energy = rng.normal(size=60) * 1e-3
        sample = Residuals(energy, np.zeros(180), np.full(360, np.nan), np.ones(60, dtype=np.int64))
        found = bootstrap_intervals(sample, share=0.9, seed=seed, draws=300)
        low, high = found["energy_mae_mev_per_atom"]
        covered.append(low <= np.sqrt(2 / np.pi) <= high)
    assert 0.82 < np.mean(covered) < 0.96
    assert found["force_mae_ev_per_ang"] == [0.0, 0.0]
    assert found["stress_mae_gpa"] is None


def test_paired_changes_are_differences_and_their_error_is_that_of_the_difference():
    rng = np.random.default_rng(0)
    energy, rise = rng.normal(size=400), 0.1 * rng.normal(size=400) + 0.2
    stress = np.full(2400, np.nan)
    before = Residuals(energy, np.zeros(1200), stress, np.ones(400, dtype=np.int64))
    after = Residuals(energy + np.sign(energy) * rise, np.zeros(1200), stress, before.n_atoms)
    groups = [f"g{index}" for index in range(400)]
    found = paired_changes(before, after, groups)
    start, end = (errors(residuals)["energy_rmse_mev_per_atom"] for residuals in (before, after))
    assert found["energy_rmse_change_mev_per_atom"] == pytest.approx(end - start)
    linear = 0.5 * (1e6 * after.energy**2 / end - 1e6 * before.energy**2 / start)
    assert found["energy_rmse_change_se_mev_per_atom"] == pytest.approx(linear.std(ddof=1) / 20, rel=0.02)
    assert found["energy_rmse_factor"] == pytest.approx(end / start)
    relative = 0.5 * (1e6 * after.energy**2 / end**2 - 1e6 * before.energy**2 / start**2)
    assert found["energy_rmse_factor_se"] == pytest.approx(end / start * relative.std(ddof=1) / 20, rel=0.02)
    alone = standard_errors(before, groups)["energy_rmse_se_mev_per_atom"]
    assert 3 * found["energy_rmse_change_se_mev_per_atom"] < alone
    assert found["force_rmse_change_ev_per_ang"] == 0
    assert found["force_rmse_factor"] is None
    assert found["stress_rmse_change_gpa"] is None
    assert found["stress_rmse_factor_se"] is None
    assert paired_changes(before, after, ["g"] * 400)["energy_rmse_factor_se"] is None


def test_typical_errors_are_geometric_means_over_families():
    """Families with errors of 1 and 100 and one that is zero by symmetry: the mean of the two is 10."""
    found = Residuals(
        energy=np.array([1e-3, -1e-3, 0.1, 0.1, 0.0]),
        forces=np.concatenate([np.full(6, 1.0), np.full(6, 100.0), np.zeros(3)]),
        stress=np.full(30, np.nan),
        n_atoms=np.ones(5, dtype=np.int64),
    )
    families, groups = ["a", "a", "b", "b", "c"], [0, 1, 2, 3, 4]
    typical = typical_errors(found, families)
    assert typical["energy_typical_mev_per_atom"] == pytest.approx(10.0)
    assert typical["force_typical_ev_per_ang"] == pytest.approx(10.0)
    assert typical["stress_typical_gpa"] is None
    assert typical_standard_errors(found, families, groups)["force_typical_se_ev_per_ang"] is None


def test_standard_error_of_typical_errors_agrees_with_drawing_data_anew():
    """Two families of normal errors: the spread of the geometric mean over many draws of 40 groups each."""
    rng = np.random.default_rng(0)
    count, families = 40, ["a"] * 40 + ["b"] * 40

    def draw():
        energy = np.concatenate([rng.normal(0, 1e-3, count), rng.normal(0, 0.1, count)])
        return Residuals(energy, np.zeros(6 * count), np.full(12 * count, np.nan), np.ones(2 * count, dtype=np.int64))

    draws = [draw() for _ in range(300)]
    spread = np.std([typical_errors(found, families)["energy_typical_mev_per_atom"] for found in draws])
    told = [
        typical_standard_errors(found, families, range(2 * count))["energy_typical_se_mev_per_atom"]
        for found in draws[:30]
    ]
    assert np.mean(told) == pytest.approx(spread, rel=0.15)
