"""Numbers and words of the report."""

import pytest

from pesforge.report.figures import family_style
from pesforge.report.ledger import message
from pesforge.report.svg import MANY_MARKERS, power_of_ten
from pesforge.report.text import duration, measured, number, plus_minus, quantity, status


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0"),
        (-0.0, "0"),
        (5.47621, "5.476"),
        (-0.0217, "-0.0217"),
        (1e-4, "0.0001"),
        (3.14159e-13, "3.142×10⁻¹³"),
        (1e-8, "1×10⁻⁸"),
        (123456.0, "123456"),
        (2.5e7, "2.5×10⁷"),
        (17, "17"),
        (True, "yes"),
        ([10, 12.5], "10, 12.5"),
        ({"w_energy": 40.0, "other": 1}, "w_E = 40, other = 1"),
        ("text", "text"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_a_dash_has_no_unit():
    assert measured(None, "GPa") == "–"
    assert measured(1.5, "GPa") == "1.5 GPa"
    assert measured(1.5, "") == "1.5"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("force_rmse_ev_per_ang", "force rmse (eV/Å)"),
        ("energy_mev_per_atom", "energy (meV/atom)"),
        ("pair_distance_bins_percent", "pair distance bins (%)"),
        ("settings_hash", "settings hash"),
    ],
)
def test_keys_become_words_with_units(key, text):
    assert quantity(key) == text


@pytest.mark.parametrize(("seconds", "text"), [(None, "–"), (12.34, "12.3 s"), (90.0, "1.5 min"), (7200.0, "2.0 h")])
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_outcomes_have_words():
    assert [status(passed)[1] for passed in (True, False, None)] == ["pass", "fail", "not applicable"]


@pytest.mark.parametrize(("value", "text"), [(0.1, "0.1"), (1000.0, "1000"), (1e-3, "10⁻³"), (2e-4, "2·10⁻⁴")])
def test_ticks_of_logarithmic_axes(value, text):
    assert power_of_ten(value) == text


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.7234, 0.0512, "0.723 ± 0.051"),
        (1.0441, 0.36, "1.04 ± 0.36"),
        (0.93, 0.022, "0.930 ± 0.022"),
        (251.3, 87.21, "251 ± 87"),
        (-0.00041, 0.00031, "-0.00041 ± 0.00031"),
        (3.1e-17, 2.22e-18, "3.1×10⁻¹⁷ ± 2.2×10⁻¹⁸"),
        (0.7234, 1.2e-12, "0.723 ± 1.2×10⁻¹²"),
        (0.7234, None, "0.723"),
        (None, None, "–"),
    ],
)
def test_a_number_and_its_standard_error_end_at_the_same_digit(value, error, text):
    assert plus_minus(value, error) == text


def test_a_headline_counts_families_that_it_has_no_room_to_name():
    rows = [{"family": f"f{i}", "outcome": "nothing" if i else "bought"} for i in range(7)]
    assert message({"remark": None, "bought": rows}) == (
        "Of use to the others: f0; no measurable difference: 6 families"
    )


def test_no_two_families_of_a_figure_differ_by_colour_alone():
    styles = family_style([f"family-{i}" for i in range(len(MANY_MARKERS))])
    assert len({marker for _, marker in styles.values()}) == len(styles) == 16
