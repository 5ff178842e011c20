"""The part of the report on rounds of active learning: its figure, its sentence and its rows."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pesforge.report import svg
from pesforge.report.evidence_optional import FIGURES
from pesforge.report.figures import legend_below, panels
from pesforge.report.text import number

Row = Mapping[str, Any]
NAME, COST = "learn", "learn-cost"
TINY = 1e-12
"""Errors are no smaller than this in a geometric mean."""
DRAWN = (
    ("energy_mae_mev_per_atom", "energy MAE (meV/atom)"),
    ("force_rmse_ev_per_ang", "force RMSE (eV/Å)"),
)
CHOSEN, RANDOM = "chosen labels", "random labels"


def figures(evidence: Row) -> dict[str, str]:
    """Errors on the last exam against labels and against DFT time, by choice and at random, with the tolerances.

    Random labels are drawn by the geometric mean over their draws, and the range of these. Nothing without a curve.
    """
    curve = evidence["curve"]
    if not curve:
        return {}
    labels = [(row["active"]["labels"], _mean([one["labels"] for one in row["random"]])) for row in curve]
    minutes = [(row["active_seconds"] / 60, _mean(row["random_seconds"]) / 60) for row in curve]
    return {
        NAME: _curves(evidence, NAME, labels, "labels of the fit"),
        COST: _curves(evidence, COST, minutes, "DFT of the labels of the rounds (min)"),
    }


def _mean(found: Sequence[float]) -> float:
    return sum(found) / len(found) if found else 0.0


def _curves(evidence: Row, name: str, places: Sequence[tuple[float, float]], along: str) -> str:
    """The figure of one axis; `places` on it are those of chosen and of random labels by round."""
    with svg.drawing(name):
        drawing, axes = panels(len(DRAWN), 3.2)
        for panel, (key, label) in zip(axes, DRAWN, strict=True):
            rows = list(zip(places, evidence["curve"], strict=True))
            own = [(place, row["active"][key]) for (place, _), row in rows if row["active"][key] is not None]
            if own:
                panel.plot(*zip(*own, strict=True), label=CHOSEN, color=svg.BLUE, marker="o", linewidth=1.2)
            draws = [(place, _present(row["random"], key)) for (_, place), row in rows]
            spans = [(place, *_span(found)) for place, found in draws if found]
            if spans:
                at, low, middle, high = zip(*spans, strict=True)
                style: dict[str, Any] = {"color": svg.VERMILLION, "marker": "s", "linestyle": "--", "linewidth": 1.2}
                panel.plot(at, middle, label=RANDOM, **style)
                panel.fill_between(at, low, high, color=svg.VERMILLION, alpha=0.2, linewidth=0)
            panel.axhline(evidence["tolerances"][key], color=svg.GREEN, linestyle=":", label="tolerance")
            panel.set_xlabel(along)
            panel.set_ylabel(label)
            svg.log_axis(panel, "y")
            svg.few_ticks(panel)
        legend_below(drawing, axes[0])
        return svg.to_svg(drawing, name, f"Errors on the exam against {along}, chosen and random")


def _present(rows: Sequence[Row], key: str) -> list[float]:
    return [row[key] for row in rows if row[key] is not None]


def _span(found: Sequence[float]) -> tuple[float, float, float]:
    """The least, the geometric mean and the largest of some errors."""
    return min(found), float(np.exp(np.mean(np.log(np.maximum(found, TINY))))), max(found)


def message(evidence: Row) -> str:
    """How errors after the last round compare with those of as many random labels, and why the rounds ended."""
    ended = evidence["why"][:1].upper() + evidence["why"][1:]
    last = evidence["curve"][-1] if evidence["curve"] else None
    if last is None or not last["round"] or not last["random"]:
        return ended
    ratios = []
    for key, words in (("energy_mae_mev_per_atom", "energy"), ("force_rmse_ev_per_ang", "force")):
        own, others = last["active"][key], _present(last["random"], key)
        if own is not None and others:
            low, middle, high = (number(own / other, 3) for other in reversed(_span(others)))
            ratios.append(f"{words} {middle}" + (f" ({low}–{high})" if len(others) > 1 else ""))
    many = len(last["random"])
    draws = f" (mean and range of {many} draws)" if many > 1 else ""
    return f"{ended}. Errors over those of as many random labels{draws}: {', '.join(ratios)}"


def rows(evidence: Row | None) -> dict[str, Any]:
    """Rows of the tables: exams, the learning curve of every arm, picks with their gains, drafts, and all runs."""
    if evidence is None:
        return {}
    exams = [
        {
            "round": row["round"],
            **dict.fromkeys(FIGURES),
            **(row["figures"] or {}),
            "misses": ", ".join(map(_quantity, row["misses"])) or "none",
        }
        for row in evidence["exams"]
    ]
    curve = []
    for row in evidence["curve"]:
        arms = [(CHOSEN, row["active"], row["active_seconds"])]
        many = zip(row["random"], row["random_seconds"], strict=True)
        if row["round"]:
            arms += [(f"{RANDOM}, draw {draw}", found, seconds) for draw, (found, seconds) in enumerate(many, start=1)]
        curve += [{"round": row["round"], "arm": arm, "seconds": spent, **found} for arm, found, spent in arms]
    picks = [
        {"round": row["round"], "place": place, **pick, "random": sum(pick["id"] in draw for draw in row["control"])}
        for row in evidence["rounds"]
        for place, pick in enumerate(row["picks"], start=1)
    ]
    runs = [{**run, "purpose": "exam"} for run in evidence["exam"]["runs"]]
    for row in evidence["rounds"]:
        runs += [{"round": row["round"], **run, "purpose": "candidates"} for run in row["runs"]]
    drafts = [{"round": row["round"], "candidates": row["candidates"], **row["draft"]} for row in evidence["rounds"]]
    return {
        "learn_exams": exams,
        "learn_curve": curve,
        "learn_picks": picks,
        "learn_drafts": drafts,
        "learn_runs": sorted(runs, key=lambda run: run["round"]),
        "learn_message": message(evidence),
    }


def _quantity(missed: str) -> str:
    """The quantity of a tolerance that is not met, without its numbers, which stand in the columns beside it."""
    return re.split(r" (?=[\d(]|not measured|without|nan|inf)", missed, maxsplit=1)[0]
