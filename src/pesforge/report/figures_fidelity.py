"""Figures of two levels of the reference method: error against cost, the map of a blend, and its bias and variance."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pesforge.report import svg
from pesforge.report.fidelity import METHOD_NAMES
from pesforge.report.figures import MAX_WIDTH, legend_below, panels, present
from pesforge.report.figures_fit import ERRORS
from pesforge.report.text import number

Row = Mapping[str, Any]
KINDS = ("energy", "force", "stress")
SQUARED_UNITS = {"energy": "(meV/atom)²", "force": "(eV/Å)²", "stress": "(GPa)²"}
PALE, DARK = "#deebf7", "#08519c"
"""Ends of the shades of a map: the paler, the smaller the error."""


def cost(evidence: Row) -> str:
    """Held-out error against seconds of DFT on logarithmic axes, one line per method."""
    with svg.drawing("fidelity-cost"):
        figure, axes = panels(3, 3.5)
        for panel, (key, spread, label) in zip(axes, ERRORS, strict=True):
            for index, method in enumerate(evidence["methods"]):
                rows = [row for row in evidence["points"] if row["method"] == method]
                rows = [row for row in rows if row["high_share"] in (None, evidence["high_share"])]
                rows.sort(key=lambda row: float(row["seconds"]))
                seconds, error = present(rows, "seconds", key)
                bars = [row[spread] or 0.0 for row in rows if row[key] is not None]
                panel.errorbar(
                    seconds,
                    error,
                    yerr=bars,
                    color=svg.SERIES[index],
                    marker=svg.MARKERS[index],
                    linestyle="-" if index < 2 else "--",
                    linewidth=1.2,
                    capsize=2,
                    label=METHOD_NAMES[method],
                )
            panel.set_xlabel("DFT time (s)")
            panel.set_ylabel(label)
            svg.log_axis(panel, "x")
            svg.log_axis(panel, "y")
        legend_below(figure, axes[0], columns=3)
        return svg.to_svg(figure, "fidelity-cost", "Held-out errors of all methods against seconds of DFT")


def blend_map(evidence: Row) -> str:
    """RMSE of left-out groups for every λ and α, the point of lowest score framed."""
    rows = evidence["map"]
    lams = sorted({float(row["lam"]) for row in rows})
    trusts = sorted({float(row["trust"]) for row in rows})
    with svg.drawing("fidelity-map"):
        figure = Figure(figsize=(MAX_WIDTH, 1.5 + 0.34 * len(trusts)), layout="constrained")
        for panel, (key, _, label) in zip(figure.subplots(1, 3), ERRORS, strict=True):
            _shades(panel, rows, key, lams, trusts)
            panel.set_title(label)
            panel.set_xlabel("λ")
            panel.set_xticks(range(len(lams)), [number(lam) for lam in lams])
            panel.set_yticks(range(len(trusts)), [number(trust) for trust in trusts])
        figure.axes[0].set_ylabel("α")
        data = [
            [
                {
                    "name": label,
                    "x": [row["lam"] for row in rows],
                    "y": [row["trust"] for row in rows],
                    "text": [row[key] for row in rows],
                }
            ]
            for key, _, label in ERRORS
        ]
        return svg.to_svg(figure, "fidelity-map", "Left-out error of blended labels for every λ and α", data)


def _shades(panel: Axes, rows: Sequence[Row], key: str, lams: list[float], trusts: list[float]) -> None:
    """One map: a shade and the number in every cell."""
    values = [float(row[key]) for row in rows if row[key] is not None]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    for row in rows:
        if row[key] is None:
            continue
        x, y = lams.index(float(row["lam"])), trusts.index(float(row["trust"]))
        depth = (float(row[key]) - low) / (high - low) if high > low else 0.0
        panel.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=_blend(depth), edgecolor="none"))
        ink = "#ffffff" if depth > 0.55 else "#000000"
        panel.text(x, y, number(float(row[key]), 3), ha="center", va="center", fontsize=7.5, color=ink)
        if row["chosen"]:
            frame = Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, fill=False, edgecolor=svg.VERMILLION, linewidth=2)
            panel.add_patch(frame)
    panel.set_xlim(-0.5, len(lams) - 0.5)
    panel.set_ylim(-0.5, len(trusts) - 0.5)
    panel.grid(False)


def _blend(depth: float) -> tuple[float, float, float]:
    """The shade at a depth between 0 and 1."""
    ends = [[int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)] for color in (PALE, DARK)]
    red, green, blue = ((1 - depth) * pale + depth * dark for pale, dark in zip(*ends, strict=True))
    return red, green, blue


def curves(evidence: Row) -> str:
    """Bias², variance and mean squared error of the blended estimate against λ, beside what held-out groups show."""
    rows, analysis = evidence["curve"], evidence["analysis"]
    drawn = (
        ("bias_squared", "bias²", svg.ORANGE, "v", "-"),
        ("variance", "variance", svg.GREEN, "^", "-"),
        ("mse", "bias² + variance", svg.BLUE, "o", "-"),
        ("left_out_mse", "left-out groups", svg.PURPLE, "D", ":"),
        ("held_out_mse", "held-out groups", svg.VERMILLION, "s", ":"),
    )
    with svg.drawing("fidelity-curves"):
        figure, axes = panels(3, 3.3)
        for panel, kind in zip(axes, KINDS, strict=True):
            for name, label, color, marker, line in drawn:
                lams, values = present(rows, "lam", f"{kind}_{name}")
                panel.plot(lams, values, line, color=color, marker=marker, label=label)
            lams, values = present(rows, "lam", f"{kind}_mse")
            total = [value + analysis[f"{kind}_noise"] for value in values]
            panel.plot(lams, total, "--", color=svg.SKY, label="bias² + variance + noise of a label")
            panel.set_xlabel("λ")
            panel.set_ylabel(f"{kind}, mean square {SQUARED_UNITS[kind]}")
            panel.set_yscale("log")
            svg.log_axis(panel, "y")
        legend_below(figure, axes[0], columns=3)
        return svg.to_svg(figure, "fidelity-curves", "Bias, variance and mean squared error of the blend against λ")
