"""The report: one self-contained HTML page from the evidence of all stages."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pesforge.report import figures, figures_driven, figures_fit, text
from pesforge.report.schema import DRIVE_SHAPE, require

Row = Mapping[str, Any]
DYNAMICS = dict.fromkeys(("moved_bonds", "diffusion_ang2_per_ps"))
"""What not every run of molecular dynamics measures."""
SECTIONS = (
    ("verdict", "Verdict"),
    ("convergence", "Convergence"),
    ("data", "Data"),
    ("driven", "Driven structures"),
    ("crossvalidation", "Cross-validation"),
    ("choice", "Sweep and choice"),
    ("validation", "Validation"),
    ("failures", "Failures"),
    ("cost", "Cost"),
    ("provenance", "Provenance"),
)


def draw(evidence: Row) -> dict[str, Markup]:
    """All figures that the evidence allows, by name, as inline SVG."""
    sample, validate = evidence["sample"], evidence["validate"]
    drawn = {
        "crossvalidation": figures_fit.crossvalidation(evidence["crossvalidate"]["grid"]),
        "parity": figures_fit.parity(evidence["crossvalidate"]["parity"]),
        "pareto": figures_fit.pareto(evidence["choose"]["candidates"]),
        "by-family": figures_fit.errors_by_family(validate["by_family"]),
        "cost": figures.cost(evidence["cost"]),
    }
    for index, scan in enumerate(evidence["converge"]["scans"]):
        name = f"converge-{index}"
        drawn[name] = figures.convergence(scan, evidence["converge"]["targets"], name)
    if sample["thermal"]:
        drawn["thermal"] = figures.thermal(sample, evidence["label"])
    if sample["strain"]:
        drawn["strain"] = figures.strain(sample)
    if validate["by_force"]:
        drawn["by-force"] = figures.errors_by_force(validate["by_force"])
    if validate["eos"]:
        drawn["eos"] = figures_fit.equation_of_state(validate["eos"])
    if validate["elastic_gpa"]:
        drawn["elastic"] = figures_fit.elastic(validate["elastic_gpa"])
    phases = [run for run in evidence["drive"]["runs"] if run["rdf"]] if evidence["drive"] else []
    if phases:
        drawn[figures_driven.NAME] = figures_driven.radial_distribution(phases)
    return {name: Markup(svg) for name, svg in drawn.items()}


def _tables(evidence: Row) -> dict[str, Any]:
    """Rows of the tables that join two parts of the evidence."""
    sample, label, validate = evidence["sample"], evidence["label"], evidence["validate"]
    driven = evidence["drive"] or {"families": {}, "runs": []}
    sampled = dict(sample["families"])
    for name, count in driven["families"].items():
        sampled[name] = sampled.get(name, 0) + count
    before, after = (evidence["curate"]["coverage"][when] for when in ("before", "after"))
    eos, elastic, phonon = validate["eos"], validate["elastic_gpa"], validate["phonon_thz"]
    return {
        "families": [
            {"family": name, "sampled": count, "labelled": label["by_family"].get(name)}
            for name, count in sampled.items()
        ],
        "dynamics": [{**DYNAMICS, **run} for run in driven["runs"] if run["temperature_k"] is not None],
        "relaxations": [run for run in driven["runs"] if run["temperature_k"] is None],
        "coverage": [
            {"measure": text.quantity(key), "before": before.get(key), "after": after.get(key)}
            for key in sorted({*before, *after})
        ],
        "eos_rows": [
            {"volume": volume, "dft": dft, "potential": potential}
            for volume, dft, potential in zip(
                eos["volume_ang3_per_atom"], eos["dft_ev_per_atom"], eos["potential_ev_per_atom"], strict=True
            )
        ]
        if eos
        else [],
        "elastic_rows": _side_by_side(elastic["dft"], elastic["potential"]) if elastic else [],
        "phonon_rows": _side_by_side(_named(phonon["dft"]), _named(phonon["potential"])) if phonon else [],
        "force_rows": [{**row, "range": figures.force_range(row)} for row in validate["by_force"]],
    }


def _named(values: Any) -> Row:
    """Numbers of a list, a mapping or a single one, by name."""
    if isinstance(values, Mapping):
        return values
    if isinstance(values, list | tuple):
        return {f"mode {index + 1}": value for index, value in enumerate(values)}
    return {"optical mode at Γ": values}


def _side_by_side(dft: Row, potential: Row) -> list[dict[str, Any]]:
    names = sorted({*dft, *potential})
    return [{"name": name, "dft": dft.get(name), "potential": potential.get(name)} for name in names]


def _check_groups(checks: list[Row]) -> list[tuple[str, list[Row]]]:
    """Checks by group, known groups first."""
    names = [*text.GROUPS, *sorted({check["group"] for check in checks} - set(text.GROUPS))]
    found = [
        (text.GROUPS.get(name, text.quantity(name)), [check for check in checks if check["group"] == name])
        for name in names
    ]
    return [(title, rows) for title, rows in found if rows]


def pages() -> Environment:
    """The templates of all pages, with the words that they share."""
    environment = Environment(
        loader=PackageLoader("pesforge", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"number": text.number, "quantity": text.quantity}
    words = (text.status, text.duration, text.measured, text.scan_message)
    environment.globals |= {function.__name__: function for function in words}
    return environment


def render(evidence: Row) -> str:
    """The report as one HTML page that needs no network; equal evidence gives equal bytes.

    Args:
        evidence: what each stage wrote, by stage: `converge`, `sample`, `label`, `curate`, `describe`, `crossvalidate`,
            `train`, `choose`, `validate`, `provenance`, `cost` and, where a driver made structures, `drive`; keys in
            `pesforge.report.schema`.

    Raises:
        DataError: a key is missing.
    """
    evidence = {"drive": None, **evidence}
    require(evidence)
    if evidence["drive"]:
        require(evidence, DRIVE_SHAPE)
    checks = evidence["validate"]["checks"]
    return (
        pages()
        .get_template("template.html.j2")
        .render(
            **evidence,
            **_tables(evidence),
            figures=draw(evidence),
            sections=[section for section in SECTIONS if section[0] != "driven" or evidence["drive"]],
            driven_message=text.driven_message(evidence["drive"]) if evidence["drive"] else "",
            groups=_check_groups(checks),
            headline=[check for check in checks if check["group"] in text.HEADLINE_GROUPS],
            dropped_message=text.dropped_message(evidence["curate"]),
            grid_message=text.grid_message(evidence["crossvalidate"]["grid"]),
            choice_message=text.choice_message(evidence["choose"]),
            worst_family_message=text.worst_family_message(evidence["validate"]["by_family"]),
        )
    )
