"""The section on rounds of active learning: there with them, absent without, its words from the numbers."""

import copy
import re

import pytest

from pesforge.errors import DataError
from pesforge.report import render
from pesforge.report.learn import message

RUN = {
    "group": "learned-0-300K",
    "temperature_k": 300.0,
    "temperature_observed_k": 291.7,
    "steps": 4100,
    "tau_fs": 61.3,
    "requested": 7,
    "given": 5,
    "stopped": "leverage of 0.81, at most 0.7 is believed",
    "note": None,
}


def figures(labels: int, energy: float, force: float) -> dict[str, float | int | None]:
    return {
        "labels": labels,
        "functions": 31,
        "alpha": 1e-3,
        "energy_mae_mev_per_atom": energy,
        "energy_rmse_mev_per_atom": 1.3 * energy,
        "force_rmse_ev_per_ang": force,
        "stress_rmse_gpa": 0.3,
        "energy_calibration_error_percent": None,
        "energy_standardised_largest": 2.17,
        "force_calibration_error_percent": 7.77,
        "force_standardised_largest": 3.913,
    }


def exam(number: int, found, misses: list[str], missing: tuple[str, ...] = ()):
    return {"round": number, "figures": found, "missing": list(missing), "misses": misses}


def point(number: int, active, *random):
    seconds = {"active_seconds": 17.5 * number, "random_seconds": [18.5 * number] * len(random)}
    return {"round": number, "active": active, "random": list(random), **seconds}


LEARN = {
    "rule": "i_optimal_misfit",
    "diverse": False,
    "cost": "labels",
    "most_rounds": 3,
    "per_round": 2,
    "controls": 2,
    "stopped": True,
    "why": "after 1 of 3 rounds every tolerance is met",
    "tolerances": {
        "energy_mae_mev_per_atom": 2.0,
        "force_rmse_ev_per_ang": 0.05,
        "calibration_error_percent": 10.0,
        "standardised_residual": 6.0,
    },
    "exam": {"requested": 12, "labelled": 11, "missing": [], "runs": [{"round": 0, **RUN, "group": "exam-300K"}]},
    "exams": [
        exam(
            0, figures(15, 5.0, 0.2), ["exam without exam-900K, which the guard stopped", "energy MAE 5 meV/atom, at …"]
        ),
        exam(1, figures(17, 1.0, 0.04), []),
    ],
    "curve": [
        point(0, figures(15, 4.0, 0.2), figures(15, 4.0, 0.2), figures(15, 4.0, 0.2)),
        point(1, figures(17, 1.0, 0.04), figures(17, 2.0, 0.05), figures(17, 8.0, 0.05)),
    ],
    "rounds": [
        {
            "round": 0,
            "candidates": 63,
            "labelled": 2,
            "picks": [
                {"id": "learned-0-900K-003", "gain": 0.1234, "score": 0.1234},
                {"id": "learned-0-300K-001", "gain": 0.0567, "score": 0.0567},
            ],
            "control": [["learned-0-300K-001", "learned-0-600K-002"], ["learned-0-300K-001", "learned-0-300K-002"]],
            "draft": {"functions": 29, "energy_mae_mev_per_atom": 5.11, "force_rmse_ev_per_ang": 0.213},
            "runs": [RUN],
        }
    ],
}


def text_of(page: str) -> str:
    section = page[page.index('<section aria-labelledby="learn">') :]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", section[: section.index("</section>")]))


def test_a_study_without_rounds_says_nothing_of_them(make_evidence):
    page = render(make_evidence(0.02))
    assert 'id="learn"' not in page
    assert "#learn" not in page


def test_the_section_shows_exams_picks_and_runs(make_evidence):
    page = render(make_evidence(0.02) | {"learn": LEARN})
    assert page.count('<h2 id="learn">') == 1
    assert 'href="#learn"' in page
    assert 'id="fig-learn"' in page
    text = text_of(page)
    for told in ("11 of 12 structures", "leverage of 0.81", "0.1234"):
        assert told in text
    assert re.search(r"exam, energy MAE 1 17 .* none", text)
    assert re.search(r"0 chosen labels 15 .* 1 chosen labels 17 17.5 1 .* 1 random labels, draw 2 17 18.5 8 ", text)
    assert re.search(r"learned-0-300K-001 0 2 0.0567 0.0567 2", text)
    assert re.search(r"learned-0-900K-003 0 1 0.1234 0.1234 0", text)
    assert "learned" in page[page.index('<h2 id="data">') : page.index('<h2 id="learn">')]


def test_the_sentence_compares_with_the_mean_and_range_of_the_draws_and_is_silent_without_a_control():
    assert message(LEARN) == (
        "After 1 of 3 rounds every tolerance is met. Errors over those of as many random labels (mean and range of 2 "
        "draws): energy 0.25 (0.125–0.5), force 0.8 (0.8–0.8)"
    )
    one, alone = copy.deepcopy(LEARN), copy.deepcopy(LEARN)
    for row in one["curve"]:
        row["random"] = row["random"][:1]
    assert message(one).endswith("of as many random labels: energy 0.5, force 0.8")
    for row in alone["curve"]:
        row["random"], row["random_seconds"] = [], []
    assert message(alone) == "After 1 of 3 rounds every tolerance is met"


def test_a_study_that_stopped_at_once_without_control_has_a_page(make_evidence):
    curve = [{**LEARN["curve"][1], "round": 0, "random": [], "random_seconds": []}]
    early = {**LEARN, "exams": [exam(0, figures(17, 1.0, 0.04), [])], "curve": curve, "rounds": [], "controls": 0}
    text = text_of(render(make_evidence(0.02) | {"learn": early}))
    assert "Structures that were chosen" not in text
    assert "random labels" not in text
    assert "The control" not in text


def test_a_study_whose_exam_has_no_label_says_what_the_guard_stopped(make_evidence):
    missing = ("exam-300K", "exam-900K")
    none = {**LEARN["exam"], "labelled": 0, "missing": list(missing)}
    rows = [exam(number, None, ["exam without exam-300K, exam-900K, which …"], missing) for number in range(2)]
    page = render(make_evidence(0.02) | {"learn": {**LEARN, "exam": none, "exams": rows, "curve": []}})
    assert 'id="fig-learn"' not in page
    assert "no draft held out the runs exam-300K, exam-900K" in text_of(page)


def test_a_key_that_is_missing_is_named(make_evidence):
    broken = copy.deepcopy(LEARN)
    del broken["curve"][0]["active"]["labels"]
    with pytest.raises(DataError, match=r"learn.curve\[0\].active.labels"):
        render(make_evidence(0.02) | {"learn": broken})
