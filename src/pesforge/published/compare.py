"""Our errors beside the published ones: the rows of the table, and what may be said about each element."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pesforge.published.mlearn import CITATION, COMMIT, LICENCE, PUBLISHED, REPOSITORY, TITLE
from pesforge.published.settings import SPLITS, PublishedStudy, Target

OURS = "pesforge"
WITHOUT_COPIES = "pesforge, without copies"
KINDS = {
    "energy": ("energy_mae_mev_per_atom", "meV/atom"),
    "force": ("force_mae_ev_per_ang", "eV/Å"),
}
TIE = 1e-9
"""Below any printed digit: rounding ranges that only touch do not overlap."""


@dataclass(frozen=True)
class Value:
    """A number and how far rounding may have moved it.

    Args:
        value: as it was printed, or as it was computed.
        rounding: half a unit of the last digit; 0 for a number of our own.
        text: as it was printed; None for a number of our own.
    """

    value: float
    rounding: float = 0.0
    text: str | None = None


def printed(text: str) -> Value:
    """A published number with the rounding that its digits imply."""
    return Value(float(text), 0.5 * 10.0 ** -len(text.partition(".")[2]), text)


def standing(value: float, others: Sequence[Value]) -> str:
    """Where a number stands: `lower` than all others however they were rounded, `higher` than one, or `equal`.

    `equal` means that the printed digits of the others do not decide.
    """
    if value < min(other.value - other.rounding for other in others):
        return "lower"
    return "higher" if value > min(other.value + other.rounding for other in others) else "equal"


def _best(values: Mapping[str, Value]) -> list[str]:
    """Names of the values that may be the lowest, as far as their digits tell."""
    first = min(values.values(), key=lambda value: value.value + value.rounding)
    highest = first.value + first.rounding - TIE
    return [name for name, value in values.items() if value is first or value.value - value.rounding < highest]


def _published(element: str, kind: str) -> dict[str, Value]:
    place = list(KINDS).index(kind)
    return {row.potential: printed(row.values[element][place]) for row in PUBLISHED}


def _cell(element: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Our errors of one element with their intervals, and which may be the lowest of the column."""
    cell: dict[str, Any] = {"element": element}
    for kind, (key, _) in KINDS.items():
        best = _best({OURS: Value(metrics["test"][key]), **_published(element, kind)})
        cell |= {
            key: metrics["test"][key],
            f"{kind}_printed": None,
            f"{kind}_interval_90": metrics["test_intervals_90"][key],
            f"{kind}_best": OURS in best,
        }
    return cell


