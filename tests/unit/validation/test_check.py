"""Checks: what passes, what fails, and what neither does."""

import math

import pytest

from pesforge.validation.check import absolute, not_applicable, relative


@pytest.mark.parametrize(("value", "passed"), [(0.0, True), (0.03, True), (0.0301, False), (-0.0301, False)])
def test_absolute_compares_with_the_tolerance(value, passed):
    check = absolute("force", "accuracy", value, tolerance=0.03, unit="eV/Å", meaning="m")
    assert check.passed is passed
    assert check.deviation == abs(value)
    assert check.deviation_unit == "eV/Å"


def test_absolute_measures_from_the_reference():
    check = absolute("force", "accuracy", 5.0, reference=4.9, tolerance=0.2, unit="eV/Å", meaning="m")
    assert check.deviation == pytest.approx(0.1)
    assert check.passed


@pytest.mark.parametrize(("value", "passed"), [(98.1, True), (102.1, False), (-100.0, False)])
def test_relative_is_in_per_cent_of_the_reference(value, passed):
    check = relative("B", "eos", value, reference=100.0, tolerance_percent=2.0, unit="GPa", meaning="m")
    assert check.passed is passed
    assert check.deviation == pytest.approx(abs(value - 100))
    assert (check.unit, check.deviation_unit) == ("GPa", "%")


def test_relative_to_a_negative_reference():
    assert relative("B", "eos", -101.0, reference=-100.0, tolerance_percent=2.0, unit="GPa", meaning="m").passed


def test_relative_to_zero_passes_for_zero_alone():
    zero = {"reference": 0.0, "tolerance_percent": 2.0, "unit": "GPa", "meaning": "m"}
    assert relative("C", "elastic", 0.0, **zero).passed
    assert relative("C", "elastic", 1e-9, **zero).passed is False


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_fails(value):
    assert absolute("x", "g", value, tolerance=math.inf, unit="", meaning="m").passed is False
    assert relative("x", "g", value, reference=1.0, tolerance_percent=1e9, unit="", meaning="m").passed is False


def test_a_check_that_does_not_apply_neither_passes_nor_fails():
    described = not_applicable("x", "g", unit="GPa", meaning="no cell").to_dict()
    assert described["passed"] is None
    assert described["value"] is None
    assert described["meaning"] == "no cell"
