"""Figures of the reference data: convergence, sampling and cost. Each takes evidence and gives an inline SVG."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pesforge.report import svg
from pesforge.report.text import NAMES, UNITS, number

Row = Mapping[str, Any]
QUANTITIES = (
    ("energy_change_mev_per_atom", "energy_mev_per_atom", "energy change (meV/atom)"),
    ("force_change_ev_per_ang", "force_ev_per_ang", "force change (eV/Å)"),
    ("stress_change_gpa", "stress_gpa", "stress change (GPa)"),
)
FLOOR = 1e-6
"""Changes below it are drawn at it: a logarithmic axis has no zero."""
MAX_WIDTH = 8.4


def family_style(families: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each family, the same in every figure; no two of up to 16 families share a marker."""
    return {
        name: (svg.SERIES[index % len(svg.SERIES)], svg.MANY_MARKERS[index % len(svg.MANY_MARKERS)])
        for index, name in enumerate(sorted(set(families)))
    }


def present(rows: Sequence[Row], *keys: str) -> list[list[Any]]:
    """Columns `keys` of those rows that have a value in all of them."""
    kept = [row for row in rows if all(row[key] is not None for key in keys)]
    return [[row[key] for row in kept] for key in keys]


def panels(count: int, height: float = 2.6) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels side by side."""
    figure = Figure(figsize=(MAX_WIDTH, height), layout="constrained")
    axes = figure.subplots(1, count, squeeze=False)[0]
    return figure, list(axes)


def legend_below(figure: Figure, axes: Axes, columns: int = 6) -> None:
    """One legend under all panels, from the artists of one of them."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=min(columns, len(handles)))


def convergence(scan: Row, targets: Row, name: str) -> str:
    """Change to the next finer value of one numerical parameter, beside its targets; `name` is the figure's own."""
    parameter = str(scan["parameter"])
    with svg.drawing(name):
        figure, axes = panels(3)
        for panel, (key, target, label) in zip(axes, QUANTITIES, strict=True):
            values, changes = present(scan["rows"], "value", key)
            drawn = [max(abs(change), FLOOR) for change in changes]
            panel.plot(values, drawn, "-o", color=svg.BLUE, label="change to the next finer value")
            panel.axhline(targets[target], color=svg.VERMILLION, linestyle="--", label="target")
            panel.axvline(scan["chosen"], color=svg.GREEN, linestyle=":", linewidth=2, label="chosen")
            panel.set_xlabel(f"{NAMES.get(parameter, parameter)}{_unit(scan['unit'])}")
            panel.set_ylabel(label)
            low, high = min([*drawn, targets[target]]), max([*drawn, targets[target]])
            panel.set_ylim(low / 2.5, high * 2.5)
            svg.log_axis(panel, "y")
            if parameter == "scf_tolerance":
                svg.log_axis(panel, "x")
            if parameter != "cutoff_ev":
                panel.invert_xaxis()
        legend_below(figure, axes[0])
        return svg.to_svg(figure, name, f"Convergence with {NAMES.get(parameter, parameter)}: data in the table below")


def _unit(unit: Any) -> str:
    return f" ({unit})" if unit and unit != "1" else ""


def thermal(sample: Row, label: Row) -> str:
    """Observed displacements and energy rise of independent and correlated displacements beside harmonic theory."""
    with svg.drawing("thermal"):
        figure, axes = panels(2, 2.9)
        keys = ("msd_ang2", "msd_expected_ang2", "msd_standard_error_ang2")
        _against_theory(axes[0], (sample["thermal"], sample["phonon"]), keys)
        axes[0].set_ylabel("mean square displacement (Å²)")
        keys = ("rise_ev_per_atom", "expected_ev_per_atom", "rise_standard_error_ev_per_atom")
        _against_theory(axes[1], (label["thermal_energy"], label["phonon_energy"]), keys)
        axes[1].set_ylabel("rise of the energy (eV/atom)")
        legend_below(figure, axes[0])
        return svg.to_svg(figure, "thermal", "Thermal displacements and energies against temperature")


