"""The section on the locality study: there with one, absent without, with the cutoff marked and every number shown."""

import copy
import re

import pytest

from pesforge.errors import DataError
from pesforge.report import render

ERRORS = {"energy_rmse_mev_per_atom": 1.5, "force_rmse_ev_per_ang": 0.0213, "stress_rmse_gpa": 0.1}
ERRORS |= {"energy_mae_mev_per_atom": 1.0, "force_mae_ev_per_ang": 0.01, "stress_mae_gpa": 0.05}


def evidence():
    point = {"n_functions": 260, "alpha": 1e-4, "force_factor_se": 0.037, "by_family": [], **ERRORS}
    sides = ("dft", "potential", "difference")

    def sizes(unit, *values):
        return {f"{side}_{unit}": value for side, value in zip(sides, values, strict=True)}

    return {
        "errors": {
            **{"rule": "Every group left out.", "cutoff_ang": 5.2, "lowest_ang": 6.0, "suffices_ang": 5.2},
            **{"enough": True, "sentence": "The cutoff 5.2 Å of the study has 1.02 times the lowest force error."},
            "rows": [
                {
                    "cutoff_ang": cutoff,
                    "force_factor": factor,
                    "force_rmse_se_ev_per_ang": 0.002,
                    "missed_ev_per_ang": 0.0345,
                    **point,
                }
                for cutoff, factor in ((4.0, 1.83), (5.2, 1.02), (6.0, 1.0))
            ],
        },
        "response": {
            **{"supercell": [2, 2, 2], "n_atoms": 64, "whole_to_ang": 5.4, "farthest_ang": 9.4, "temperature_k": 300.0},
            "disagreement_ev_per_ang2": 0.0213,
            "shells": [
                {
                    "pair": "Si-Si",
                    "distance_ang": distance,
                    "images": 1,
                    "neighbours": 4.0,
                    **sizes("ev_per_ang2", *three),
                }
                for distance, three in ((2.36, (7.1, 7.0, 0.1)), (6.0, (0.0123, 0.0, 0.0123)))
            ],
            "beyond": [
                {"distance_ang": 0.0, **sizes("ev_per_ang", 0.8, 0.8, 0.01)},
                {"distance_ang": 2.36, **sizes("ev_per_ang", 0.0077, 0.0, 0.0077)},
                {"distance_ang": 6.0, **sizes("ev_per_ang", None, None, None)},
            ],
            "at_cutoff": [
                {"radius": "r_c", "distance_ang": 5.2, **sizes("ev_per_ang", 0.0077, 0.0031, 0.0046)},
                {"radius": "2 r_c", "distance_ang": 10.4, **sizes("ev_per_ang", None, None, None)},
            ],
        },
    }


def text_of(page: str) -> str:
    section = page[page.index('<section aria-labelledby="locality">') :]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", section[: section.index("</section>")]))


def test_a_study_without_it_says_nothing_of_locality(make_evidence):
    page = render(make_evidence(0.02))
    assert 'id="locality"' not in page
    assert "fig-locality" not in page


def test_the_section_shows_errors_response_and_judgement(make_evidence):
    page = render(make_evidence(0.02) | {"locality": evidence()})
    assert page.count('<h2 id="locality">') == 1
    assert 'href="#locality"' in page
    assert 'id="fig-locality-errors"' in page
    assert 'id="fig-locality-response"' in page
    text = text_of(page)
    for told in (
        "has 1.02 times the lowest force error",
        "1.830 ± 0.037",
        "0.0213 0.1 0.0345",
        "Displacements of 300 K in this cell cause force components of 0.8 eV/Å by DFT, of which the potential misses "
        "0.01; its force error left out is 0.021 eV/Å. Atoms beyond r_c cause 0.0077 eV/Å by DFT and 0.0031 by the "
        "potential, 0.0046 apart",
        "those of DFT differ by 0.021 eV/Å² from what it measures in the parent",
        "Si-Si 6 4 1 0.0123 0 0.0123",
        "64 atoms (2 × 2 × 2 parents)",
        "r_c of the study",
        "images of one pair overlap",
    ):
        assert told in text
    assert "larger cells" not in text


def test_a_cell_that_ends_before_the_cutoff_is_told(make_evidence):
    short = evidence()
    short["response"] |= {"farthest_ang": 4.7, "whole_to_ang": 4.7, "disagreement_ev_per_ang2": None}
    short["response"]["at_cutoff"][0] |= dict.fromkeys(
        ("dft_ev_per_ang", "potential_ev_per_ang", "difference_ev_per_ang")
    )
    text = text_of(render(make_evidence(0.02) | {"locality": short}))
    assert "No atoms of the measured cell are farther apart than 4.7 Å" in text
    assert "images of one pair overlap" not in text
    assert "its own noise" not in text


def test_a_potential_that_misses_what_its_errors_do_not_tell_asks_for_larger_cells(make_evidence):
    wrong = evidence()
    wrong["response"]["beyond"][0]["difference_ev_per_ang"] = 0.08
    text = text_of(render(make_evidence(0.02) | {"locality": wrong}))
    assert "misses 0.08; its force error left out is 0.021 eV/Å: labels of larger cells" in text


def test_missing_evidence_is_named(make_evidence):
    broken = copy.deepcopy(evidence())
    del broken["errors"]["rows"][1]["force_factor"]
    with pytest.raises(DataError, match=r"`locality\.errors\.rows\[1\]\.force_factor` is missing"):
        render(make_evidence(0.02) | {"locality": broken})
