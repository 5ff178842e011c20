"""Words, tables and figures of defects, phonons and molecular dynamics in the report."""

from collections.abc import Mapping, Sequence
from typing import Any

from pesforge.report import figures_properties
from pesforge.report.text import number

Row = Mapping[str, Any]
NOTHING: dict[str, Any] = {"rows": [], "lines": [], "why": None}


def draw(validate: Row) -> dict[str, str]:
    """The figures that the evidence allows, by name."""
    defects, dynamics = validate["defects"], validate["dynamics"]
    relaxed = defects["relaxed"] or NOTHING
    drawn = {"phonons": figures_properties.phonons(validate["spectrum"])} if validate["spectrum"] else {}
    for name, families, label in (
        ("defects", figures_properties.POINTS, "formation energy (eV)"),
        ("surfaces", ("surface",), "energy of the surface (J/m²)"),
    ):
        compared, alone = (_of(found["rows"], families) for found in (defects, relaxed))
        if any(row["potential"] is not None for row in [*compared, *alone]):
            drawn[name] = figures_properties.excess(compared, alone, name, label)
    lines = [line for line in defects["lines"] if line["shares"]]
    if lines or relaxed["lines"]:
        drawn["gamma"] = figures_properties.gamma_lines(lines, relaxed["lines"])
    if dynamics and any(len(run["times_ps"]) > 1 for run in dynamics["energy"]):
        drawn["drift"] = figures_properties.energy_drift(dynamics["energy"])
        if any(run["rdf"] for run in dynamics["energy"]):
            drawn["pair-distribution"] = figures_properties.pair_distribution(dynamics)
    return drawn


def _of(rows: Sequence[Row], families: Sequence[str]) -> list[Row]:
    return [row for row in rows if row["family"] in families]


def rows(validate: Row) -> dict[str, Any]:
    """Rows of the tables and the messages of the figures."""
    defects, dynamics = validate["defects"], validate["dynamics"]
    relaxed = defects["relaxed"] or NOTHING
    return {
        "excess_rows": defects["rows"],
        "relaxed_rows": relaxed["rows"],
        "relaxed_why": relaxed["why"],
        "line_rows": _line_rows(defects["lines"], "dft_mj_per_m2", "potential_mj_per_m2"),
        "relaxed_line_rows": _line_rows(relaxed["lines"], "unrelaxed_mj_per_m2", "potential_mj_per_m2"),
        "defects_message": _differences(defects, relaxed, figures_properties.POINTS, "eV", "Formation energies"),
        "surfaces_message": _differences(defects, relaxed, ("surface",), "J/m²", "Surface energies"),
        "gamma_message": _line_message(defects["lines"]),
        "phonons_message": _phonons_message(validate["spectrum"]),
        "drift_message": _drift_message(dynamics),
        "density_rows": dynamics.get("density", []) if dynamics else [],
        "expansion": dynamics.get("expansion") if dynamics else None,
        "melt": dynamics.get("melt") if dynamics else None,
    }


def _line_rows(lines: Sequence[Row], first: str, second: str) -> list[dict[str, Any]]:
    """One row per point of every line."""
    return [
        {"name": line["name"], "share": share, "atoms": line["atoms"], "first": one, "second": other}
        for line in lines
        for share, one, other in zip(line["shares"], line[first], line[second], strict=True)
    ]


def _differences(compared: Row, alone: Row, families: Sequence[str], unit: str, words: str) -> str:
    """How far the potential is from DFT at most, on structures that count."""
    known = [row for row in _of(compared["rows"], families) if row["dft"] is not None and not row["note"]]
    found = [abs(row["potential"] - row["dft"]) for row in known]
    if not found:
        blind = all(row["note"] for row in _of(alone["rows"], families))
        why = "not to be relied on, see the notes" if blind else "no judgement"
        return f"{words}: predictions of the potential alone, {why}"
    structures = f"{len(found)} labelled structure" + ("" if len(found) == 1 else "s")
    return f"{words} differ by at most {number(max(found), 2)} {unit} on {structures}"


def _line_message(lines: Sequence[Row]) -> str:
    found = [
        abs(one - other)
        for line in lines
        for one, other in zip(line["dft_mj_per_m2"], line["potential_mj_per_m2"], strict=True)
    ]
    if not found:
        return "γ-lines: predictions of the potential alone, no judgement"
    return f"γ-lines differ by at most {number(max(found), 2)} mJ/m² from DFT"


def _phonons_message(spectrum: Row | None) -> str:
    if spectrum is None:
        return ""
    lowest, highest = spectrum["lowest_thz"], max(max(band) for band in spectrum["sides"]["large"]["bands"])
    stable = lowest > -0.01 * highest
    words = "no vibration without a restoring force" if stable else f"an unstable vibration, {number(-lowest, 2)}i THz"
    return f"Phonons reach {number(highest)} THz; the potential has {words}"


def _drift_message(dynamics: Row | None) -> str:
    if not dynamics or not dynamics["energy"]:
        return ""
    failed = [run for run in dynamics["energy"] if run["failure"]]
    if failed:
        first = min(failed, key=lambda run: float(run["reached_ps"]))
        return f"A run failed after {number(first['reached_ps'], 3)} ps at {number(first['temperature_k'])} K"
    worst = max(abs(run["drift_mev_per_atom_per_ps"]) for run in dynamics["energy"])
    return f"Energy drifts by at most {number(worst, 2)} meV/atom per ps"
