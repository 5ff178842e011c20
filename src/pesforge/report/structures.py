"""The part of the report with the map of all structures: its figure, its table, and the atoms that it can show."""

from collections.abc import Mapping, Sequence
from typing import Any

from pesforge.report import svg
from pesforge.report.figures import family_style, legend_below, panels
from pesforge.report.marks import Series
from pesforge.report.text import number

Row = Mapping[str, Any]
NAME = "map"
DIGITS = 4


def figure(evidence: Row) -> str:
    """Every structure in the plane of the two leading components of its mean descriptors, by family."""
    found = evidence["structures"]
    by_family = {
        family: [row for row in found if row["family"] == family] for family in sorted({row["family"] for row in found})
    }
    with svg.drawing(NAME):
        drawing, (panel,) = panels(1, 5.0)
        for family, (color, marker) in family_style(list(by_family)).items():
            first, second = zip(*(row["place"] for row in by_family[family]), strict=True)
            panel.scatter(first, second, color=color, marker=marker, s=34, alpha=0.85, label=family)
        shares = [number(share, 2) for share in evidence["explained_percent"]]
        panel.set_xlabel(f"first component ({shares[0]} % of the variance of the candidates)")
        panel.set_ylabel(f"second component ({shares[1]} %)")
        legend_below(drawing, panel)
        words = "Every structure among the descriptors, by family: data in the table below"
        return svg.to_svg(drawing, NAME, words, [[_points(family, rows) for family, rows in by_family.items()]])


def _points(family: str, rows: Sequence[Row]) -> Series:
    """The structures of a family, each by its name."""
    first, second = (list(values) for values in zip(*(row["place"] for row in rows), strict=True))
    return {"name": family, "drawn": True, "x": first, "y": second, "text": [row["id"] for row in rows]}


def rows(evidence: Row) -> dict[str, Any]:
    """Rows of the table, and what the page needs to show the atoms."""
    return {
        "map_rows": evidence["structures"],
        "map_atoms": {
            "elements": evidence["elements"],
            "structures": [
                {
                    "id": row["id"],
                    "family": row["family"],
                    "energy": _short(row["energy_error_mev_per_atom"]),
                    "force": _short(row["force_error_ev_per_ang"]),
                    **{key: row[key] for key in ("formula", "species", "cell", "positions")},
                }
                for row in evidence["structures"]
            ],
        },
    }


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")
