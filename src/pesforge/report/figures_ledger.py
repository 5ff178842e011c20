"""Figure of the ledger: what every family cost beside what it bought, as inline SVG."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pesforge.report import svg
from pesforge.report.figures import MAX_WIDTH, legend_below
from pesforge.report.text import duration

Row = Mapping[str, Any]
CHANGES = (
    ("energy_rmse_change_mev_per_atom", "energy_rmse_change_se_mev_per_atom", "energy RMSE (meV/atom)"),
    ("force_rmse_change_ev_per_ang", "force_rmse_change_se_ev_per_ang", "force RMSE (eV/Å)"),
)
WIDE = 30.0
"""Ratio of the largest to the median change from which a straight axis hides what most families do."""


def ledger(evidence: Row) -> str:
    """Seconds of reference calculations by family and purpose; rise of the errors on the others without each family."""
    rows = [*evidence["families"], *evidence["shared"]]
    names = [row.get("family", row.get("purpose")) for row in rows]
    with svg.drawing("ledger"):
        figure = Figure(figsize=(MAX_WIDTH, 1.5 + 0.3 * len(rows)), layout="constrained")
        axes = figure.subplots(1, 3, sharey=True, width_ratios=(1.1, 1, 1))
        _bars(axes[0], rows)
        axes[0].set_yticks(range(len(rows)), names)
        axes[0].invert_yaxis()
        for panel, (key, spread, label) in zip(axes[1:], CHANGES, strict=True):
            _rises(panel, evidence, names, key, spread)
            panel.set_xlabel(f"rise of the {label}\nwithout the family")
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
    colors = [svg.BLUE if "family" in row else svg.MUTED for row in rows]
    panel.barh(range(len(rows)), seconds, color=colors, height=0.62)
    for index, value in enumerate(seconds):
        panel.annotate(
            duration(value), (value, index), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
        )
    panel.set_xlim(0, 1.35 * max([*seconds, 1e-9]))
    panel.set_xlabel("reference calculations (s)")


def _rises(panel: Axes, evidence: Row, names: Sequence[str], key: str, spread: str) -> None:
    """Rises with their standard errors: over all the others, and on the family that suffers most."""
    panel.axvline(0, color=svg.MUTED, linewidth=1)
    suffers = {row["family"]: row["suffers_most"] for row in evidence["bought"]}
    drawn: list[float] = []
    for offset, color, marker, label in (
        (-0.13, svg.VERMILLION, "o", "over all the others"),
        (0.17, svg.PURPLE, "D", "on the family that suffers most"),
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
        values, bars = [row[key] for row in rows], [row[spread] or 0.0 for row in rows]
        style: dict[str, Any] = {
            "color": color,
            "marker": marker,
            "markerfacecolor": "none" if single else color,
            "capsize": 2.5,
        }
        panel.errorbar(values, places, xerr=bars, linestyle="none", markersize=4.5, label=label, **style)
        drawn += map(abs, values)
    typical = median(drawn) if drawn else 0.0
    if typical and max(drawn) > WIDE * typical:
        panel.set_xscale("symlog", linthresh=typical)
