"""The part of the report on rounds of active learning: its figure, its sentence and its rows."""

import re
from collections.abc import Mapping
from typing import Any

from pesforge.report import svg
from pesforge.report.figures import legend_below, panels, present
from pesforge.report.text import number

Row = Mapping[str, Any]
NAME = "learn"
ARMS = (("active", "chosen labels", svg.BLUE, "o", "-"), ("random", "random labels", svg.VERMILLION, "s", "--"))
DRAWN = (
    ("energy_mae_mev_per_atom", "energy MAE (meV/atom)"),
    ("force_rmse_ev_per_ang", "force RMSE (eV/Å)"),
)


def figure(evidence: Row) -> str:
    """Errors on the exam against the number of labels, by choice beside at random, with the tolerances of the stop."""
    with svg.drawing(NAME):
        drawing, axes = panels(len(DRAWN), 3.2)
        for panel, (key, label) in zip(axes, DRAWN, strict=True):
            for arm, words, color, marker, line in ARMS:
                found = [row[arm] for row in evidence["exams"] if row[arm]]
                labels, errors = present(found, "labels", key)
                if labels:
                    style: dict[str, Any] = {"color": color, "marker": marker, "linestyle": line, "linewidth": 1.2}
                    panel.plot(labels, errors, label=words, **style)
            panel.axhline(evidence["tolerances"][key], color=svg.GREEN, linestyle=":", label="tolerance")
            panel.set_xlabel("labels of the fit")
            panel.set_ylabel(label)
            svg.log_axis(panel, "y")
            svg.few_ticks(panel)
        legend_below(drawing, axes[0])
        return svg.to_svg(drawing, NAME, "Errors on the exam against the number of labels, chosen and random")


def message(evidence: Row) -> str:
    """How the last exam of chosen labels compares with that of as many random ones, and why the rounds ended."""
    last = evidence["exams"][-1]
    ended = evidence["why"][:1].upper() + evidence["why"][1:]
    if not last["round"] or not last["random"]:
        return ended
    ratios = [
        f"{words} {number(last['active'][key] / last['random'][key], 3)}"
        for key, words in (("energy_mae_mev_per_atom", "energy"), ("force_rmse_ev_per_ang", "force"))
        if last["active"][key] is not None and last["random"][key]
    ]
    return f"{ended}. Errors over those of as many random labels: {', '.join(ratios)}"


def rows(evidence: Row | None) -> dict[str, Any]:
    """Rows of the tables: exams of both arms, picks with their gains, drafts, and all runs."""
    if evidence is None:
        return {}
    exams = [
        {
            "round": row["round"],
            "arm": words,
            "seconds": row[f"{arm}_seconds"],
            **row[arm],
            "misses": ", ".join(map(_quantity, row["misses"])) or "none" if arm == "active" else None,
        }
        for row in evidence["exams"]
        for arm, words, *_ in ARMS
        if row[arm]
    ]
    picks = [
        {"round": row["round"], "place": place, **pick, "random": "yes" if pick["id"] in row["control"] else "no"}
        for row in evidence["rounds"]
        for place, pick in enumerate(row["picks"], start=1)
    ]
    told = [(row["round"], row["runs"]) for row in evidence["rounds"]]
    runs = [{"round": place, **run} for place, given in [("exam", evidence["exam"]["runs"]), *told] for run in given]
    drafts = [{"round": row["round"], "candidates": row["candidates"], **row["draft"]} for row in evidence["rounds"]]
    tables = {"learn_exams": exams, "learn_picks": picks, "learn_drafts": drafts, "learn_runs": runs}
    return {**tables, "learn_message": message(evidence)}


def _quantity(missed: str) -> str:
    """The quantity of a tolerance that is not met, without its numbers, which stand in the columns beside it."""
    return re.split(r" (?=[\d(]|not measured|nan|inf)", missed, maxsplit=1)[0]
