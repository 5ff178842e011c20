"""Figures of coverage: which bins of distances, strains and descriptors are filled. Each gives an inline SVG."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from pesforge.report import svg
from pesforge.report.figures import legend_below, panels
from pesforge.report.marks import Series
from pesforge.report.text import number

Row = Mapping[str, Any]
STATES: dict[str, tuple[str, dict[str, Any]]] = {
    "filled": ("filled", {"facecolor": svg.BLUE}),
    "by_gaps": ("filled by “gaps” alone", {"facecolor": svg.GREEN, "hatch": "\\\\"}),
    "lost": ("filled before labelling alone", {"facecolor": svg.ORANGE, "hatch": "...."}),
    "empty": ("empty, candidates reach it", {"facecolor": "none", "hatch": "////", "edgecolor": svg.VERMILLION}),
    "unreached": ("no candidate reaches it", {"facecolor": svg.GRID}),
}
"""Word and drawing style of the state of a bin."""
STRIP_HEIGHT = 0.8


def distances(coverage: Row) -> str:
    """Strips of filled and empty bins of pair distances, before labelling and after curation."""
    strips = []
    for row in coverage["distances"]:
        before = ["filled" if state == "lost" else state for state in row["state"]]
        strips += [(f"{row['pair']}, sampled", row, before), (f"{row['pair']}, curated", row, row["state"])]
    with svg.drawing("coverage-distances"):
        figure, (panel,) = panels(1, 1.1 + 0.24 * len(strips))
        for line, (_, row, states) in enumerate(strips):
            lefts = [row["start_ang"] + index * row["width_ang"] for index in range(len(states))]
            bottoms = [line - STRIP_HEIGHT / 2] * len(states)
            _cells(panel, lefts, bottoms, [row["width_ang"]] * len(states), [STRIP_HEIGHT] * len(states), states)
        panel.set_yticks(range(len(strips)), [name for name, _, _ in strips])
        panel.invert_yaxis()
        panel.grid(False)
        panel.set_xlabel("distance (Å)")
        _legend(panel, [state for _, _, states in strips for state in states])
        legend_below(figure, panel, 3)
        return svg.to_svg(
            figure,
            "coverage-distances",
            "Filled and empty bins of pair distances: data in the table below",
            [[_strip(*strip) for strip in strips]],
        )


def _strip(name: str, row: Row, states: Sequence[str]) -> Series:
    """The numbers of one strip: a bin from low to high, and its state."""
    lows = [row["start_ang"] + index * row["width_ang"] for index in range(len(states))]
    return {
        "name": name,
        "x": [low + row["width_ang"] / 2 for low in lows],
        "x_low": lows,
        "x_high": [low + row["width_ang"] for low in lows],
        "y": [None] * len(lows),
        "text": [STATES[state][0] for state in states],
    }


def planes(coverage: Row) -> str:
    """Filled and empty bins of strains and of descriptors."""
    strains, descriptors = coverage["strains"], coverage["descriptors"]
    with svg.drawing("coverage-planes"):
        figure, axes = panels(2 if strains else 1, 3.6)
        if len(axes) > 1:
            edges = strains["edges"]
            _grid(axes[0], edges, strains["state"])
            axes[0].set_xlabel("I₁ (change of volume)")
            axes[0].set_ylabel("√J₂ (change of shape)")
            svg.few_ticks(axes[0], 7)
        steps = [list(range(len(edges))) for edges in descriptors["edges"]]
        _grid(axes[-1], steps, descriptors["state"])
        for axis, ticks, edges, share, name in zip(
            (axes[-1].xaxis, axes[-1].yaxis),
            steps,
            descriptors["edges"],
            descriptors["explained_percent"],
            ("first", "second"),
            strict=True,
        ):
            axis.set_ticks(ticks, [number(edge, 3) for edge in edges])
            axis.set_label_text(f"{name} component ({number(share, 2)} % of the variance)")
        states = [state for grid in (strains, descriptors) if grid for line in grid["state"] for state in line]
        _legend(axes[-1], states)
        legend_below(figure, axes[-1], 3)
        return svg.to_svg(
            figure,
            "coverage-planes",
            "Filled and empty bins of strains and descriptors: data in the table below",
            [[_cells_of(name, grid)] for name, grid in (("strains", strains), ("descriptors", descriptors)) if grid],
        )


def _cells_of(name: str, grid: Row) -> Series:
    """The numbers of one plane: cells from low to high along both axes, and their states."""
    (across, up), states = grid["edges"], grid["state"]
    places = [(first, second) for first in range(len(across) - 1) for second in range(len(up) - 1)]
    return {
        "name": name,
        "x": [(across[first] + across[first + 1]) / 2 for first, _ in places],
        "y": [(up[second] + up[second + 1]) / 2 for _, second in places],
        "x_low": [across[first] for first, _ in places],
        "x_high": [across[first + 1] for first, _ in places],
        "y_low": [up[second] for _, second in places],
        "y_high": [up[second + 1] for _, second in places],
        "text": [STATES[states[first][second]][0] for first, second in places],
    }


def _grid(panel: Axes, edges: Sequence[Sequence[float]], grid: Sequence[Sequence[str]]) -> None:
    """Cells of a plane; `grid` runs over the first axis, then over the second."""
    across, up = edges
    places = [(first, second) for first in range(len(across) - 1) for second in range(len(up) - 1)]
    _cells(
        panel,
        [across[first] for first, _ in places],
        [up[second] for _, second in places],
        [across[first + 1] - across[first] for first, _ in places],
        [up[second + 1] - up[second] for _, second in places],
        [grid[first][second] for first, second in places],
    )
    panel.grid(False)
    panel.margins(0)


def _cells(
    panel: Axes,
    lefts: Sequence[float],
    bottoms: Sequence[float],
    widths: Sequence[float],
    heights: Sequence[float],
    states: Sequence[str],
) -> None:
    """Rectangles in the style of their states."""
    for state, (_, style) in STATES.items():
        chosen = [index for index, found in enumerate(states) if found == state]
        if chosen:
            panel.bar(
                [lefts[index] for index in chosen],
                [heights[index] for index in chosen],
                [widths[index] for index in chosen],
                [bottoms[index] for index in chosen],
                align="edge",
                linewidth=0.6,
                **{"edgecolor": svg.MUTED, **style},
            )


def _legend(panel: Axes, states: Sequence[str]) -> None:
    """Entries of the legend for those states that occur."""
    for state, (word, style) in STATES.items():
        if state in states:
            panel.bar([0], [0], [0], label=word, **{"edgecolor": svg.MUTED, "linewidth": 0.6, **style})
