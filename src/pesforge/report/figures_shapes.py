"""Figure of the perfect crystal in cells of different shape."""

from collections.abc import Mapping, Sequence
from typing import Any

from pesforge.report import svg
from pesforge.report.figures import family_style, panels
from pesforge.report.text import number

Row = Mapping[str, Any]
NAME = "shapes"


def shapes(scan: Row, targets: Row) -> str:
    """Energy per atom of one perfect crystal in cells of different shape, about the middle of their range.

    Args:
        scan: scan of the k-point spacing, with rows in `shapes`.
        targets: targets of the stage.
    """
    rows, target = scan["shapes"], float(targets["energy_mev_per_atom"])
    with svg.drawing(NAME):
        figure, (panel,) = panels(1, 3.1)
        panel.axhspan(-target / 2, target / 2, color=svg.VERMILLION, alpha=0.12, linewidth=0, label="target")
        names = list(dict.fromkeys(row["cell"] for row in rows))
        style, middle = family_style(names), _middle(rows)
        for name in names:
            found = [row for row in rows if row["cell"] == name]
            color, marker = style[name]
            values = [row["value"] for row in found]
            energies = [row["energy_above_first_mev_per_atom"] - middle[row["value"]] for row in found]
            panel.plot(values, energies, "-", color=color, marker=marker, label=name)
        panel.axvline(scan["chosen"], color=svg.GREEN, linestyle=":", linewidth=2, label="chosen")
        panel.set_xlabel("distance of k-points (1/Å)")
        panel.set_ylabel("energy about the middle\n(meV/atom)")
        panel.invert_xaxis()
        panel.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        return svg.to_svg(figure, NAME, "One crystal in cells of different shape: data in the table below")


def _middle(rows: Sequence[Row]) -> dict[float, float]:
    """Middle of the range of energies at every value."""
    at: dict[float, list[float]] = {}
    for row in rows:
        at.setdefault(row["value"], []).append(row["energy_above_first_mev_per_atom"])
    return {value: (min(energies) + max(energies)) / 2 for value, energies in at.items()}


def shapes_message(scan: Row) -> str:
    """How far the energies per atom of one crystal are apart at the chosen spacing."""
    chosen = [row for row in scan["shapes"] if row["value"] == scan["chosen"]]
    energies = [row["energy_above_first_mev_per_atom"] for row in chosen]
    apart = number(max(energies) - min(energies), 2)
    return f"One crystal in {len(energies)} cells: energies within {apart} meV/atom at the chosen spacing"
