"""Figure of a study of a published table: energy against force error of every potential, one panel per element."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pesforge.report import svg
from pesforge.report.figures import MAX_WIDTH, legend_below

Row = Mapping[str, Any]
COLUMNS = 3


def energy_against_force(rows: Sequence[Row]) -> str:
    """Test errors of all potentials in the plane of energy and force, our own with their intervals."""
    elements = [str(cell["element"]) for cell in rows[0]["cells"]]
    across = min(len(elements), COLUMNS)
    down = -(-len(elements) // COLUMNS)
    with svg.drawing("plane"):
        figure = Figure(figsize=(MAX_WIDTH, 0.5 + 2.7 * down), layout="constrained")
        axes = list(figure.subplots(down, across, squeeze=False).flat)
        for index, element in enumerate(elements):
            _panel(axes[index], element, [(row, row["cells"][index]) for row in rows])
        for spare in axes[len(elements) :]:
            spare.remove()
        legend_below(figure, axes[0])
        return svg.to_svg(figure, "plane", "Energy error against force error of every potential: data in the table")


def _panel(panel: Axes, element: str, cells: Sequence[tuple[Row, Row]]) -> None:
    for index, (row, cell) in enumerate(cells):
        energy, force = cell["energy_mae_mev_per_atom"], cell["force_mae_ev_per_ang"]
        known = energy is not None and cell["energy_interval_90"] is not None
        panel.errorbar(
            [] if energy is None else [force],
            [] if energy is None else [energy],
            xerr=_bar(force, cell["force_interval_90"]) if known else None,
            yerr=_bar(energy, cell["energy_interval_90"]) if known else None,
            marker=svg.MARKERS[index % len(svg.MARKERS)],
            color=svg.SERIES[index % len(svg.SERIES)],
            mfc="none" if row["ours"] and cell["energy_interval_90"] is None else None,
            markersize=7,
            linestyle="none",
            elinewidth=1.2,
            capsize=2,
            label=row["potential"],
        )
    panel.set_title(element, fontweight="bold")
    panel.set_xlabel("force MAE (eV/Å)")
    panel.set_ylabel("energy MAE (meV/atom)")
    panel.margins(0.12)
    panel.set_xlim(left=0)
    panel.set_ylim(bottom=0)
    svg.few_ticks(panel, 4, 5)


def _bar(value: float, interval: Sequence[float]) -> list[list[float]]:
    """Lengths of the two halves of an error bar."""
    return [[max(value - interval[0], 0.0)], [max(interval[1] - value, 0.0)]]
