"""Figures of defects, surfaces, γ-lines, phonons and molecular dynamics."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pesforge.report import svg
from pesforge.report.figures import MAX_WIDTH, legend_below, panels
from pesforge.report.text import number

Row = Mapping[str, Any]
POINTS = ("vacancy", "interstitial")
GREEK = {"G": "Γ"}


def excess(rows: Sequence[Row], relaxed: Sequence[Row], name: str, label: str) -> str:
    """Energies of defects or of surfaces: DFT and potential on the same structures, and relaxed predictions.

    Args:
        rows: compared ones.
        relaxed: predictions; here and there those with a note, which are not to be relied on, are hollow.
        name: of the figure.
        label: of the axis.
    """
    names = list(dict.fromkeys([_label(row) for row in rows] + [_label(row) for row in relaxed if _has(row)]))
    with svg.drawing(name):
        figure, (panel,) = panels(1, 1.0 + 0.3 * len(names))
        for found, key, words, color, marker, size in (
            (rows, "dft", "DFT", svg.VERMILLION, "o", 9.0),
            (rows, "potential", "potential, same structure", svg.BLUE, "D", 4.5),
            (relaxed, "potential", "potential alone, relaxed", svg.GREEN, "s", 6.0),
        ):
            for noted in (False, True):
                shown = [row for row in found if row[key] is not None and bool(row["note"]) == noted]
                if shown:
                    panel.plot(
                        [row[key] for row in shown],
                        [names.index(_label(row)) for row in shown],
                        marker,
                        color=color,
                        markersize=size,
                        markerfacecolor="none" if noted else color,
                        linestyle="none",
                        label=words + (", see note" if noted else ""),
                    )
        panel.set_yticks(range(len(names)), names)
        panel.set_ylim(len(names) - 0.5, -0.5)
        panel.set_xlabel(label)
        legend_below(figure, panel)
        return svg.to_svg(figure, name, "Energies by DFT and by the potential: data in the tables below")


def _has(row: Row) -> bool:
    return row["potential"] is not None


def _label(row: Row) -> str:
    geometry = str(row["geometry"])
    return f"{row['name']}, {'prediction' if geometry.endswith('the potential') else geometry}"


def gamma_lines(lines: Sequence[Row], relaxed: Sequence[Row]) -> str:
    """Energies of rigid shifts along each line: DFT, potential, and potential with atoms relaxed along the normal."""
    names = list(dict.fromkeys(str(line["name"]) for line in [*lines, *relaxed]))
    with svg.drawing("gamma"):
        figure, axes = panels(len(names), 3.0)
        for panel, name in zip(axes, names, strict=True):
            for line in [line for line in relaxed if line["name"] == name]:
                shares = [*line["shares"], 1.0]
                rigid = [*line["unrelaxed_mj_per_m2"], line["unrelaxed_mj_per_m2"][0]]
                panel.plot(shares, rigid, "-", color=svg.BLUE, label="potential")
                soft = [*line["potential_mj_per_m2"], line["potential_mj_per_m2"][0]]
                panel.plot(
                    shares, [np.nan if value is None else value for value in soft], "--s", color=svg.GREEN, ms=4,
                    label="potential, relaxed along the normal",
                )  # fmt: skip
            for line in [line for line in lines if line["name"] == name]:
                panel.plot(line["shares"], line["dft_mj_per_m2"], "o", color=svg.VERMILLION, markersize=9, label="DFT")
                panel.plot(
                    line["shares"],
                    line["potential_mj_per_m2"],
                    "D",
                    color=svg.BLUE,
                    markersize=4.5,
                    label="potential, same structures as DFT",
                )
            panel.set_title(name)
            panel.set_xlabel("shift over the repeat of the line")
            panel.set_ylabel("energy of the fault (mJ/m²)")
        legend_below(figure, axes[0], 4)
        return svg.to_svg(figure, "gamma", "Energy against rigid shift: data in the table below")


def phonons(spectrum: Row) -> str:
    """Dispersion and density of states: DFT and potential in one cell, the potential in a larger one too."""
    styles = (
        ("dft", f"DFT, cell of {spectrum['atoms']['compared']} atoms", svg.VERMILLION, "-", 2.6),
        ("potential", f"potential, cell of {spectrum['atoms']['compared']} atoms", svg.BLUE, "-", 1.2),
        ("large", f"potential, cell of {spectrum['atoms']['large']} atoms", svg.MUTED, "--", 1.0),
    )
    with svg.drawing("phonons"):
        figure = Figure(figsize=(MAX_WIDTH, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
        for side, words, color, line, width in styles:
            found = spectrum["sides"][side]
            if found is None:
                continue
            for index, band in enumerate(found["bands"]):
                left.plot(
                    spectrum["place"], band, line, color=color, linewidth=width, label=words if not index else "_"
                )
            right.plot(found["dos"], spectrum["frequency_thz"], line, color=color, linewidth=width)
        places: dict[float, list[str]] = {}
        for place, word in spectrum["ticks"]:
            names = places.setdefault(round(place, 6), [])
            if GREEK.get(word, word) not in names:
                names.append(GREEK.get(word, word))
        left.set_xticks(list(places), ["|".join(names) for names in places.values()])
        left.set_xlim(spectrum["place"][0], spectrum["place"][-1])
        left.set_ylabel("frequency (THz)")
        left.set_xlabel("wave vector")
        right.set_xlabel("states per THz and atom")
        right.set_xlim(left=0)
        legend_below(figure, left)
        return svg.to_svg(figure, "phonons", "Phonon dispersion and density of states")


def energy_drift(runs: Sequence[Row]) -> str:
    """Change of the total energy without thermostat against time, at every temperature."""
    with svg.drawing("drift"):
        figure, (panel,) = panels(1, 2.7)
        for run, color in zip(runs, svg.SERIES * len(runs), strict=False):
            words = f"{number(run['temperature_k'])} K" + (", failed" if run["failure"] else "")
            panel.plot(run["times_ps"], run["change_mev_per_atom"], color=color, linewidth=1.0, label=words)
        panel.axhline(0, color=svg.MUTED, linewidth=1)
        panel.set_xlabel("time (ps)")
        panel.set_ylabel("change of the energy (meV/atom)")
        legend_below(figure, panel)
        return svg.to_svg(figure, "drift", "Total energy against time in molecular dynamics without thermostat")


def pair_distribution(dynamics: Row) -> str:
    """g(r) of the runs of the potential, and of labelled snapshots beside them."""
    runs = [(f"{number(run['temperature_k'])} K", run["rdf"]) for run in dynamics["energy"] if run["rdf"]]
    if dynamics["melt"] and dynamics["melt"]["rdf"]:
        runs.append((f"melting run, {number(dynamics['melt']['temperature_k'])} K", dynamics["melt"]["rdf"]))
    with svg.drawing("pair-distribution"):
        figure, (panel,) = panels(1, 3.0)
        colors = svg.SERIES * (len(runs) + len(dynamics["references"]))
        for (words, rdf), color in zip(runs, colors, strict=False):
            panel.plot(rdf["r_ang"], rdf["g"], color=color, label=f"potential, {words}")
        for reference, marker in zip(dynamics["references"], svg.MARKERS * 9, strict=False):
            panel.plot(
                reference["rdf"]["r_ang"],
                reference["rdf"]["g"],
                marker,
                color=svg.INK,
                markersize=3,
                linestyle="none",
                label=f"labelled: {reference['family']}, {number(reference['temperature_k'])} K",
            )
        panel.axhline(1.0, color=svg.MUTED, linestyle=":", linewidth=1)
        panel.set_xlabel("distance r (Å)")
        panel.set_ylabel("pair distribution g(r)")
        panel.set_ylim(bottom=0)
        first = [r for _, rdf in runs for r, g in zip(rdf["r_ang"], rdf["g"], strict=True) if g > 0]
        panel.set_xlim(left=max(0.0, min(first) - 0.5))
        legend_below(figure, panel, 3)
        return svg.to_svg(figure, "pair-distribution", "Pair distribution functions of the potential")
