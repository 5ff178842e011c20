"""The report: one self-contained HTML page from the evidence of all stages."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pesforge.learn_settings import LEARNED
from pesforge.report import (
    fidelity,
    figures,
    figures_coverage,
    figures_driven,
    figures_fidelity,
    figures_fit,
    figures_hull,
    figures_ledger,
    figures_locality,
    figures_shapes,
    learn,
    ledger,
    lights,
    palette,
    properties,
    repeats,
    structures,
    text,
    uncertainty,
)
from pesforge.report.evidence import SHAPE
from pesforge.report.evidence_optional import OPTIONAL
from pesforge.report.schema import require

Row = Mapping[str, Any]
DYNAMICS = dict.fromkeys(("moved_bonds", "diffusion_ang2_per_ps"))
"""What not every run of molecular dynamics measures."""
SECTIONS = (
    ("verdict", "Verdict"),
    ("convergence", "Convergence"),
    ("data", "Data"),
    ("repeats", "Failed calculations"),
    ("drive", "Driven structures"),
    ("learn", "Active learning"),
    ("crossvalidation", "Cross-validation"),
    ("uncertainty", "Own errors"),
    ("choice", "Sweep and choice"),
    ("ensemble", "Ensemble"),
    ("locality", "Locality"),
    ("validation", "Validation"),
    ("properties", "Defects, vibrations and motion"),
    ("thermodynamics", "Thermodynamics"),
    ("map", "Map of structures"),
    ("failures", "Failures"),
    ("fidelity", "Two levels"),
    ("cost", "Cost"),
    ("ledger", "What the data cost and bought"),
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
        "ledger": figures_ledger.ledger(evidence["ledger"]),
    }
    if evidence["uncertainty"]["kinds"]:
        drawn[uncertainty.NAME] = uncertainty.figure(evidence["uncertainty"])
    if evidence["ensemble"] and evidence["ensemble"]["kinds"]:
        drawn[uncertainty.ENSEMBLE] = uncertainty.figure(evidence["ensemble"], uncertainty.ENSEMBLE)
    for index, scan in enumerate(evidence["converge"]["scans"]):
        name = f"converge-{index}"
        drawn[name] = figures.convergence(scan, evidence["converge"]["targets"], name)
        if scan["shapes"]:
            drawn["shapes"] = figures_shapes.shapes(scan, evidence["converge"]["targets"])
    if evidence["repeats"]["failed_at_first"]:
        drawn["repeats"] = repeats.figure(evidence["repeats"])
    if sample["thermal"] or sample["phonon"]:
        drawn["thermal"] = figures.thermal(sample, evidence["label"])
    if sample["strain"]:
        drawn["strain"] = figures.strain(sample)
    if evidence["coverage"]["distances"]:
        drawn["coverage-distances"] = figures_coverage.distances(evidence["coverage"])
    if evidence["coverage"]["descriptors"]["state"]:
        drawn["coverage-planes"] = figures_coverage.planes(evidence["coverage"])
    if evidence["map"]["structures"]:
        drawn[structures.NAME] = structures.figure(evidence["map"])
    if validate["by_force"]:
        drawn["by-force"] = figures.errors_by_force(validate["by_force"])
    if validate["eos"]:
        drawn["eos"] = figures_fit.equation_of_state(validate["eos"])
    if validate["elastic_gpa"]:
        drawn["elastic"] = figures_fit.elastic(validate["elastic_gpa"])
    if evidence["fidelity"]:
        drawn["fidelity-cost"] = figures_fidelity.cost(evidence["fidelity"])
        if evidence["fidelity"]["analysis"]:
            drawn["fidelity-map"] = figures_fidelity.blend_map(evidence["fidelity"])
            drawn["fidelity-curves"] = figures_fidelity.curves(evidence["fidelity"])
    if evidence["learn"]:
        drawn.update(learn.figures(evidence["learn"]))
    if evidence["locality"]:
        drawn.update(figures_locality.figures(evidence["locality"]))
    if validate["hull"] and len(validate["hull"]["elements"]) == 2:
        drawn["hull"] = figures_hull.hull(validate["hull"])
    phases = [run for run in evidence["drive"]["runs"] if run["rdf"]] if evidence["drive"] else []
    if phases:
        drawn[figures_driven.NAME] = figures_driven.radial_distribution(phases)
    drawn |= properties.draw(validate)
    return {name: Markup(svg) for name, svg in drawn.items()}


def _tables(evidence: Row) -> dict[str, Any]:
    """Rows of the tables that join two parts of the evidence."""
    sample, label, validate = evidence["sample"], evidence["label"], evidence["validate"]
    driven = evidence["drive"] or {"families": {}, "runs": []}
    sampled = dict(sample["families"])
    for name, count in driven["families"].items():
        sampled[name] = sampled.get(name, 0) + count
    if evidence["learn"]:
        sampled[LEARNED] = sum(len(row["picks"]) for row in evidence["learn"]["rounds"])
    before, after = (evidence["curate"]["coverage"][when] for when in ("before", "after"))
    eos, elastic, phonon = validate["eos"], validate["elastic_gpa"], validate["phonon_thz"]
    crystals = next((scan for scan in evidence["converge"]["scans"] if scan["shapes"]), None)
    return {
        "shape_rows": crystals["shapes"] if crystals else [],
        "shapes_message": figures_shapes.shapes_message(crystals) if crystals else "",
        "families": [
            {"family": name, "sampled": count, "labelled": label["by_family"].get(name)}
            for name, count in sampled.items()
        ],
        "dynamics": [{**DYNAMICS, **run} for run in driven["runs"] if run["temperature_k"] is not None],
        "relaxations": [run for run in driven["runs"] if run["temperature_k"] is None],
        "diversity": [
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
        "mu_rows": _side_by_side(*hull["chemical_potentials_ev"].values()) if (hull := validate["hull"]) else [],
        "force_rows": [{**row, "range": figures.force_range(row)} for row in validate["by_force"]],
    }


def _fidelity(evidence: Row | None) -> dict[str, Any]:
    """Words and tables of two levels; nothing for a study of one."""
    if evidence is None:
        return {}
    return {
        "fidelity_levels": fidelity.level_rows(evidence),
        "fidelity_ratios": fidelity.ratio_rows(evidence),
        "fidelity_points": fidelity.point_rows(evidence),
        "fidelity_cost_message": fidelity.cost_message(evidence),
        "fidelity_map_message": fidelity.map_message(evidence) if evidence["analysis"] else None,
        "fidelity_curves_message": fidelity.curves_message(evidence) if evidence["analysis"] else None,
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
    words = (text.status, text.duration, text.measured, text.plus_minus, text.scan_message, text.exact)
    environment.globals |= {function.__name__: function for function in words}
    environment.globals["palette"] = palette
    return environment


def render(evidence: Row) -> str:
    """The report as one HTML page that needs no network; equal evidence gives equal bytes.

    Args:
        evidence: what each stage wrote, by stage: `converge`, `sample`, `label`, `repeats`, `curate`, `coverage`,
            `map`, `describe`, `crossvalidate`, `uncertainty`, `train`, `choose`, `validate`, `provenance`, `cost` and
            `ledger`; `drive` where a driver made structures, `fidelity` in a study of two levels, `learn` in one with
            rounds of active learning, `ensemble` in one whose heads have members or dropout, `locality` in
            one that judges its cutoff; keys in `pesforge.report.evidence` and `pesforge.report.evidence_optional`.

    Raises:
        DataError: a key is missing.
    """
    given = {name: evidence[name] for name in OPTIONAL if evidence.get(name)}
    evidence = {**dict.fromkeys(OPTIONAL), **evidence}
    require(evidence, SHAPE | {name: OPTIONAL[name] for name in given})
    checks = evidence["validate"]["checks"]
    groups = _check_groups(checks)
    return (
        pages()
        .get_template("template.html.j2")
        .render(
            **evidence,
            **_tables(evidence),
            **structures.rows(evidence["map"]),
            **repeats.rows(evidence["repeats"]),
            **uncertainty.rows(evidence["uncertainty"]),
            **uncertainty.ensemble_rows(evidence["ensemble"]),
            **figures_locality.words(evidence["locality"]),
            repeats_message=repeats.message(evidence["repeats"]),
            **_fidelity(evidence["fidelity"]),
            **learn.rows(evidence["learn"]),
            **properties.rows(evidence["validate"]),
            figures=draw(evidence),
            sections=[section for section in SECTIONS if section[0] not in OPTIONAL or section[0] in given],
            driven_message=text.driven_message(given["drive"]) if "drive" in given else "",
            groups=groups,
            lights=lights.lights(groups),
            headline=[
                check for check in checks if check["group"] in text.HEADLINE_GROUPS and check["passed"] is not None
            ],
            distances_message=text.distances_message(evidence["coverage"]["percent"]),
            dropped_message=text.dropped_message(evidence["curate"]),
            grid_message=text.grid_message(evidence["crossvalidate"]["grid"]),
            choice_message=text.choice_message(evidence["choose"]),
            **ledger.rows(evidence["ledger"]),
            ledger_message=ledger.message(evidence["ledger"]),
            hull_message=figures_hull.hull_message,
            convergence_message=text.convergence_message(evidence["ledger"]["convergence"]),
            worst_family_message=text.worst_family_message(evidence["validate"]["by_family"]),
        )
    )
