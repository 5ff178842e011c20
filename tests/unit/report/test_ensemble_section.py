"""The section on an ensemble: there with one, absent without, silent where the linear potential was chosen."""

import copy
import re

import pytest
from report_evidence import uncertainty_evidence

from pesforge.errors import DataError
from pesforge.report import render
from pesforge.uncertainty.members import nothing

ERRORS = {"energy_rmse_mev_per_atom": 1.234, "force_rmse_ev_per_ang": 0.0567, "stress_rmse_gpa": 0.891}


def evidence():
    noise = {f"{key}_{way}": 0.5 for key in ("log_likelihood", "crps", "spearman") for way in ("constant", "head")}
    member = {"part": "2", "member": "4", "n_groups": 37, "n_groups_drawn": 23, "epochs": 155, "best_epoch": 120}
    return {
        **uncertainty_evidence(),
        "source": "variance over 5 heads, each of a bootstrap sample of the groups",
        "note": "2 of the 5 shipped members stayed at the linear potential",
        "noise": [{"kind": "force", **noise, "log_likelihood_head": 0.7531}],
        "members": [{**member, "stop_reason": "patience", **ERRORS}],
        "errors": [{"who": "one member", **ERRORS}, {"who": "mean of 5", **ERRORS, "force_rmse_ev_per_ang": 0.0432}],
    }


def text_of(page: str) -> str:
    section = page[page.index('<section aria-labelledby="ensemble">') :]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", section[: section.index("</section>")]))


def test_a_study_without_an_ensemble_says_nothing_of_it(make_evidence):
    page = render(make_evidence(0.02))
    assert 'id="ensemble"' not in page
    assert "#ensemble" not in page


def test_the_section_shows_coverage_noise_and_members(make_evidence):
    page = render(make_evidence(0.02) | {"ensemble": evidence()})
    assert page.count('<h2 id="ensemble">') == 1
    assert 'href="#ensemble"' in page
    assert 'id="fig-ensemble"' in page
    assert 'id="fig-uncertainty"' in page, "the linear potential keeps its own section"
    text = text_of(page)
    for told in (
        "variance over 5 heads",
        "2 of the 5 shipped members",
        "force (eV/Å) 0.5 0.753",
        "energy, 95 %",
        "mean of 5 1.234 0.0432 0.891",
    ):
        assert told in text
    assert "2 4 23 37 155 120 patience" in text


def test_a_linear_choice_shows_why_there_is_nothing(make_evidence):
    page = render(make_evidence(0.02) | {"ensemble": nothing("The chosen potential, linear 1, is no ensemble.")})
    assert "The chosen potential, linear 1, is no ensemble." in text_of(page)
    assert 'id="fig-ensemble"' not in page


def test_missing_evidence_is_named(make_evidence):
    broken = copy.deepcopy(evidence())
    del broken["errors"][1]["who"]
    with pytest.raises(DataError, match=r"`ensemble\.errors\[1\]\.who` is missing"):
        render(make_evidence(0.02) | {"ensemble": broken})