def _against_theory(panel: Axes, families: Sequence[Sequence[Row]], keys: tuple[str, str, str]) -> None:
    """Points of what was found with standard errors, and lines of what is expected, for both kinds of displacements.

    `keys` name what was found, what is expected, and the standard error.
    """
    styles = (("independent", svg.BLUE, "o", "--"), ("phonons", svg.VERMILLION, "s", ":"))
    hottest = highest = 0.0
    for family, (name, color, marker, line) in zip(families, styles, strict=True):
        rows = [row for row in family if all(row[key] is not None for key in ("temperature_k", *keys[:2]))]
        if not rows:
            continue
        temperatures, found, expected = ([row[key] for row in rows] for key in ("temperature_k", *keys[:2]))
        errors = [row[keys[2]] or 0.0 for row in rows]
        panel.plot(temperatures, expected, line, color=color, marker="_", markersize=14, label=f"{name}, expected")
        panel.errorbar(temperatures, found, errors, fmt=marker, color=color, capsize=3, label=f"{name}, found")
        hottest = max(hottest, *temperatures)
        highest = max([highest, *expected, *(value + error for value, error in zip(found, errors, strict=True))])
    if highest > 0:
        panel.set_xlim(0, 1.08 * hottest)
        panel.set_ylim(0, 1.1 * highest)
    panel.set_xlabel("temperature (K)")


def strain(sample: Row) -> str:
    """Invariants of the strain of every sample."""
    with svg.drawing("strain"):
        figure, (panel,) = panels(1, 3.1)
        style = family_style(list(sample["families"]) + [row["family"] for row in sample["strain"]])
        for family, (color, marker) in style.items():
            first, second = present([row for row in sample["strain"] if row["family"] == family], "i1", "j2")
            if first:
                scaled = [1e3 * value for value in second]
                panel.scatter(first, scaled, color=color, marker=marker, s=26, alpha=0.85, label=family)
        panel.set_xlabel("I₁ (change of volume)")
        panel.set_ylabel("10³ J₂ (change of shape)")
        svg.few_ticks(panel, 7)
        legend_below(figure, panel)
        return svg.to_svg(figure, "strain", "Strain invariants of every sampled structure")


def cost(evidence: Row) -> str:
    """Wall time of each stage, and the largest memory of its jobs beside what was asked for."""
    rows = evidence["stages"]
    with svg.drawing("cost"):
        figure, (times, memory) = panels(2, 1.2 + 0.26 * len(rows))
        for panel, key, unit in ((times, "seconds", "s"), (memory, "max_rss_mb", "MB")):
            values = [row[key] or 0.0 for row in rows]
            panel.barh(range(len(rows)), values, color=svg.BLUE, height=0.62)
            for index, row in enumerate(rows):
                words = "not measured" if row[key] is None else f"{number(row[key])} {unit}"
                panel.annotate(
                    words, (values[index], index), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
                )
            panel.set_yticks(range(len(rows)), [row["stage"] for row in rows] if panel is times else [])
            panel.invert_yaxis()
            panel.grid(False, axis="y")
            panel.set_xlim(0, 1.35 * max([*values, 1e-9]))
        places = [index for index, row in enumerate(rows) if row["asked_mb"] is not None]
        asked = [rows[index]["asked_mb"] for index in places]
        if asked:
            memory.scatter(asked, places, color=svg.VERMILLION, marker="|", s=90, label="asked for")
            memory.set_xlim(0, 1.15 * max(asked))
            legend_below(figure, memory)
        times.set_xlabel("wall time (s)")
        memory.set_xlabel("largest memory of a job (MB)")
        return svg.to_svg(figure, "cost", "Wall time and largest memory of each stage")


def errors_by_force(rows: Sequence[Row]) -> str:
    """Force error in bins of the reference force."""
    drawn = [row for row in rows if row["force_rmse_ev_per_ang"] is not None]
    with svg.drawing("by-force"):
        figure, (panel,) = panels(1, 2.7)
        panel.bar(
            range(len(drawn)),
            [row["force_rmse_ev_per_ang"] for row in drawn],
            color=svg.BLUE,
            width=0.7,
        )
        for index, row in enumerate(drawn):
            panel.annotate(
                f"{row['count']}",
                (index, row["force_rmse_ev_per_ang"]),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                fontsize=8,
            )
        panel.set_xticks(range(len(drawn)), [force_range(row) for row in drawn])
        panel.grid(False, axis="x")
        panel.margins(y=0.15)
        panel.set_xlabel(f"force on the atom in the reference ({UNITS['force']}); above each bar: number of atoms")
        panel.set_ylabel(f"RMS error ({UNITS['force']})")
        return svg.to_svg(figure, "by-force", "Force error by magnitude of the reference force")


def force_range(row: Row) -> str:
    """A bin of forces in words."""
    low, high = row["force_min_ev_per_ang"], row["force_max_ev_per_ang"]
    return f"above {number(low)}" if high is None else f"{number(low or 0)} to {number(high)}"
