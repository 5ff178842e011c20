"""Figure of the convex hull of a binary system."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from pesforge.report import svg
from pesforge.report.figures import legend_below, panels
from pesforge.report.text import number

Row = Mapping[str, Any]
SIDES = (("dft", "DFT", svg.BLUE, "o", "-", 7.0), ("potential", "potential", svg.VERMILLION, "D", "--", 4.0))
SAME_LABEL = 0.05
"""Crystals of one composition that are nearer than this share of the axis stand under one label."""


def hull(evidence: Row) -> str:
    """Formation energies against composition with the lower hull, DFT beside potential."""
    second = evidence["elements"][1]
    with svg.drawing("hull"):
        figure, (panel,) = panels(1, 3.9)
        for side, label, color, marker, line, size in SIDES:
            points = _points(evidence["phases"], side, second)
            corners = sorted((x, y) for x, y, above in points if above == 0)
            panel.plot(*_columns(corners), line, color=color, linewidth=1.4, label=f"hull, {label}")
            panel.plot(*_columns(points), marker, color=color, markersize=size, linestyle="none", label=label)
        panel.set_xlim(-0.04, 1.24)
        panel.margins(y=0.14)
        panel.set_xlabel(f"share of {second} among the atoms")
        panel.set_ylabel("formation energy (meV/atom)")
        panel.set_xticks([0, 0.25, 0.5, 0.75, 1])
        _name(panel, evidence["phases"], second)
        legend_below(figure, panel, 4)
        return svg.to_svg(figure, "hull", "Formation energy against composition: data in the table below")


def hull_message(evidence: Row) -> str:
    """How far apart the two sides are, and whether the same crystals are stable."""
    rows = [row for row in evidence["phases"] if row["formation_potential_mev_per_atom"] is not None]
    stable = [
        {row["name"] for row in rows if row[f"above_hull_{side}_mev_per_atom"] == 0}
        for side in ("dft", "potential")
        if rows
    ]
    if not rows:
        return "The potential gives no formation energies"
    largest = max(abs(row["formation_potential_mev_per_atom"] - row["formation_dft_mev_per_atom"]) for row in rows)
    words = "the same crystals are stable" if stable[0] == stable[1] else "other crystals are stable"
    return f"Formation energies differ by at most {number(largest, 2)} meV/atom, and {words}"


def _points(rows: Sequence[Row], side: str, second: str) -> list[tuple[float, float, float]]:
    """Share of the second element, formation energy, and energy above the hull of the crystals that have them."""
    return [
        (
            row["fractions"].get(second, 0.0),
            row[f"formation_{side}_mev_per_atom"],
            row[f"above_hull_{side}_mev_per_atom"],
        )
        for row in rows
        if row[f"formation_{side}_mev_per_atom"] is not None
    ]


def _columns(points: Sequence[tuple[float, ...]]) -> tuple[list[float], list[float]]:
    return [point[0] for point in points], [point[1] for point in points]


def _name(panel: Axes, rows: Sequence[Row], second: str) -> None:
    """The names of the crystals beside their points by DFT; those that lie together stand in one line."""
    low, high = panel.get_ylim()
    groups: list[tuple[float, float, list[str]]] = []
    for row in sorted(rows, key=lambda row: float(row["formation_dft_mev_per_atom"])):
        x, y = row["fractions"].get(second, 0.0), row["formation_dft_mev_per_atom"]
        near = [group for group in groups if group[0] == x and y - group[1] < SAME_LABEL * (high - low)]
        if near:
            near[-1][2].append(row["name"])
        else:
            groups.append((x, y, [row["name"]]))
    for x, y, names in groups:
        below = y <= 0 and 0 < x < 1  # the hull falls from its ends
        panel.annotate(
            ", ".join(names), (x, y), xytext=(9, -13 if below else 4), textcoords="offset points", fontsize=8
        )
