"""One figure of a proof: a value, what it should be, how far off it may be, and whether it passed."""

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One compared quantity.

    Attributes:
        name: what is compared, in words for the report.
        group: what the check belongs to, such as `symmetry`; `pesforge.validation.verdict` decides by it.
        value: what was found; None where it could not be computed.
        reference: what it should be.
        deviation: distance of the two, in `deviation_unit`.
        tolerance: largest deviation that passes, in `deviation_unit`.
        unit: unit of `value` and `reference`.
        passed: None where the check does not apply.
        meaning: one sentence on what the check proves.
        deviation_unit: unit of `deviation` and `tolerance`; empty: the same as `unit`.
    """

    name: str
    group: str
    value: float | None
    reference: float | None
    deviation: float | None
    tolerance: float | None
    unit: str
    passed: bool | None
    meaning: str
    deviation_unit: str = ""

    def __post_init__(self) -> None:
        if not self.deviation_unit:
            object.__setattr__(self, "deviation_unit", self.unit)

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain types, ready for JSON."""
        return asdict(self)


def absolute(
    name: str,
    group: str,
    value: float,
    *,
    tolerance: float,
    unit: str,
    meaning: str,
    reference: float = 0.0,
) -> Check:
    """A check that passes when |value − reference| ≤ tolerance; a value that is not finite fails.

    Args:
        name: what is compared.
        group: what the check belongs to.
        value: what was found.
        tolerance: largest deviation that passes, in `unit`.
        unit: unit of all four numbers.
        meaning: what the check proves.
        reference: what the value should be.
    """
    value, reference = float(value), float(reference)
    deviation = abs(value - reference)
    passed = math.isfinite(deviation) and deviation <= tolerance
    return Check(name, group, value, reference, deviation, float(tolerance), unit, passed, meaning)


def relative(
    name: str,
    group: str,
    value: float,
    *,
    reference: float,
    tolerance_percent: float,
    unit: str,
    meaning: str,
) -> Check:
    """A check that passes when |value / reference − 1| ≤ tolerance_percent / 100; a value that is not finite fails.

    Args:
        name: what is compared.
        group: what the check belongs to.
        value: what was found, in `unit`.
        reference: what the value should be, in `unit`; zero fails unless the value is zero as well.
        tolerance_percent: largest deviation that passes, in per cent of the reference.
        unit: unit of value and reference.
        meaning: what the check proves.
    """
    value, reference = float(value), float(reference)
    if reference == 0.0:
        deviation = 0.0 if value == 0.0 else math.inf
    else:
        deviation = 100.0 * abs(value - reference) / abs(reference)
    passed = math.isfinite(deviation) and deviation <= tolerance_percent
    return Check(name, group, value, reference, deviation, float(tolerance_percent), unit, passed, meaning, "%")


def not_applicable(name: str, group: str, *, unit: str, meaning: str) -> Check:
    """A check that could not be made; it neither passes nor fails.

    Args:
        name: what would be compared.
        group: what the check belongs to.
        unit: unit that the value would have.
        meaning: why the check does not apply.
    """
    return Check(name, group, None, None, None, None, unit, None, meaning)
