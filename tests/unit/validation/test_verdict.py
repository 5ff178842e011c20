"""The verdict: a failed or missing check forbids the uses that rest on it, and no others."""

import math
from dataclasses import replace

import pytest

from pesforge.settings import Tolerances
from pesforge.validation.accuracy import unfit_families
from pesforge.validation.check import absolute, not_applicable
from pesforge.validation.verdict import WORDS, Domain, verdict

DOMAIN = Domain(("Si",), ("thermal", "strain"), 1200.0, 0.03, 2.05, 5.43)
GROUPS = (
    ("force of the labels", "labels"),
    ("rotation: energy", "symmetry"),
    ("force against finite difference", "derivatives"),
    ("energy RMSE", "accuracy"),
    ("force RMSE", "accuracy"),
    ("stress RMSE", "accuracy"),
    ("bulk modulus", "eos"),
    ("C44", "elastic"),
    ("optical phonon", "phonon"),
    ("formation energy", "hull"),
    ("energy drift", "dynamics"),
    ("vacancy of Si", "defect"),
    ("surface (1 0 0)", "surface"),
    ("γ-line (1 1 1)", "fault"),
    ("cohesive energy", "cohesion"),
)
GROUPS_USES = {"defect": "defects", "surface": "surfaces", "fault": "faults", "cohesion": "binding"}
SAMPLED = 5
"""Groups at the end that are told of only where such structures were sampled, or that were not asked for."""


def checks(*failing):
    return [
        absolute(name, group, 7.0 if name in failing else 0.5, tolerance=1.0, unit="eV/Å", meaning="m")
        for name, group in GROUPS
    ]


def allowed(found):
    names = {words: name for name, words in WORDS.items()}
    return {names[item["use"]] for item in found["usable_for"]}


def test_everything_within_tolerance_allows_every_use():
    found = verdict(checks(), use="balanced", domain=DOMAIN, cutoff_ang=2.7)
    assert found["usable"]
    assert allowed(found) == set(WORDS)
    assert (found["passed"], found["failed"], found["not_applicable"], found["failures"]) == (15, 0, 0, [])
    assert "may be used" in found["summary"]


@pytest.mark.parametrize(
    ("failing", "forbidden"),
    [
        ("energy RMSE", {"balanced", "phase_diagram", "stability", "defects", "surfaces", "faults"}),
        ("force RMSE", {"balanced", "relaxation", "vibrations"}),
        ("stress RMSE", {"balanced", "elastic"}),
        ("bulk modulus", {"phase_diagram", "elastic", "binding"}),
        ("C44", {"elastic"}),
        ("optical phonon", {"vibrations"}),
        ("formation energy", {"phase_diagram", "stability"}),
        ("energy drift", {"relaxation"}),
        ("vacancy of Si", {"defects"}),
        ("surface (1 0 0)", {"surfaces"}),
        ("γ-line (1 1 1)", {"faults"}),
        ("cohesive energy", {"binding"}),
        ("force of the labels", set(WORDS)),
        ("rotation: energy", set(WORDS)),
        ("force against finite difference", set(WORDS)),
    ],
)
def test_a_failed_check_forbids_what_rests_on_it(failing, forbidden):
    for use in WORDS:
        found = verdict(checks(failing), use=use, domain=DOMAIN, cutoff_ang=2.7)
        assert allowed(found) == set(WORDS) - forbidden
        assert found["usable"] is (use not in forbidden)
        assert found["failures"] == [failing]
        assert ("must not" in found["summary"]) is (use in forbidden)
        if use in forbidden:
            assert f"{failing}: off by 7 eV/Å, allowed 1 eV/Å" in found["summary"]


@pytest.mark.parametrize("index", range(len(GROUPS) - SAMPLED, len(GROUPS)))
def test_what_was_not_sampled_forbids_nothing_else_and_is_not_told_twice(index):
    name, group = GROUPS[index]
    missing = [check for check in checks() if check.name != name]
    for given in (missing, [*missing, not_applicable(name, group, unit="eV/Å", meaning="m")]):
        found = verdict(given, use="balanced", domain=DOMAIN, cutoff_ang=2.7)
        assert set(WORDS) - allowed(found) == ({GROUPS_USES[group]} if group in GROUPS_USES else set())
        assert "not tested" not in " ".join(item["why"] for item in found["not_usable_for"])


