"""The comparison of levels on synthetic data: what it finds, what it costs, and that it repeats itself."""

import json

import numpy as np
import pytest

from pesforge.fidelity.compare import Campaign, compare, differences, draw_seed
from pesforge.fidelity.summary import METHODS
from pesforge.fidelity_settings import Fidelity
from pesforge.settings import Crossvalidate

MODEL = Crossvalidate(prior_power=0.0, alphas=(1e-6, 1e-4, 1e-2))
SETTINGS = Fidelity(budgets=(4, 6, 10), seeds=3, lambdas=(0.0, 0.5, 1.0), trusts=(0.0, 1.0), low_trusts=(0.0, 10.0))


def seconds(high: float, low: float, structures: int = 60) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"high": rng.uniform(0.9, 1.1, structures) * high, "low": rng.uniform(0.9, 1.1, structures) * low}


def evidence_of(high, low, prices: tuple[float, float], settings: Fidelity = SETTINGS) -> dict:
    times = seconds(*prices)
    return compare(high, low, measured=times, estimated=times, settings=settings, model=MODEL, seed=1)


@pytest.fixture(scope="module")
def shared() -> dict:
    return {}


@pytest.fixture
def found(make_levels, shared):
    """Evidence for a low level without bias at a tenth of the cost."""
    if not shared:
        high, low = make_levels(structures=60, bias=0.0, noise=0.05)
        shared["high"], shared["low"] = high, low
        shared["evidence"] = evidence_of(high, low, (10.0, 1.0))
    return shared


def test_two_good_levels_beat_one_at_equal_cost(found):
    rows = {(row["budget"], row["method"]): row for row in found["evidence"]["ratios"]}
    for method in ("blend_low_trust", "delta", "autoregressive"):
        row = rows[4, method]
        assert row["cost_ratio"] == pytest.approx(1.0, abs=0.03)
        # Forces of the high level alone are at the noise of the labels already.
        assert row["energy_ratio"] < 0.6, row
        assert row["seeds"] == 3
    outcomes = {(row["budget"], row["kind"]): row["outcome"] for row in found["evidence"]["verdict"]}
    assert outcomes[4, "energy"] == "gain"
    for row in found["evidence"]["verdict"]:
        alone = rows.get((row["budget"], "low_only"), {}).get(f"{row['kind']}_ratio")
        assert row["low_only_ratio"] == alone
    assert any(row["low_only_ratio"] is not None for row in found["evidence"]["verdict"])


def test_a_useless_level_is_reported_as_such(make_levels):
    """The low level costs half and says nothing: money spent on it is lost."""
    high, low = make_levels(structures=60, bias=30.0, noise=0.02)
    evidence = evidence_of(high, low, (10.0, 5.0))
    row = next(row for row in evidence["verdict"] if (row["budget"], row["kind"]) == (4, "force"))
    assert row["outcome"] != "gain"
    assert row["ratio"] > 1.0


def test_costs_are_the_prices_of_what_was_bought(found):
    evidence = found["evidence"]
    spent = {
        (row["seed"], row["budget"]): row["seconds"] for row in evidence["per_seed"] if row["method"] == "high_only"
    }
    for row in evidence["per_seed"]:
        assert row["seconds"] <= spent[row["seed"], row["budget"]] + 1e-9
        if row["high_share"]:
            next_price = 1.1 if row["n_low"] < 45 else 11.0
            assert row["seconds"] > spent[row["seed"], row["budget"]] - next_price
        if row["method"] == "high_only":
            assert row["n_low"] == 0
        if row["method"] == "low_only":
            assert row["n_high"] == 0
    campaign = Campaign(found["high"], found["low"], *(np.zeros(60),) * 2, np.arange(60))
    everything = [row for row in evidence["per_seed"] if row["budget"] is None and row["method"] == "high_only"]
    for row in everything:
        assert row["n_high"] == len(draw_seed(campaign, SETTINGS, 1, row["seed"]).order)
    two = {(row["seed"], row["method"]): row for row in evidence["per_seed"] if row["budget"] == 6}
    for number in range(3):
        assert two[number, "delta"]["seconds"] == two[number, "blend"]["seconds"]


def test_the_same_seed_gives_the_same_evidence_and_more_seeds_keep_the_first(found):
    high, low = found["high"], found["low"]
    again = evidence_of(high, low, (10.0, 1.0))
    assert json.dumps(again, sort_keys=True) == json.dumps(found["evidence"], sort_keys=True)
    more = evidence_of(high, low, (10.0, 1.0), SETTINGS.model_copy(update={"seeds": 4}))
    assert [row for row in more["per_seed"] if row["seed"] < 3] == again["per_seed"]


def test_no_group_is_on_both_sides(make_levels):
    high, low = make_levels(structures=60, per_group=4)
    campaign = Campaign(high, low, np.ones(60), np.ones(60), np.arange(60) // 4)
    for number in range(5):
        drawn = draw_seed(campaign, SETTINGS, 1, number)
        sides = [{high.groups[i] for i in side} for side in (drawn.order, drawn.test)]
        assert not sides[0] & sides[1]
        assert sorted([*drawn.order, *drawn.test]) == list(range(60))


def test_the_map_and_the_curves_hold_every_choice(found):
    evidence = found["evidence"]
    assert len(evidence["map"]) == 6
    assert sum(row["chosen"] for row in evidence["map"]) == 1
    assert [row["lam"] for row in evidence["curve"]] == [0.0, 0.5, 1.0]
    for row in evidence["curve"]:
        assert row["force_mse"] == pytest.approx(row["force_bias_squared"] + row["force_variance"])
    assert {row["method"] for row in evidence["points"]} == set(METHODS)


def test_a_constant_offset_is_no_difference(make_levels):
    high, low = make_levels(bias=0.0, noise=0.0)
    found = differences(high, low)
    assert max(abs(value) for value in found.values()) < 1e-9


def test_prices_are_medians_or_the_estimates_of_the_engine(make_levels):
    """A machine that was busy with other work while one label of a class was made changes no price."""
    high, low = make_levels(structures=60)
    times, guess = seconds(10.0, 1.0), {"high": np.full(60, 8.0), "low": np.full(60, 2.0)}
    times["high"][7] *= 50
    settings = SETTINGS.model_copy(update={"seeds": 2, "budgets": (10,)})
    for prices, ratio, spent in (("measured", 0.1, 10.0), ("estimated", 0.25, 8.0)):
        chosen = settings.model_copy(update={"prices": prices})
        found = compare(high, low, measured=times, estimated=guess, settings=chosen, model=MODEL, seed=1)
        assert found["prices"]["used"] == prices
        key = "low_over_high" if prices == "measured" else "low_over_high_estimated"
        assert found["prices"][key] == pytest.approx(ratio, rel=0.05)
        row = next(row for row in found["points"] if row["budget"] == 10 and row["method"] == "high_only")
        assert row["seconds"] / row["n_high"] == pytest.approx(spent, rel=0.05)
    assert found["prices"]["high_measured_s"] > 1.5 * found["prices"]["high_medians_s"]
