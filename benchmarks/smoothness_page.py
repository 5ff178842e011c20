"""The page of `smoothness.py`: what holds of the claim, figures with error bars, and tables."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from smoothness_ratios import (
    ENERGY,
    FORCE,
    LABELS,
    MEASURES,
    OFF,
    ROUGH,
    RULE,
    Ratio,
    Ratios,
    Row,
    Variant,
    named,
    ratios_of,
    sentence,
    variant_of,
)

from pesforge.report import svg
from pesforge.report.page import pages
from pesforge.report.text import plus_minus


def _standard_error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def _points(axes: Axes, rows: Iterable[Row], variants: Sequence[Variant], key: str) -> None:
    """Means and standard errors over seeds against the force weight, variants a little apart."""
    kept = [row for row in rows if not row["draw"]]
    for number, variant in enumerate(variants):
        points: dict[float, list[float]] = defaultdict(list)
        for row in kept:
            if variant_of(row) == variant:
                points[row["w_force"]].append(row[key])
        if not points:
            continue
        weights = sorted(points)
        means = [float(np.mean(points[weight])) for weight in weights]
        spread = [_standard_error(points[weight]) for weight in weights]
        axes.errorbar(
            np.array(weights) * 1.07 ** (number - len(variants) / 2), means, spread, capsize=2.5, label=named(variant),
            color=(svg.INK, *svg.SERIES)[number], marker=svg.MANY_MARKERS[number],
        )  # fmt: skip
    svg.log_axis(axes, "x")
    axes.set_xlabel("λ_F")


def over_weights(rows: Sequence[Row], variants: Sequence[Variant], keys: dict[str, str]) -> Figure:
    """A line of panels for every quantity, a column for every size."""
    sizes = sorted({row["size"] for row in rows})
    figure = Figure(figsize=(8.2, 2.5 * len(keys) + 0.7), layout="constrained")
    grid = figure.subplots(len(keys), len(sizes), squeeze=False, sharey="row")
    for line, (key, label) in zip(grid, keys.items(), strict=True):
        for axes, size in zip(line, sizes, strict=True):
            chosen = [row for row in rows if row["size"] == size]
            _points(axes, chosen, variants, key)
            axes.set_title(f"{size} training structures")
            if key == ROUGH:
                axes.axhline(chosen[0]["reference_roughness_ev_per_ang"], color=svg.MUTED, linestyle="--")
        line[0].set_ylabel(label)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def of_ratios(ratios: Ratios, keys: Sequence[str]) -> Figure:
    """Ratios to the run without Reg-M, a panel for every measure; below the line is better."""
    variants = sorted({variant for _, variant in ratios})
    figure = Figure(figsize=(8.2, 3.4), layout="constrained")
    for axes, key in zip(figure.subplots(1, len(keys), sharey=True), keys, strict=True):
        for number, size in enumerate(sorted({size for size, _ in ratios})):
            places = [place for place, variant in enumerate(variants) if (size, variant) in ratios]
            found = [ratios[size, variants[place]][key] for place in places]
            axes.errorbar(
                [ratio.value for ratio in found], np.array(places) + 0.2 * number,
                xerr=[ratio.error or 0.0 for ratio in found], linestyle="none", capsize=2.5,
                color=svg.SERIES[number], marker=svg.MARKERS[number], label=f"{size} training structures",
            )  # fmt: skip
        axes.axvline(1.0, color=svg.MUTED, linestyle="--")
        axes.set_yticks(range(len(variants)), [named(variant) for variant in variants])
        axes.set_xlabel(LABELS[key].replace(" over", "\nover").replace("label noise ", "label noise\n"))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def table(ratios: Ratios) -> list[dict[str, Any]]:
    """Rows of the table of ratios."""
    rows = []
    for (size, variant), found in ratios.items():
        row: dict[str, Any] = {"size": size, "variant": named(variant).replace(" ", "\N{NO-BREAK SPACE}")}
        for key, ratio in found.items():
            row |= {key: ratio.value, f"{key}_se": ratio.error}
        rows.append(row)
    return rows


CAPTIONS = (
    (
        "claim",
        "The three parts of the claim",
        "Over the runs without Reg-M: left of the dashed line is better.",
    ),
    ("errors", "Held-out errors over the force weight", "Means and standard errors over seeds."),
    (
        "rough",
        "Roughness of the surface over the force weight",
        "Above: rms |F(r) − ⟨F(r + ξ)⟩|, dashed that of the reference. Below: its rms distance from the reference's.",
    ),
)
LINEAR = {
    "linear_force_rmse_ev_per_ang": "linear: force (eV/Å)",
    "linear_energy_rmse_mev_per_atom": "linear: energy (meV/atom)",
    "reference_roughness_ev_per_ang": "roughness of the reference (eV/Å)",
}
PAGE = """{% from "macros.html.j2" import figure, table with context -%}
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{% include "policy.html.j2" %}
<title>Reg-M with and without: {{ title }}</title>
<style>
{% include "style.css.j2" %}
</style>
</head>
<body>
<header><h1>Reg-M with and without: {{ title }}</h1>
<p><b>{{ sentence }}</b></p>
<p class="muted">{{ rule }} Label noise: {{ noise }} eV/Å on every force component of training labels.</p></header>
<main>
{% for name, message, caption in captions %}
{{ figure(name, message, caption) }}
{% endfor %}
{{ table("Ratios to the run without Reg-M", columns, rows) }}
{{ table("Without Reg-M: geometric means over seeds and λ_F, in eV/Å and meV/atom", base_columns, base) }}
</main>
</body>
</html>
"""


def without(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Numbers of the runs without Reg-M, by size: geometric means over seeds with their standard errors."""
    found = []
    for size in sorted({row["size"] for row in rows}):
        line: dict[str, Any] = {"size": size}
        own = [row for row in rows if row["size"] == size and not row["lambda_m"]]
        parts = [[row for row in own if row["seed"] == seed] for seed in sorted({row["seed"] for row in own})]
        for key, (_, measure) in MEASURES.items():
            value = Ratio.of([float(np.log(measure(part, part))) for part in parts])
            line |= {key: value.value, f"{key}_se": value.error}
        for key in LINEAR:
            line[key] = float(np.mean([row[key] for row in own if not row["draw"]]))
        found.append(line)
    return found


