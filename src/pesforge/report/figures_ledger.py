"""Figure of the ledger: what every family cost beside what it bought, as inline SVG."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pesforge.report import svg
from pesforge.report.figures import MAX_WIDTH, legend_below
from pesforge.report.text import duration

Row = Mapping[str, Any]
KINDS = ("energy", "force")
NEAR_ONE = (0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
"""Ticks of an axis of factors that spans less than a decade."""
MINUTES = 600.0
"""Seconds from which on the axis of the cost is in minutes."""


def ledger(evidence: Row) -> str:
    """Seconds of reference calculations by family and purpose; rise of the errors on the others without each family."""
    rows = [*evidence["families"], *evidence["shared"]]
    names = [row.get("family", row.get("purpose")) for row in rows]
    with svg.drawing("ledger"):
        figure = Figure(figsize=(MAX_WIDTH, 1.5 + 0.3 * len(rows)), layout="constrained")
        axes = figure.subplots(1, 3, sharey=True, width_ratios=(1.1, 1, 1))
        _bars(axes[0], rows)
        axes[0].set_yticks(range(len(rows)), names)
        axes[0].set_ylim(len(rows) - 0.4, -0.6)
        for panel, kind in zip(axes[1:], KINDS, strict=True):
            _factors(panel, evidence, names, kind)
            panel.set_xlabel(f"{kind} error\nwithout the family\nover that with it")
        for panel in axes:
            panel.grid(False, axis="y")
        legend_below(figure, axes[1])
        description = (
            "Seconds of reference calculations of every family, and rise of the errors on the others without it"
        )
        return svg.to_svg(figure, "ledger", description)


def _bars(panel: Axes, rows: Sequence[Row]) -> None:
    """Horizontal bars of the seconds: families in colour, what all share in grey."""
    seconds = [row["dft_seconds"] or 0.0 for row in rows]
    unit, size = ("min", 60.0) if max([*seconds, 0.0]) > MINUTES else ("s", 1.0)
    lengths = [value / size for value in seconds]
    colors = [svg.BLUE if "family" in row else svg.MUTED for row in rows]
    panel.barh(range(len(rows)), lengths, color=colors, height=0.62)
    for index, (length, value) in enumerate(zip(lengths, seconds, strict=True)):
        panel.annotate(
            duration(value), (length, index), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
        )
    panel.set_xlim(0, 1.35 * max([*lengths, 1e-9]))
    panel.set_xlabel(f"reference calculations ({unit})")


def _factors(panel: Axes, evidence: Row, names: Sequence[str], kind: str) -> None:
    """Factors with their standard errors: the mean over the others, and that of the family that suffers most."""
    key, spread = f"{kind}_rmse_factor", f"{kind}_rmse_factor_se"
    panel.axvline(1, color=svg.MUTED, linewidth=1)
    suffers = {row["family"]: row["suffers_most"] for row in evidence["bought"]}
    for offset, color, marker, label in (
        (-0.13, svg.VERMILLION, "o", "mean of the other families"),
        (0.2, svg.PURPLE, "D", "the family that suffers most, by name"),
    ):
        single = marker == "D"
        rows = [
            row
            for row in evidence["trials"]
            if row[key] is not None
            and row["without"] in names
            and row["on"] == (suffers.get(row["without"]) if single else None)
        ]
        places = [names.index(row["without"]) + offset for row in rows]
        style: dict[str, Any] = {"color": color, "marker": marker, "markerfacecolor": "none" if single else color}
        panel.errorbar(
            [row[key] for row in rows],
            places,
            xerr=_bars_of_logarithm([(row[key], row[spread] or 0.0) for row in rows]),
            linestyle="none",
            capsize=2.5,
            markersize=4.5,
            label=label,
            **style,
        )
        for row, place in zip(rows, places, strict=True):
            if single:
                right = row[key] * math.exp((row[spread] or 0.0) / row[key])
                panel.annotate(
                    row["on"], (right, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=7.5
                )
    if evidence["bought"]:
        panel.set_xscale("log")
        low, high = panel.get_xlim()
        high *= (high / low) ** 0.4
        panel.set_xlim(low, high)
        svg.log_axis(panel, "x")
        if high / low < 10:
            ticks = NEAR_ONE if high / low > 2 else MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high)
            panel.set_xticks([tick for tick in ticks if low <= tick <= high])


def _bars_of_logarithm(values: Sequence[tuple[float, float]]) -> list[list[float]]:
    """Lower and upper lengths of bars of one standard error of the logarithm."""
    low = [value - value * math.exp(-error / value) for value, error in values]
    high = [value * math.exp(error / value) - value for value, error in values]
    return [low, high]
