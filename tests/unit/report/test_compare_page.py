"""Two sides on one page: what differs, ratios, properties beside their reference, and figures with both."""

import copy

import pytest

from pesforge.report.compare import SHAPE, cost, facts, headline, properties, ratio, render_comparison, settings


def one(name, evidence, factor=1.0):
    return {
        "name": name,
        "model": {
            "kind": "ace-linear",
            "metadata": {
                "errors": {
                    "energy_rmse_mev_per_atom": 2.0 * factor,
                    "force_rmse_ev_per_ang": 0.04 / factor,
                    "stress_rmse_gpa": None,
                },
                "held_out": f"how {name} was",
                "method": {"functions": 100},
            },
            "sha256": {"weights.safetensors": name * 4},
        },
        "settings": {"dft.cutoff_ev": 200.0 * factor, "seed": 1},
        "evidence": {stage: evidence[stage] for stage in SHAPE} if evidence else {},
    }


@pytest.fixture(scope="module")
def sides(make_evidence):
    other = copy.deepcopy(make_evidence(0.0512))
    other["cost"]["dft_seconds"] *= 2
    return [one("first", make_evidence(0.022)), one("second<b>", other, 1.5)]


def test_what_differs_is_told_and_what_does_not_is_not(sides):
    assert [row["quantity"] for row in settings(sides)] == ["dft.cutoff_ev"]
    found = {row["quantity"]: row["same"] for row in facts(sides)}
    assert found["file weights.safetensors"] is False
    assert found["functions"] is True
    assert found["settings of the reference"] is True


def test_ratios_are_of_the_second_over_the_first(sides):
    rows = {row["quantity"]: row for row in cost(sides)}
    assert rows["DFT"]["ratio"] == pytest.approx(2.0)
    assert ratio(4.0, 1.0) == 0.25
    assert ratio(0.0, 1.0) is ratio(None, 1.0) is ratio(1.0, None) is None


def test_properties_stand_beside_the_reference_of_each(sides):
    found = {row["name"]: row for row in properties(sides)}
    checks = {check["name"]: check for check in sides[1]["evidence"]["validate"]["checks"]}
    assert found["C11"]["value_second"] == checks["C11"]["value"]
    assert found["C11"]["reference_second"] == checks["C11"]["reference"]
    assert "force RMSE" not in found


def test_the_headline_names_the_lower_errors(sides):
    told = headline(["a", "b"], sides, None)
    assert told.startswith("a has the lower error of energy; b has the lower error of force")
    assert headline(["a", "b"], [sides[0], sides[0]], None) == "No error tells the two apart"


def test_the_page_of_studies_is_whole_and_safe(sides):
    page = render_comparison(sides, None)
    assert page == render_comparison(sides, None)
    assert "<b>" not in page.replace("<figcaption><b>", "")
    assert "✘ Not usable" in page
    assert "✔ Usable" in page
    assert 'id="fig-eos"' in page
    assert 'id="same"' not in page


def test_the_page_of_potentials_shows_one_against_the_other():
    judged = {
        "file": "test.extxyz",
        "n_structures": 2,
        "families": ["a", "b"],
        "errors": [{"energy_rmse_mev_per_atom": 1.0}, {"energy_rmse_mev_per_atom": 3.0}],
        "by_family": [[{"family": "a", "energy_rmse_mev_per_atom": 1.0}], [{"family": "b"}]],
        "energy_ev_per_atom": [[-5.0, -4.0], [-5.1, -4.2]],
        "force_ev_per_ang": [[0.1] * 6, [0.2] * 6],
    }
    page = render_comparison([one("x", None), one("y", None)], judged)
    assert 'id="fig-parity"' in page
    assert "x has the lower error of energy — on the 2 structures of test.extxyz" in page
    assert 'id="cost"' not in page
