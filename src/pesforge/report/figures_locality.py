"""Figures and words of the locality study: errors by cutoff radius, force constants by distance."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes

from pesforge.report import svg
from pesforge.report.figures import legend_below, panels, present
from pesforge.report.text import number

Row = Mapping[str, Any]
SIDES = (("dft", "DFT", svg.BLUE, "o"), ("potential", "potential", svg.VERMILLION, "D"))
DIFFERENCE = ("difference", "difference", svg.MUTED, "x")
MANY = 3.0
"""The potential misses more of the measured forces than its errors tell from so many times its force error on."""
SMALLEST = 1e-5
"""Force constants below this share of the largest are drawn at it: a logarithmic axis has no zero."""


def figures(evidence: Row) -> dict[str, str]:
    """Both figures by name."""
    return {"locality-errors": _errors(evidence["errors"]), "locality-response": _response(evidence)}


def words(evidence: Row | None) -> dict[str, Any]:
    """The sentences above the figure of the force constants; nothing without the study."""
    if not evidence:
        return {}
    response = evidence["response"]
    whole, told = response["beyond"][0], next(row for row in response["at_cutoff"] if row["radius"] == "r_c")
    own = next(row for row in evidence["errors"]["rows"] if row["cutoff_ang"] == evidence["errors"]["cutoff_ang"])
    missed, error = whole["difference_ev_per_ang"], own["force_rmse_ev_per_ang"]
    force, lacking, left_out = (number(value, 2) for value in (whole["dft_ev_per_ang"], missed, error))
    message = (
        f"Displacements of {number(response['temperature_k'])} K in this cell cause force components of {force} eV/Å "
        f"by DFT, of which the potential misses {lacking}; its force error left out is {left_out} eV/Å"
    )
    if missed > MANY * error:
        message += ": labels of larger cells, such as those of `sample.md`, would teach it what it misses"
    if told["dft_ev_per_ang"] is None:
        message += (
            f". No atoms of the measured cell are farther apart than {number(response['farthest_ang'], 3)} Å, less "
            "than r_c: `analysis.locality.supercell` makes it larger"
        )
    else:
        dft, potential, apart = (number(told[f"{side}_ev_per_ang"], 2) for side in ("dft", "potential", "difference"))
        message += f". Atoms beyond r_c cause {dft} eV/Å by DFT and {potential} by the potential, {apart} apart"
    return {"locality_message": message}


def _mark(panel: Axes, radius: float, label: str, *, double: bool = False) -> None:
    """Dotted line at a cutoff, and at twice of it."""
    for factor in (1, 2) if double else (1,):
        panel.axvline(
            factor * radius, color=svg.GREEN, linestyle=":", linewidth=2, label=label if factor == 1 else None
        )


def _errors(evidence: Row) -> str:
    """Held-out errors of force and energy against the cutoff radius."""
    with svg.drawing("locality-errors"):
        figure, axes = panels(2)
        for panel, key, label in (
            (axes[0], "force_rmse_ev_per_ang", "force error (eV/Å)"),
            (axes[1], "energy_rmse_mev_per_atom", "energy error (meV/atom)"),
        ):
            cutoffs, values = present(evidence["rows"], "cutoff_ang", key)
            spread = [
                row.get(key.replace("rmse", "rmse_se")) or 0.0 for row in evidence["rows"] if row[key] is not None
            ]
            panel.errorbar(
                cutoffs, values, yerr=spread, fmt="-o", color=svg.BLUE, capsize=2.5, label="left out by group"
            )
            _mark(panel, evidence["cutoff_ang"], "r_c of the study")
            panel.set_xlabel("cutoff radius (Å)")
            panel.set_ylabel(label)
            svg.log_axis(panel, "y")
        legend_below(figure, axes[0])
        return svg.to_svg(figure, "locality-errors", "Held-out errors against cutoff radius: data in the table below")


def _response(evidence: Row) -> str:
    """Force constants against distance, and forces from atoms beyond a distance, of DFT and of the potential."""
    response, cutoff = evidence["response"], evidence["errors"]["cutoff_ang"]
    with svg.drawing("locality-response"):
        figure, axes = panels(2)
        floor = SMALLEST * max(row[f"{side}_ev_per_ang2"] for row in response["shells"] for side, *_ in SIDES)
        for side, label, color, marker in (*SIDES, DIFFERENCE):
            heights = [max(row[f"{side}_ev_per_ang2"], floor) for row in response["shells"]]
            hollow = "none" if side == "potential" else color
            places = [row["distance_ang"] for row in response["shells"]]
            axes[0].plot(places, heights, marker, color=color, markerfacecolor=hollow, linestyle="none", label=label)
            places, forces = present(response["beyond"], "distance_ang", f"{side}_ev_per_ang")
            axes[1].step(places, [max(force, SMALLEST * max(forces)) for force in forces], where="post", color=color)
        axes[0].set_ylabel("|Φ| (eV/Å²)")
        axes[1].set_ylabel(f"force from beyond, {number(response['temperature_k'])} K (eV/Å)")
        for panel in axes:
            panel.set_xlabel("distance (Å)")
            _mark(panel, cutoff, "r_c and 2 r_c", double=2 * cutoff < 1.1 * response["farthest_ang"])
            if response["whole_to_ang"] < response["farthest_ang"]:
                panel.axvline(response["whole_to_ang"], color=svg.MUTED, linewidth=0.8)
            svg.log_axis(panel, "y")
        legend_below(figure, axes[0])
        return svg.to_svg(
            figure, "locality-response", "Force constants and forces against distance: data in the tables below"
        )
