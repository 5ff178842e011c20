"""The part of the report on two levels: its numbers, and messages that follow from them."""

import re
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pesforge.errors import DataError
from pesforge.fidelity.compare import compare
from pesforge.fidelity_settings import Fidelity
from pesforge.report import render
from pesforge.report.fidelity import cost_message, curves_message, map_message, ratio_rows
from pesforge.settings import Crossvalidate

SETTINGS = Fidelity(budgets=(4, 8), seeds=2, lambdas=(0.0, 1.0), trusts=(0.0, 1.0), low_trusts=(0.0,))


@pytest.fixture(scope="module")
def shared() -> dict[str, Any]:
    return {}


@pytest.fixture
def evidence(make_design, shared) -> dict[str, Any]:
    """What two levels of synthetic labels give."""
    if not shared:
        law = np.linspace(1.0, 0.1, 7)
        high = make_design(structures=40, coefficients=law)
        low = replace(high, y_forces=high.y_forces + 0.1, y_energy=high.y_energy + 0.3 * high.n_atoms)
        times = {"high": np.full(40, 10.0), "low": np.full(40, 2.0)}
        model = Crossvalidate(alphas=(1e-4, 1e-2))
        found = compare(high, low, measured=times, estimated=times, settings=SETTINGS, model=model, seed=1)
        level = {"engine": "gpaw", "cutoff_ev": 200.0}
        levels = {
            "high": {"settings": level, "hash": "dft-1"},
            "low": {"settings": level | {"cutoff_ev": 150.0}, "hash": "dft-2"},
        }
        shared.update(found | {"levels": levels, "failed": []})
    return deepcopy(shared)


def test_a_study_of_one_level_says_nothing_of_two(make_evidence):
    page = render(make_evidence(0.02))
    assert 'id="fidelity"' not in page
    assert "#fidelity" not in page


def test_the_page_shows_figures_and_numbers(make_evidence, evidence):
    page = render(make_evidence(0.02) | {"fidelity": evidence})
    assert page.count('<h2 id="fidelity">') == 1
    for name in ("fidelity-cost", "fidelity-map", "fidelity-curves"):
        assert f'id="fig-{name}"' in page
    assert cost_message(evidence) in page
    assert "A low label costs 0.2 of a high one" in page
    rows = ratio_rows(evidence)
    assert rows
    assert rows[-1]["force"] in page
    assert re.search(r"cutoff_ev</th>\s*<td class=\"n\">200</td><td class=\"n\">150", page)


def test_the_message_follows_the_ratios(evidence):
    row = {"budget": 8, "kind": "force", "method": "delta", "ratio": 0.7, "ratio_se": 0.05, "outcome": "gain"}
    row["low_only_ratio"] = 0.6
    none = row | {"kind": "energy", "ratio": 0.55, "ratio_se": 0.4, "outcome": "none", "low_only_ratio": None}
    loss = row | {"kind": "stress", "ratio": 1.4, "outcome": "loss"}
    said = cost_message(evidence | {"verdict": [row, none, loss]})
    assert "clearly better than one in 1 of 3 comparisons and worse in 1" in said
    assert "force at the cost of 8 high labels, 0.700 ± 0.050 times the error" in said
    assert said.endswith("the low level alone has the lower error in 2 of 2")
    said = cost_message(evidence | {"verdict": [none, loss]})
    assert "in none of 2 comparisons and worse in 1" in said
    assert "energy at the cost of 8" in said
    assert cost_message(evidence | {"verdict": []}) == "No budget allowed a comparison at equal cost"


def test_the_messages_of_the_blend_follow_the_map_and_the_curves(evidence):
    for row in evidence["map"]:
        row["chosen"] = (row["lam"], row["trust"]) == (1.0, 1.0)
    assert "λ = 1 and α = 1 on average" in map_message(evidence)
    for number, row in enumerate(evidence["curve"]):
        row |= {"energy_mse": 4.0 - number, "energy_bias_squared": 1.5, "force_mse": None, "stress_mse": None}
    assert curves_message(evidence) == "By the formulas the error is lowest at: energy λ = 1 (50 % of it bias)"


def test_a_page_without_pairs_leaves_out_the_blend(make_evidence, evidence):
    few = evidence | {"analysis": None, "map": None, "curve": None}
    page = render(make_evidence(0.02) | {"fidelity": few})
    assert 'id="fig-fidelity-cost"' in page
    assert 'id="fig-fidelity-map"' not in page


def test_a_missing_key_is_named(make_evidence, evidence):
    del evidence["prices"]["used"]
    with pytest.raises(DataError, match=r"fidelity.prices.used"):
        render(make_evidence(0.02) | {"fidelity": evidence})
