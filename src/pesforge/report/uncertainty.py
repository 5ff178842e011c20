"""The part of the report on what the potential says of its own errors: its figure, its sentence and its rows."""

from collections.abc import Mapping
from typing import Any

from pesforge.report import svg
from pesforge.report.figures import legend_below, panels
from pesforge.report.text import UNITS, number

Row = Mapping[str, Any]
NAME = "uncertainty"
ENSEMBLE = "ensemble"
WAYS = (
    ("before_percent", "before calibration", svg.VERMILLION, "s", "--"),
    ("after_percent", "after calibration", svg.BLUE, "o", "-"),
)


def figure(evidence: Row, name: str = NAME) -> str:
    """Observed against nominal coverage of each kind of label, before and after calibration."""
    kinds = [row["kind"] for row in evidence["kinds"]]
    with svg.drawing(name):
        drawing, axes = panels(len(kinds), 3.2)
        for panel, kind in zip(axes, kinds, strict=True):
            rows = [row for row in evidence["curve"] if row["kind"] == kind]
            panel.plot((0, 100), (0, 100), color=svg.MUTED, linewidth=1, label="what was promised")
            for key, label, color, marker, line in WAYS:
                nominal = [row["nominal_percent"] for row in rows]
                style: dict[str, Any] = {"color": color, "marker": marker, "linestyle": line, "markersize": 3.5}
                panel.plot(nominal, [row[key] for row in rows], label=label, **style)
            panel.set(xlim=(0, 100), ylim=(0, 100), aspect="equal", title=kind)
            panel.set_xlabel("promised coverage (%)")
            svg.few_ticks(panel)
        axes[0].set_ylabel("observed coverage (%)")
        legend_below(drawing, axes[0])
        return svg.to_svg(drawing, name, "Share of left-out errors within intervals of each level, against the level")


def message(evidence: Row) -> str:
    """Which intervals hold what they promise."""
    parts = []
    for good, words in ((True, "hold what they promise for"), (False, "do not hold for")):
        named = [row["kind"] for row in evidence["kinds"] if row["calibrated"] is good]
        if named:
            parts.append(f"{words} {', '.join(named)}")
    return f"Calibrated intervals {'; they '.join(parts)}" if parts else "Nothing could be calibrated"


def rows(evidence: Row, name: str = NAME) -> dict[str, Any]:
    """Message and rows of the tables: figures of merit before and after, and coverage."""
    merits = [
        {"kind": f"{row['kind']} ({UNITS[row['kind']]})", "when": when, **row[when]}
        for row in evidence["kinds"]
        for when in ("before", "after")
    ]
    judged = [{**row, "calibrated": "yes" if row["calibrated"] else "no"} for row in evidence["kinds"]]
    coverage = [{**row, "level": f"{row['kind']}, {number(row['nominal_percent'])} %"} for row in evidence["coverage"]]
    return {
        f"{name}_message": message(evidence),
        f"{name}_merits": merits,
        f"{name}_judged": judged,
        f"{name}_coverage": coverage,
    }


def ensemble_rows(evidence: Row | None) -> dict[str, Any]:
    """The same of an ensemble, and its comparison of noises; nothing without one."""
    if evidence is None:
        return {}
    noise = [{**row, "kind": f"{row['kind']} ({UNITS[row['kind']]})"} for row in evidence["noise"]]
    return {**rows(evidence, ENSEMBLE), "ensemble_noise": noise}
