"""Traffic lights of the verdict: every group of checks with its outcome in a word, and its worst check in numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
NEAR_PERCENT = 80.0
"""A check that passes with more than this share of what is allowed is near its limit."""


def lights(groups: Sequence[tuple[str, Sequence[Row]]]) -> list[dict[str, Any]]:
    """One row per group: `kind` and `word` of its light, how many checks passed, and the worst against its tolerance.

    Args:
        groups: title and checks of every group.
    """
    return [_light(title, checks) for title, checks in groups]


def _light(title: str, checks: Sequence[Row]) -> dict[str, Any]:
    applied = [check for check in checks if check["passed"] is not None]
    passed = sum(bool(check["passed"]) for check in applied)
    shares = [(_percent(check), check) for check in applied]
    known = [(percent, check) for percent, check in shares if percent is not None]
    percent, worst = max(known, key=lambda pair: pair[0]) if known else (None, None)
    row = {"title": title, "passed": passed, "applied": len(applied), "percent": percent}
    row |= {
        "name": worst["name"] if worst else None,
        "deviation": worst["deviation"] if worst else None,
        "tolerance": worst["tolerance"] if worst else None,
        "unit": worst["deviation_unit"] if worst else "",
    }
    if not applied:
        return row | {"kind": "none", "word": "not tested"}
    if passed < len(applied):
        return row | {"kind": "bad", "word": "fail"}
    if percent is not None and percent > NEAR_PERCENT:
        return row | {"kind": "near", "word": "pass, near its limit"}
    return row | {"kind": "good", "word": "pass"}


def _percent(check: Row) -> float | None:
    """Deviation over tolerance in percent; None where either is missing or nothing is allowed."""
    if check["deviation"] is None or not check["tolerance"]:
        return None
    return 100 * abs(float(check["deviation"])) / float(check["tolerance"])
