"""The section on structures that a driver made: there with them, absent without."""

import copy
import re

import pytest

from pesforge.errors import DataError
from pesforge.report import render

RDF = {"r_ang": [0.5, 1.5, 2.5], "g": [0.0, 2.0, 1.0]}
DYNAMICS = {
    "family": "md",
    "group": "md-300K",
    "temperature_k": 300.0,
    "temperature_observed_k": 288.1,
    "atoms": 8,
    "steps": 3000,
    "timestep_fs": 2.0,
    "tau_fs": 65.36,
    "spacing_fs": 140.0,
    "requested": 5,
    "given": 3,
    "stopped": "force of 33.7 eV/Å, at most 30 is believed",
    "note": None,
    "rdf": RDF,
}
LIQUID = {
    **DYNAMICS,
    "family": "liquid",
    "group": "liquid-2000K",
    "stopped": None,
    "note": "not molten in 5 ps",
    "moved_bonds": 0.731,
    "diffusion_ang2_per_ps": 0.6406,
}
RELAXED = {
    **dict.fromkeys(("temperature_k", "temperature_observed_k", "tau_fs", "spacing_fs", "stopped", "note", "rdf")),
    "family": "relaxed",
    "group": "vacancy-00",
    "atoms": 7,
    "steps": 18,
    "requested": 2,
    "given": 2,
    "end_fmax_ev_per_ang": 0.01541,
}
DRIVE = {
    "driver": {"kind": "potential", "functions": 100, "leverage_factor": 4.0},
    "draft": {
        "labels": 46,
        "groups": 36,
        "functions": 31,
        "cv_method": "every group left out, exact",
        "dropped": [{"id": "x", "filter": "too_short", "reason": "near"}],
        "warnings": ["<odd>"],
        "energy_mae_mev_per_atom": 11.82,
        "energy_rmse_mev_per_atom": 19.72,
        "force_rmse_ev_per_ang": 0.3573,
    },
    "requested": {"md": 5, "liquid": 5, "relaxed": 2},
    "families": {"md": 3, "liquid": 3, "vacancy": 2},
    "runs": [DYNAMICS, LIQUID, RELAXED],
}


@pytest.fixture
def evidence(make_evidence):
    return make_evidence(0.012)


def test_a_study_without_a_driver_has_no_such_section(evidence):
    page = render(evidence)
    assert 'id="drive"' not in page
    assert "#driven" not in page
    assert "Pair distribution by phase" not in page


def test_runs_drafts_and_stops_can_be_read(evidence):
    page = render({**evidence, "drive": DRIVE})
    section = page[page.index('<section aria-labelledby="drive">') :]
    section = section[: section.index("</section>")]
    for text in (
        "31 functions on 46 labels",
        "19.7 meV/atom RMSE, 11.8 meV/atom MAE",
        "0.357 eV/Å RMSE",
        "exceeds 4 times",
        "1 labels were dropped before the fit",
        "&lt;odd&gt;",
        "8 of 12 structures given; the guard stopped 1 of 3 runs",
        "force of 33.7 eV/Å, at most 30 is believed",
        "not molten in 5 ps",
        "0.731",
        "0.6406",
        "65.36",
        "0.01541",
    ):
        assert text in section, text
    assert len(re.findall("<svg", section)) == 1
    assert "crystal, 1 run" in section
    assert "liquid, 1 run" in section
    assert "glass" not in section
    assert '<a href="#drive">' in page


def test_families_count_what_the_driver_added(evidence):
    sampled = dict(evidence["sample"]["families"])
    page = render({**evidence, "drive": DRIVE})
    rows = dict(re.findall(r'<tr><th scope="row">(\w+)</th><td class="n">(\d+)</td>', page[page.index("Families") :]))
    for family, count in DRIVE["families"].items():
        assert int(rows[family]) == sampled.get(family, 0) + count


def test_coarse_dft_as_driver_and_relaxations_alone_need_no_figure(evidence):
    page = render({**evidence, "drive": {**DRIVE, "draft": None, "runs": [RELAXED]}})
    assert "The reference method at coarse settings moved the atoms" in page
    assert "Pair distribution by phase" not in page


def test_a_missing_key_is_named(evidence):
    broken = copy.deepcopy(DRIVE)
    del broken["runs"][1]["tau_fs"]
    with pytest.raises(DataError, match=r"`drive.runs\[1\].tau_fs` is missing"):
        render({**evidence, "drive": broken})
