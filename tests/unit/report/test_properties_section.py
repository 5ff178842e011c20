"""The section of defects, phonons and molecular dynamics: what is there, what is missing, and what failed."""

import copy

import pytest

from pesforge.report.page import pages
from pesforge.report.properties import draw, rows

FIGURES = {"defects", "surfaces", "gamma", "phonons", "drift", "pair-distribution"}


@pytest.fixture
def validate(make_evidence):
    return copy.deepcopy(make_evidence(0.022)["validate"])


def section(validate):
    """The section alone: a whole page takes seconds."""
    figures = {name: name for name in draw(validate)}
    return pages().get_template("properties.html.j2").render(validate=validate, figures=figures, **rows(validate))


def test_every_property_has_a_figure_with_a_message(validate):
    assert set(draw(validate)) == FIGURES
    assert "K|U" in draw(validate)["phonons"]
    found = rows(validate)
    assert found["defects_message"] == "Formation energies differ by at most 0.059 eV on 1 labelled structure"
    assert found["gamma_message"].startswith("γ-lines differ by at most 26 mJ/m²")
    assert "unstable vibration, 0.41i THz" in found["phonons_message"]
    assert found["drift_message"] == "A run failed after 0.217 ps at 1200 K"
    page = section(validate)
    for text in ("force of 231 eV/Å", "4.21 ± 0.73", "DFT leaves 0.41 eV/Å", "left after 500 steps"):
        assert text in page


def test_a_study_without_any_of_it_says_so(validate):
    validate["defects"] = {"rows": [], "lines": [], "relaxed": None}
    validate["spectrum"] = validate["dynamics"] = None
    assert draw(validate) == {}
    assert "Molecular dynamics: not asked for" in section(validate)


def test_a_potential_without_a_minimum_has_nothing_to_relax_or_to_move(validate):
    why = "the potential has no minimum"
    validate["defects"]["relaxed"] = {"rows": [], "lines": [], "why": why}
    validate["dynamics"] = {"energy": [], "why": why}
    assert set(draw(validate)) == FIGURES - {"drift", "pair-distribution"}
    page = section(validate)
    assert f"Nothing was relaxed: {why}." in page
    assert f"No molecular dynamics: {why}." in page


def test_predictions_alone_are_not_called_a_comparison(validate):
    validate["defects"]["rows"] = validate["defects"]["lines"] = []
    found = rows(validate)
    assert all("no judgement" in found[key] for key in ("defects_message", "gamma_message"))
    for row in validate["defects"]["relaxed"]["rows"]:
        row["note"] = "no such structure in the training data"
    assert "not to be relied on" in rows(validate)["defects_message"]
    assert {"defects", "gamma"} < set(draw(validate))
