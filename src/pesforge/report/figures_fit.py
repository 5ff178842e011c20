"""Figures of the potential, from evidence to inline SVG: cross-validation, parity, choice and properties."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pesforge.report import svg
from pesforge.report.figures import MAX_WIDTH, family_style, legend_below, panels, present

Row = Mapping[str, Any]
ERRORS = (
    ("energy_rmse_mev_per_atom", "energy_rmse_se_mev_per_atom", "energy RMSE (meV/atom)"),
    ("force_rmse_ev_per_ang", "force_rmse_se_ev_per_ang", "force RMSE (eV/Å)"),
    ("stress_rmse_gpa", "stress_rmse_se_gpa", "stress RMSE (GPa)"),
)
TYPICAL = (
    ("energy_typical_mev_per_atom", "energy_typical_se_mev_per_atom", "energy error (meV/atom)"),
    ("force_typical_ev_per_ang", "force_typical_se_ev_per_ang", "force error (eV/Å)"),
    ("stress_typical_gpa", "stress_typical_se_gpa", "stress error (GPa)"),
)
"""Geometric means over the families: what cross-validation and choice go by."""
MAX_POINTS = 2500
"""Force components that are drawn: more make the page heavy and the picture no clearer."""


def crossvalidation(grid: Sequence[Row]) -> str:
    """Held-out errors against the prior precision, one line per basis size, the chosen point ringed."""
    sizes = sorted({int(row["n_functions"]) for row in grid})
    with svg.drawing("crossvalidation"):
        figure, axes = panels(3, 3.0)
        for panel, (key, spread, label) in zip(axes, TYPICAL, strict=True):
            for index, size in enumerate(sizes):
                rows = sorted((row for row in grid if row["n_functions"] == size), key=lambda row: float(row["alpha"]))
                alpha, error = present(rows, "alpha", key)
                bars = [row[spread] or 0.0 for row in rows if row[key] is not None]
                color, marker = svg.SERIES[index % 6], svg.MARKERS[index % 6]
                panel.errorbar(
                    alpha, error, yerr=bars, color=color, marker=marker, capsize=2, label=f"{size} functions"
                )
            alpha, error = present([row for row in grid if row["chosen"]], "alpha", key)
            panel.plot(alpha, error, "o", ms=13, mfc="none", mec=svg.INK, mew=1.4, ls="none", label="chosen")
            panel.set_xlabel("prior precision α")
            panel.set_ylabel(label)
            panel.set_xscale("log")
            svg.log_axis(panel, "x")
        legend_below(figure, axes[0])
        return svg.to_svg(figure, "crossvalidation", "Held-out errors against prior precision for each basis size")


def parity(evidence: Row) -> str:
    """Held-out predictions against the reference, and below their differences; energies and force components."""
    energy, force = evidence["energy_ev_per_atom"], evidence["force_ev_per_ang"]
    every = 1 + max(len(force["reference"]) - 1, 0) // MAX_POINTS
    with svg.drawing("parity"):
        figure = Figure(figsize=(MAX_WIDTH, 5.4), layout="constrained")
        axes = figure.subplots(2, 2, sharex="col", height_ratios=(2.2, 1))
        for family, (color, marker) in family_style(energy["family"]).items():
            mine = [index for index, name in enumerate(energy["family"]) if name == family]
            wanted, found = ([energy[key][index] for index in mine] for key in ("reference", "predicted"))
            style = {"color": color, "marker": marker, "s": 22, "alpha": 0.85}
            axes[0, 0].scatter(wanted, found, label=family, **style)
            axes[1, 0].scatter(wanted, _differences(wanted, found, 1000.0), label=family, **style)
        wanted, found = force["reference"][::every], force["predicted"][::every]
        style = {"color": svg.BLUE, "s": 6, "alpha": 0.5, "linewidths": 0}
        axes[0, 1].scatter(wanted, found, **style)
        axes[1, 1].scatter(wanted, _differences(wanted, found, 1.0), **style)
        _identity(axes[0, 0], [*energy["reference"], *energy["predicted"]])
        _identity(axes[0, 1], [*force["reference"], *force["predicted"]])
        for panel in axes[1]:
            panel.axhline(0, color=svg.MUTED, linewidth=1, zorder=0)
            svg.few_ticks(panel, 5, 4)
        axes[0, 0].set_ylabel("predicted (eV/atom)")
        axes[0, 1].set_ylabel("predicted (eV/Å)")
        axes[1, 0].set(xlabel="DFT energy (eV/atom)", ylabel="difference (meV/atom)")
        axes[1, 1].set(xlabel="DFT force component (eV/Å)", ylabel="difference (eV/Å)")
        figure.align_ylabels()
        legend_below(figure, axes[0, 0])
        return svg.to_svg(figure, "parity", "Held-out energies and force components against DFT, and their differences")


def _differences(wanted: Sequence[float], found: Sequence[float], factor: float) -> list[float]:
    return [factor * (y - x) for x, y in zip(wanted, found, strict=True)]


def _identity(panel: Axes, values: Sequence[float]) -> None:
    if values:
        margin = 0.05 * (max(values) - min(values) or 1.0)
        limits = (min(values) - margin, max(values) + margin)
        panel.plot(limits, limits, color=svg.MUTED, linewidth=1, zorder=0)
        panel.set_xlim(limits)
        panel.set_ylim(limits)
    svg.few_ticks(panel, 5, 5)
    panel.ticklabel_format(useOffset=False)


def pareto(candidates: Sequence[Row]) -> str:
    """Candidates in the three planes of energy, force and stress error."""
    keys = [(key, label) for key, _, label in TYPICAL]
    planes = ((0, 1), (0, 2), (1, 2))
    with svg.drawing("pareto"):
        figure, axes = panels(3, 3.1)
        for panel, (x, y) in zip(axes, planes, strict=True):
            for kind, color, marker in (("linear", svg.BLUE, "o"), ("neural", svg.VERMILLION, "^")):
                for best in (False, True):
                    rows = [row for row in candidates if row["kind"] == kind and bool(row["non_dominated"]) == best]
                    first, second = present(rows, keys[x][0], keys[y][0])
                    words = f"{kind}, {'non-dominated' if best else 'dominated'}"
                    face = color if best else "none"
                    if first:
                        panel.scatter(first, second, s=34, marker=marker, fc=face, ec=color, lw=1.3, label=words)
            chosen = present([row for row in candidates if row["chosen"]], keys[x][0], keys[y][0])
            panel.plot(*chosen, "o", ms=13, mfc="none", mec=svg.INK, mew=1.4, ls="none", label="chosen")
            panel.set_xlabel(keys[x][1])
            panel.set_ylabel(keys[y][1])
            svg.few_ticks(panel, 2, 4)
        legend_below(figure, axes[0], columns=5)
        return svg.to_svg(figure, "pareto", "Errors of all candidates in three planes")


def equation_of_state(evidence: Row) -> str:
    """Energy against volume, and the difference of the two curves."""
    volume, dft = evidence["volume_ang3_per_atom"], evidence["dft_ev_per_atom"]
    potential = evidence["potential_ev_per_atom"]
    with svg.drawing("eos"):
        figure, axes = panels(2, 2.9)
        axes[0].plot(volume, dft, "o", color=svg.VERMILLION, label="DFT")
        axes[0].plot(volume, potential, "-s", color=svg.BLUE, label="potential")
        axes[0].set_ylabel("energy (eV/atom)")
        axes[1].axhline(0, color=svg.MUTED, linewidth=1)
        difference = [1000 * (found - wanted) for found, wanted in zip(potential, dft, strict=True)]
        axes[1].plot(volume, difference, "-o", color=svg.BLUE)
        axes[1].set_ylabel("potential − DFT (meV/atom)")
        for panel in axes:
            panel.set_xlabel("volume (Å³/atom)")
            panel.ticklabel_format(useOffset=False)
        legend_below(figure, axes[0])
        return svg.to_svg(figure, "eos", "Equation of state of the potential and of DFT")


def elastic(evidence: Row) -> str:
    """Elastic constants of the potential beside those of DFT."""
    names = sorted(evidence["dft"])
    with svg.drawing("elastic"):
        figure, (panel,) = panels(1, 2.7)
        places = range(len(names))
        dft = [evidence["dft"][name] for name in names]
        potential = [evidence["potential"].get(name) for name in names]
        panel.bar([place - 0.19 for place in places], dft, width=0.36, color=svg.VERMILLION, label="DFT")
        shown = [(place + 0.19, value) for place, value in zip(places, potential, strict=True) if value is not None]
        panel.bar([x for x, _ in shown], [y for _, y in shown], width=0.36, color=svg.BLUE, label="potential")
        panel.set_xticks(list(places), names)
        panel.set_ylabel("elastic constant (GPa)")
        panel.grid(False, axis="x")
        legend_below(figure, panel)
        return svg.to_svg(figure, "elastic", "Elastic constants of the potential and of DFT")


def errors_by_family(rows: Sequence[Row]) -> str:
    """Held-out errors of each family, for energies, forces and stresses."""
    with svg.drawing("by-family"):
        figure, axes = panels(3, 1.1 + 0.32 * len(rows))
        for panel, (key, _, label) in zip(axes, ERRORS, strict=True):
            panel.barh(range(len(rows)), [row[key] or 0.0 for row in rows], color=svg.BLUE, height=0.6)
            panel.set_yticks(range(len(rows)), [row["family"] for row in rows])
            panel.tick_params(labelleft=panel is axes[0])
            panel.invert_yaxis()
            panel.grid(False, axis="y")
            panel.set_xlabel(label)
        return svg.to_svg(figure, "by-family", "Held-out errors of each family")
