"""The page of a study of a published table: our errors beside the published ones."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pesforge.report import text
from pesforge.report.evidence_published import PUBLISHED_SHAPE
from pesforge.report.figures_published import energy_against_force
from pesforge.report.page import pages
from pesforge.report.schema import require

Row = Mapping[str, Any]
SECTIONS = (
    ("verdict", "Verdict"),
    ("table", "Table"),
    ("plane", "Energy and force"),
    ("data", "Data and fits"),
    ("provenance", "Provenance"),
)


def error_key(kind: str) -> str:
    """Key of the error of a kind of labels."""
    return "energy_mae_mev_per_atom" if kind == "energy" else "force_mae_ev_per_ang"


def cell_text(cell: Row, kind: str) -> str:
    """An error as it was published, or with three significant digits; a dash where there is none."""
    key = error_key(kind)
    if cell[key] is None:
        return text.MISSING
    return str(cell[f"{kind}_printed"] or f"{cell[key]:#.3g}")


def interval_text(cell: Row, kind: str) -> str:
    """A 90 % interval; nothing where there is none."""
    found = cell[f"{kind}_interval_90"]
    return "" if found is None else f"{found[0]:#.2g}–{found[1]:#.2g}"


def headline(verdicts: Sequence[Row]) -> str:
    """How many elements are without a miss, and which have one."""
    missed = [str(item["element"]) for item in verdicts if not item["good"]]
    total = len(verdicts)
    if not missed:
        return f"No miss in {total} element{'s' if total > 1 else ''}"
    return f"{total - len(missed)} of {total} elements without a miss; misses in {', '.join(missed)}"


def plane_message(verdicts: Sequence[Row]) -> str:
    """What the figure shows."""
    both = [str(item["element"]) for item in verdicts if set(item["lower_in"]) == {"energy", "force"}]
    if both:
        return f"Lower than every published potential in both errors: {', '.join(both)}"
    return "No element is lower than every published potential in both errors beyond their rounding"


def _seconds(cost: Row) -> dict[str, float]:
    """Times of one fit for people: more digits would be noise."""
    return {key: round(float(cost[key]), 1) for key in ("cpu_seconds", "wall_seconds")}


def render_published(evidence: Row) -> str:
    """The page as HTML that needs no network; equal evidence gives equal bytes.

    Args:
        evidence: `published`, `cost` and `provenance`; keys in `pesforge.report.evidence_published`.

    Raises:
        DataError: a key is missing.
    """
    require(dict(evidence), PUBLISHED_SHAPE)
    published, cost = evidence["published"], {row["element"]: row for row in evidence["cost"]["fits"]}
    return (
        pages()
        .get_template("published.html.j2")
        .render(
            **evidence,
            sections=SECTIONS,
            headline=headline(published["verdicts"]),
            good=all(item["good"] for item in published["verdicts"]),
            plane_message=plane_message(published["verdicts"]),
            figures={"plane": Markup(energy_against_force(published["rows"]))},
            fit_rows=[{**row, **_seconds(cost[row["element"]])} for row in published["fits"]],
            cell_text=cell_text,
            error_key=error_key,
            interval_text=interval_text,
        )
    )