def columns_of(labels: Mapping[str, str]) -> list[tuple[tuple[str, str], str, bool]]:
    """Columns of a table: value and standard error, heading, numeric."""
    return [((key, f"{key}_se"), label, True) for key, label in labels.items()]


def write_page(rows: list[Row], path: Path, title: str, noise: float) -> None:
    """One offline page of the runs that are there, and its tables on the standard output."""
    ratios, variants = ratios_of(rows), sorted({variant_of(row) for row in rows})
    pictures = {
        "claim": lambda: of_ratios(ratios, ("rough", "noise", "force_range", "energy_range")),
        "errors": lambda: over_weights(rows, variants, {FORCE: "force (eV/Å)", ENERGY: "energy (meV/atom)"}),
        "rough": lambda: over_weights(rows, variants, {ROUGH: "roughness (eV/Å)", OFF: "distance (eV/Å)"}),
    }
    drawn = {}
    for name, draw in pictures.items():
        with svg.drawing(name):
            drawn[name] = Markup(svg.to_svg(draw(), name, f"{name}: runs with and without Reg-M"))
    size, absolute = ("size", "Structures", True), {key: LABELS[key] for key in MEASURES if key != "shrunk"}
    lines, base = table(ratios), without(rows)
    text = (
        pages()
        .from_string(PAGE)
        .render(
            title=title,
            sentence=sentence(ratios),
            rule=RULE,
            noise=noise,
            figures=drawn,
            captions=CAPTIONS,
            columns=[("variant", "Reg-M", False), size, *columns_of(LABELS)],
            rows=lines,
            base_columns=[size, *columns_of(absolute), *((key, label, True) for key, label in LINEAR.items())],
            base=base,
        )
    )
    path.write_text(text, encoding="utf-8")
    print(sentence(ratios))
    for name, listed, labels in (("ratios", lines, LABELS), ("without", base, absolute)):
        print(f"\n| {name} | structures | {' | '.join(labels.values())} |")
        for row in listed:
            cells = [plus_minus(row[key], row[f"{key}_se"]) for key in labels]
            print(f"| {row.get('variant', '')} | {row['size']} | {' | '.join(cells)} |")
    print({key: [round(row[key], 4) for row in base] for key in LINEAR})
