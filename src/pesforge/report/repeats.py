"""The part of the report on failed and repeated reference calculations: its figure, its sentence and its rows."""

from collections.abc import Mapping
from typing import Any

from matplotlib.ticker import MaxNLocator

from pesforge.report import svg
from pesforge.report.figures import legend_below, panels
from pesforge.report.text import number, quantity

Row = Mapping[str, Any]
AGAIN = 1
"""A label that failed and then came at attempt 1: in a later run, or because the calculation was killed."""
OUTCOMES = ("attempt 2", "attempt 3 or more", "the same again", "failed for good")
STYLES = ((svg.BLUE, ""), (svg.SKY, "////"), (svg.GREEN, "...."), (svg.VERMILLION, "xxxx"))
"""Colour and hatch of each outcome."""


def outcomes(kind: Row) -> tuple[int, int, int, int]:
    """How many labels of a kind of failure ended in each of `OUTCOMES`."""
    cured = {int(attempt): count for attempt, count in kind["cured_by_attempt"].items()}
    later = sum(count for attempt, count in cured.items() if attempt > 2)
    return cured.get(2, 0), later, cured.get(AGAIN, 0), kind["failed"]


def figure(repeats: Row) -> str:
    """What became of the labels that failed at first, by kind of failure."""
    kinds = [kind for kind in repeats["kinds"] if kind["failed_at_first"]]
    with svg.drawing("repeats"):
        drawing, (panel,) = panels(1, 1.3 + 0.3 * len(kinds))
        left = [0] * len(kinds)
        for index, (name, (color, hatch)) in enumerate(zip(OUTCOMES, STYLES, strict=True)):
            counts = [outcomes(kind)[index] for kind in kinds]
            label = name if index == len(OUTCOMES) - 1 else f"cured by {name}"
            panel.barh(
                range(len(kinds)),
                counts,
                left=left,
                facecolor=color,
                hatch=hatch,
                edgecolor=svg.INK,
                linewidth=0.6,
                height=0.6,
                label=label,
            )
            left = [start + count for start, count in zip(left, counts, strict=True)]
        for index, total in enumerate(left):
            panel.annotate(
                str(total), (total, index), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
            )
        panel.set_yticks(range(len(kinds)), [quantity(kind["kind"]) for kind in kinds])
        panel.invert_yaxis()
        panel.grid(False, axis="y")
        panel.set_xlabel("labels whose first failure was of this kind")
        panel.set_xlim(0, 1.12 * max(left, default=1))
        panel.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        legend_below(drawing, panel, columns=4)
        return svg.to_svg(
            drawing, "repeats", "Labels that failed at first, by kind of failure and by what became of them"
        )


def message(repeats: Row) -> str:
    """How many labels failed at first, how many of them are there now, and what that cost."""
    if not repeats["failed_at_first"]:
        return f"none of {repeats['requested']} labels failed"
    first, lost = f"{repeats['failed_at_first']} of {repeats['requested']}", number(repeats["seconds_lost"])
    ends = f"{repeats['cured']} were cured, {repeats['failed']} failed for good"
    return f"{first} labels failed at first, {ends}; {lost} s lost"


def rows(repeats: Row) -> dict[str, list[dict[str, Any]]]:
    """Rows of the tables: kinds that occurred, with a column per outcome; attempts; labels."""
    kinds = [
        {
            **kind,
            "kind": quantity(kind["kind"]),
            **{f"outcome_{index}": count for index, count in enumerate(outcomes(kind))},
        }
        for kind in repeats["kinds"]
        if kind["failed_at_first"]
    ]
    labels = [{**label, "kind": quantity(label["kind"]), "end": _end(label)} for label in repeats["labels"]]
    return {
        "repeat_kinds": kinds,
        "failed_labels": [label for label in labels if not label["labelled"]],
        "cured_labels": [label for label in labels if label["labelled"]],
    }


def _end(label: Row) -> str:
    """What gave a label that had failed."""
    if label["cured_by"] in (None, AGAIN):
        return "the same again" if label["labelled"] else "none"
    return f"attempt {label['cured_by']}"
