"""Traffic lights against checks whose outcome is known."""

import pytest

from pesforge.report.lights import lights


def check(name, deviation, tolerance, passed):
    return {"name": name, "deviation": deviation, "tolerance": tolerance, "passed": passed, "deviation_unit": "GPa"}


@pytest.mark.parametrize(
    ("checks", "kind", "percent", "name"),
    [
        ([check("a", 0.1, 1.0, True), check("b", -0.5, 1.0, True)], "good", 50, "b"),
        ([check("a", 0.1, 1.0, True), check("b", 0.9, 1.0, True)], "near", 90, "b"),
        ([check("a", 1.1, 1.0, False), check("b", 0.5, 1.0, True)], "bad", 110, "a"),
        ([check("a", None, 1.0, False)], "bad", None, None),
        ([check("a", None, 1.0, None)], "none", None, None),
        ([check("a", 0.0, 0.0, True)], "good", None, None),
    ],
)
def test_a_light_is_that_of_the_worst_check(checks, kind, percent, name):
    (row,) = lights([("group", checks)])
    assert row["kind"] == kind
    assert row["percent"] == (None if percent is None else pytest.approx(percent))
    assert row["name"] == name
    assert row["applied"] == sum(item["passed"] is not None for item in checks)