def _cell_without_copies(element: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The same without the test structures that are copies; nulls where there are none."""
    found = metrics.get("test_without_copies")
    cell: dict[str, Any] = {"element": element}
    for kind, (key, _) in KINDS.items():
        cell |= {
            key: None if found is None else found[key],
            f"{kind}_printed": None,
            f"{kind}_interval_90": None,
            f"{kind}_best": False,
        }
    return cell


def _published_cell(potential: str, element: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
    cell: dict[str, Any] = {"element": element}
    for kind, (key, _) in KINDS.items():
        values = _published(element, kind)
        best = _best({OURS: Value(metrics["test"][key]), **values})
        cell |= {
            key: values[potential].value,
            f"{kind}_printed": values[potential].text,
            f"{kind}_interval_90": None,
            f"{kind}_best": potential in best,
        }
    return cell


def rows(metrics: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the table: ours, ours without copied test structures, and the published potentials.

    Args:
        metrics: content of `metrics.json` of each fitted element.
    """
    own = "fitted here, chosen on the training structures alone"
    table = [
        {
            "potential": OURS,
            "ours": True,
            "source": own,
            "cells": [_cell(element, found) for element, found in metrics.items()],
        },
        {
            "potential": WITHOUT_COPIES,
            "ours": True,
            "source": "the same, test structures left out that are rotated copies of training structures",
            "cells": [_cell_without_copies(element, found) for element, found in metrics.items()],
        },
    ]
    return table + [
        {
            "potential": row.potential,
            "ours": False,
            "source": row.source,
            "cells": [_published_cell(row.potential, element, found) for element, found in metrics.items()],
        }
        for row in PUBLISHED
    ]


def verdict(element: str, metrics: Mapping[str, Any], target: Target | None) -> dict[str, Any]:
    """What may be said about one element: `good`, a `sentence`, and `notes` that qualify it.

    `good` is False where a published error, or the target, is lower than ours.

    Args:
        element: chemical symbol.
        metrics: content of its `metrics.json`.
        target: errors that the study aims at; None: none.
    """
    places, misses, notes = {}, [], []
    for kind, (key, unit) in KINDS.items():
        value, published = metrics["test"][key], _published(element, kind)
        places[kind] = standing(value, list(published.values()))
        lowest = min(other.value for other in published.values())
        names = [name for name, other in published.items() if other.value == lowest]
        known = f"{' and '.join(names)} {published[names[0]].text}"
        wanted = None if target is None else {"energy": target.energy_mev_per_atom, "force": target.force_ev_per_ang}
        beyond = [f"published {known}"] if places[kind] == "higher" else []
        if wanted is not None and value > wanted[kind]:
            beyond.append(f"target {wanted[kind]:g}")
        if beyond:
            misses.append(f"{kind} {short(value)} {unit} ({', '.join(beyond)})")
        if places[kind] == "equal":
            notes.append(f"the digits of the published {kind} error ({known} {unit}) do not say which is lower")
        low, high = metrics["test_intervals_90"][key]
        if low <= lowest <= high:
            notes.append(f"the lowest published {kind} error ({known}) lies inside the 90 % interval of ours")
    apart = metrics.get("test_without_copies")
    if apart is not None:
        ours = " / ".join(f"{short(apart[key])} {unit}" for key, unit in KINDS.values())
        notes.append(f"without copied test structures ours are {ours}; the published errors include these structures")
    lower = [kind for kind, place in places.items() if place == "lower"]
    said = f"lower than all published in {' and '.join(lower)}" if lower else ""
    equal = [kind for kind, place in places.items() if place == "equal"]
    if equal:
        said += f"{', ' if said else ''}level with the best published in {' and '.join(equal)}"
    missed = f"misses: {'; '.join(misses)}" if misses else ""
    return {
        "element": element,
        "good": not misses,
        "lower_in": lower,
        "sentence": "; ".join(part for part in (said, missed) if part),
        "notes": notes,
    }


def evidence(
    study: PublishedStudy, metrics: Mapping[str, Mapping[str, Any]], labels: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Everything that the page of the study shows but its times and its provenance.

    Args:
        study: settings.
        metrics: content of `metrics.json` by element.
        labels: what `pesforge.published.labels.prepare` returned, by element.
    """
    targets = {target.element: target for target in study.published.targets}
    verdicts = [verdict(element, found, targets.get(element)) for element, found in metrics.items()]  # type: ignore[call-overload]
    fits = [
        {
            "element": element,
            "n_training": found["n_structures"]["train"],
            "n_test": found["n_structures"]["test"],
            "n_copies": found["n_structures"]["test"]
            - found.get("test_without_copies", {"n_structures": found["n_structures"]["test"]})["n_structures"],
            "n_functions": found["n_functions"],
            "choice": found["choice"]["text"],
        }
        for element, found in metrics.items()
    ]
    return {
        "set": {"name": TITLE, "citation": CITATION, "licence": LICENCE, "repository": REPOSITORY, "commit": COMMIT},
        "downloaded": study.published.folder is None,
        "model": study.model,
        "functions": study.functions,
        "rows": rows(metrics),
        "verdicts": verdicts,
        "fits": fits,
        "labels": [
            {"element": element, "split": split, **found[split]}
            for element, found in labels.items()
            for split in SPLITS
        ],
    }


def long_table(table: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row per potential and element, for a CSV file.

    Args:
        table: of `rows`.
    """
    long = []
    for row in table:
        for cell in row["cells"]:
            line: dict[str, Any] = {"potential": row["potential"], "element": cell["element"]}
            for kind, (key, _) in KINDS.items():
                low, high = cell[f"{kind}_interval_90"] or (None, None)
                line |= {key: cell[key], f"{key}_low_90": low, f"{key}_high_90": high}
            long.append(line | {"source": row["source"]})
    return long


def text_table(table: Sequence[Mapping[str, Any]], verdicts: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table in lines for the terminal: energy in meV/atom / force in eV/Å, test MAE, then the verdicts."""
    elements = [cell["element"] for cell in table[0]["cells"]]
    width = max(len(row["potential"]) for row in table) + 2
    lines = [" " * width + "".join(f"{element:>16}" for element in elements)]
    for row in table:
        texts = []
        for cell in row["cells"]:
            parts = [cell[f"{kind}_printed"] or short(cell[key]) for kind, (key, _) in KINDS.items()]
            texts.append("the same" if cell["energy_mae_mev_per_atom"] is None else " / ".join(parts))
        lines.append(f"{row['potential']:<{width}}" + "".join(f"{text:>16}" for text in texts))
    return [*lines, *(f"{item['element']}: {item['sentence']}" for item in verdicts)]


def short(value: float | None) -> str:
    """A number of our own with three significant digits; nothing for null."""
    return "" if value is None else f"{value:#.3g}"
