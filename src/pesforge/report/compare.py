"""The page that shows two studies or two potentials side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pesforge.report import figures_compare
from pesforge.report.evidence import SHAPE as STUDY_SHAPE
from pesforge.report.page import pages

Row = Mapping[str, Any]
SHAPE = {stage: STUDY_SHAPE[stage] for stage in ("converge", "label", "choose", "validate", "provenance")} | {
    "cost": {
        "stages": [dict.fromkeys(("stage", "seconds"))],
        **dict.fromkeys(("dft_seconds", "total_seconds", "dft_share")),
    }
}
"""Evidence of a study that is compared; studies of earlier versions have it too."""
ERRORS = (
    ("energy_rmse_mev_per_atom", "energy RMSE (meV/atom)"),
    ("energy_mae_mev_per_atom", "energy MAE (meV/atom)"),
    ("force_rmse_ev_per_ang", "force RMSE (eV/Å)"),
    ("force_mae_ev_per_ang", "force MAE (eV/Å)"),
    ("stress_rmse_gpa", "stress RMSE (GPa)"),
    ("stress_mae_gpa", "stress MAE (GPa)"),
)
PROPERTIES = ("accuracy", "symmetry", "derivatives", "labels")
"""Groups of checks that are no properties of the crystal."""
SECTIONS = (
    ("verdict", "Verdicts"),
    ("differences", "What differs"),
    ("errors", "Held-out errors"),
    ("same", "Errors on the same structures"),
    ("properties", "Properties"),
    ("data", "Data"),
    ("cost", "Cost"),
)
OF_STUDIES = {"verdict", "properties", "cost"}


def render_comparison(sides: Sequence[Row], judged: Row | None) -> str:
    """The comparison as one HTML page that needs no network; equal input gives equal bytes.

    Args:
        sides: two mappings with `name`, `model` (kind, metadata, sha256 of the potential), `settings` by path and
            `evidence` of the stages in `SHAPE`; both are empty for potentials without their study.
        judged: both potentials on the same structures: `file`, `n_structures`, `families`, and pairs `errors`,
            `by_family`, `energy_ev_per_atom`, `force_ev_per_ang`; None: they were not judged.
    """
    names = [str(one["name"]) for one in sides]
    studies = bool(sides[0]["evidence"])
    shown = {anchor for anchor, _ in SECTIONS if (studies or anchor not in OF_STUDIES) and (judged or anchor != "same")}
    drawn: dict[str, Markup] = {}
    if studies and all(one["evidence"]["validate"]["eos"] for one in sides):
        drawn["eos"] = Markup(figures_compare.curves(names, [one["evidence"]["validate"]["eos"] for one in sides]))
    if judged:
        drawn["parity"] = Markup(figures_compare.parity(names, judged))
    return (
        pages()
        .get_template("compare.html.j2")
        .render(
            names=names,
            sides=sides,
            studies=studies,
            judged=judged,
            figures=drawn,
            sections=[section for section in SECTIONS if section[0] in shown],
            facts=facts(sides),
            settings_rows=settings(sides),
            held_out=_errors([one["model"]["metadata"].get("errors", {}) for one in sides]),
            how=[str(one["model"]["metadata"].get("held_out", "not stated")) for one in sides],
            family_errors=_by_family([one["evidence"]["validate"]["by_family"] for one in sides]) if studies else [],
            judged_errors=_errors(judged["errors"]) if judged else [],
            judged_families=_by_family(judged["by_family"]) if judged else [],
            properties=properties(sides) if studies else [],
            data_rows=data(sides),
            cost_rows=cost(sides) if studies else [],
            headline=headline(names, sides, judged),
        )
    )


def headline(names: Sequence[str], sides: Sequence[Row], judged: Row | None) -> str:
    """Which of the two has the lower errors, on the same structures where there are some."""
    found = judged["errors"] if judged else [one["model"]["metadata"].get("errors", {}) for one in sides]
    rows = [row for row in _errors(found) if "RMSE" in row["quantity"] and row["ratio"] is not None]
    where = (
        f"on the {judged['n_structures']} structures of {judged['file']}"
        if judged
        else "on held-out structures, each on its own"
    )
    lower = [
        ", ".join(row["quantity"].split()[0] for row in rows if (row["ratio"] < 1) is second and row["ratio"] != 1)
        for second in (False, True)
    ]
    parts = [f"{name} has the lower error of {kinds}" for name, kinds in zip(names, lower, strict=True) if kinds]
    return f"{'; '.join(parts)} — {where}" if parts else "No error tells the two apart"


def ratio(first: float | None, second: float | None) -> float | None:
    """The second over the first; None where either is missing or the first is zero."""
    return None if first is None or second is None or not first else second / first


def _row(quantity: str, first: Any, second: Any) -> dict[str, Any]:
    return {"quantity": quantity, "first": first, "second": second}


def _errors(found: Sequence[Row]) -> list[dict[str, Any]]:
    rows = [_row(words, found[0].get(key), found[1].get(key)) for key, words in ERRORS]
    return [
        {**row, "ratio": ratio(row["first"], row["second"])}
        for row in rows
        if row["first"] is not None or row["second"] is not None
    ]


def _by_family(found: Sequence[Sequence[Row]]) -> list[dict[str, Any]]:
    """RMSE of every family of either side."""
    sides = [{str(row["family"]): row for row in rows} for rows in found]
    return [
        {"family": family, **row}
        for family in dict.fromkeys([*sides[0], *sides[1]])
        for row in _errors([one.get(family, {}) for one in sides])
        if "RMSE" in row["quantity"]
    ]


def facts(sides: Sequence[Row]) -> list[dict[str, Any]]:
    """Kind, size and digests of both, and whether they are the same."""
    found = [_facts(one) for one in sides]
    return [
        {**_row(key, found[0].get(key), found[1].get(key)), "same": found[0].get(key) == found[1].get(key)}
        for key in dict.fromkeys([*found[0], *found[1]])
    ]


def _facts(one: Row) -> dict[str, Any]:
    model, evidence = one["model"], one["evidence"]
    rows: dict[str, Any] = {"kind of the potential": model["kind"]}
    if evidence:
        provenance = evidence["provenance"]
        rows |= {
            "formula": provenance["formula"],
            "settings of the study": provenance["study_hash"],
            "settings of the reference": provenance["settings_hash"],
            "seed": provenance["seed"],
        }
    rows |= {str(key): value for key, value in model["metadata"].get("method", {}).items()}
    return rows | {f"file {name}": digest[:16] for name, digest in model["sha256"].items()}


def settings(sides: Sequence[Row]) -> list[dict[str, Any]]:
    """Settings that differ."""
    first, second = (one["settings"] for one in sides)
    return [
        _row(key, first.get(key), second.get(key))
        for key in dict.fromkeys([*first, *second])
        if first.get(key) != second.get(key)
    ]


def properties(sides: Sequence[Row]) -> list[dict[str, Any]]:
    """Properties of the crystal by both potentials, beside the reference of each, and how far each is off."""
    found = [
        {check["name"]: check for check in one["evidence"]["validate"]["checks"] if check["group"] not in PROPERTIES}
        for one in sides
    ]
    rows = []
    for name in dict.fromkeys([*found[0], *found[1]]):
        row: dict[str, Any] = {"name": name}
        for which, checks in zip(("first", "second"), found, strict=True):
            check = checks.get(name)
            row["unit"] = check["unit"] if check else row.get("unit")
            row["deviation_unit"] = check["deviation_unit"] if check else row.get("deviation_unit")
            for key in ("value", "reference", "deviation"):
                row[f"{key}_{which}"] = check[key] if check else None
        rows.append(row)
    return rows


def data(sides: Sequence[Row]) -> list[dict[str, Any]]:
    """Labels by family; of a potential alone what it says of its data."""
    if sides[0]["evidence"]:
        first, second = (one["evidence"]["label"]["by_family"] for one in sides)
    else:
        first, second = (one["model"]["metadata"].get("data", {}) for one in sides)
    return [_row(key, first.get(key), second.get(key)) for key in dict.fromkeys([*first, *second])]


def cost(sides: Sequence[Row]) -> list[dict[str, Any]]:
    """Seconds of all stages, of DFT and in total."""
    costs = [one["evidence"]["cost"] for one in sides]
    stages = [{row["stage"]: row["seconds"] for row in found["stages"]} for found in costs]
    rows = [
        _row(f"stage {name}", *(one.get(name) for one in stages)) for name in dict.fromkeys([*stages[0], *stages[1]])
    ]
    rows += [
        _row(words, *(found[key] for found in costs))
        for key, words in (("dft_seconds", "DFT"), ("total_seconds", "total"))
    ]
    return [{**row, "ratio": ratio(row["first"], row["second"])} for row in rows]