@pytest.mark.parametrize("index", range(len(GROUPS) - SAMPLED))
def test_what_was_not_tested_is_not_allowed(index):
    name, group = GROUPS[index]
    missing = [check for check in checks() if check.name != name]
    without = verdict(missing, use="balanced", domain=DOMAIN, cutoff_ang=2.7)
    assert allowed(without) < set(WORDS)
    assert "not tested" in " ".join(item["why"] for item in without["not_usable_for"])
    inapplicable = [*missing, not_applicable(name, group, unit="eV/Å", meaning="m")]
    found = verdict(inapplicable, use="balanced", domain=DOMAIN, cutoff_ang=2.7)
    assert allowed(found) == allowed(without)
    assert found["not_applicable"] == 1


def test_a_hull_that_was_not_asked_for_forbids_stability_alone_and_is_no_proof():
    without = [check for check in checks() if check.group != "hull"]
    found = verdict(without, use="phase_diagram", domain=DOMAIN, cutoff_ang=2.7)
    assert allowed(found) == set(WORDS) - {"stability"}
    assert "formation energies" not in " ".join(item["why"] for item in found["usable_for"])
    assert "formation energies" in " ".join(
        item["why"] for item in verdict(checks(), use="phase_diagram", domain=DOMAIN, cutoff_ang=2.7)["usable_for"]
    )


def test_an_inapplicable_check_beside_a_passed_one_forbids_nothing():
    beside = [not_applicable("more", group, unit="eV", meaning="m") for group in ("symmetry", "eos", "phonon")]
    found = verdict([*checks(), *beside], use="balanced", domain=DOMAIN, cutoff_ang=2.7)
    assert allowed(found) == set(WORDS)
    assert (found["failed"], found["not_applicable"]) == (0, 3)


def test_unsampled_ground_is_never_usable():
    found = verdict(checks(), use="balanced", domain=DOMAIN, cutoff_ang=2.7)
    text = " ".join(item["use"] for item in found["not_usable_for"])
    for words in ("free surfaces", "liquids", "other than Si", "above 1200 K", "±3.0 %", "below 2.05 Å"):
        assert words in text
    sampled = replace(DOMAIN, families=("thermal", "surface"))
    text = " ".join(
        item["use"] for item in verdict(checks(), use="balanced", domain=sampled, cutoff_ang=2.7)["not_usable_for"]
    )
    assert "free surfaces" not in text


def test_a_family_whose_errors_are_above_the_tolerances_is_named():
    rows = [
        {"family": "thermal", "energy_rmse_mev_per_atom": 1.0, "force_rmse_ev_per_ang": 0.02, "stress_rmse_gpa": 0.1},
        {"family": "dimer", "energy_rmse_mev_per_atom": 308.0, "force_rmse_ev_per_ang": 0.02, "stress_rmse_gpa": None},
    ]
    unfit = unfit_families(rows, Tolerances())
    assert unfit == [
        {"use": "structures like those of the family dimer", "why": "energy error 308 meV/atom, allowed 2"}
    ]
    assert unfit[0] in verdict(checks(), use="balanced", domain=DOMAIN, cutoff_ang=2.7, unfit=unfit)["not_usable_for"]


def test_a_value_that_is_not_finite_is_told_in_words():
    broken = [
        replace(check, deviation=float("nan"), passed=False) if check.group == "hull" else check for check in checks()
    ]
    summary = verdict(broken, use="phase_diagram", domain=DOMAIN, cutoff_ang=2.7)["summary"]
    assert "formation energy: off by no finite value, allowed 1 eV/Å" in summary


def test_an_unknown_use_is_refused():
    with pytest.raises(KeyError):
        verdict(checks(), use="cooking", domain=DOMAIN, cutoff_ang=2.7)


def test_cells_wider_than_any_label_are_not_vouched_for():
    def told(width_ang):
        domain = replace(DOMAIN, width_ang=width_ang)
        found = verdict(checks(), use="balanced", domain=domain, cutoff_ang=5.2)
        return [item["use"] for item in found["not_usable_for"] if "wider" in item["use"]]

    assert told(5.43) == ["forces as accurate as here in cells wider than 5.4 Å"]
    assert told(10.86) == [], "both atoms of every pair that feel each other move apart in some label"
    assert told(math.inf) == [], "nothing is periodic"
