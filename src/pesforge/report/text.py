"""Words and numbers of the report: formats, names of quantities, and the message of each figure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

Row = Mapping[str, Any]
MISSING = "–"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NAMES = {
    "cutoff_ev": "plane-wave cutoff",
    "k_spacing_per_ang": "distance of k-points",
    "scf_tolerance": "SCF tolerance",
    "smearing_ev": "smearing width",
    "w_energy": "w_E",
    "w_force": "w_F",
    "w_stress": "w_S",
    "lambda_m": "λ_M",
}
UNITS = {"energy": "meV/atom", "force": "eV/Å", "stress": "GPa"}
SUFFIXES = (
    ("_mev_per_atom", "meV/atom"),
    ("_ev_per_atom", "eV/atom"),
    ("_ev_per_ang2", "eV/Å²"),
    ("_ev_per_ang", "eV/Å"),
    ("_per_ang", "1/Å"),
    ("_ang2", "Å²"),
    ("_ang", "Å"),
    ("_gpa", "GPa"),
    ("_thz", "THz"),
    ("_percent", "%"),
    ("_ev", "eV"),
    ("_k", "K"),
    ("_mb", "MB"),
    ("_s", "s"),
)
GROUPS = {
    "accuracy": "Held-out errors",
    "labels": "Reference labels",
    "symmetry": "Symmetry",
    "derivatives": "Forces and stress as derivatives",
    "eos": "Equation of state",
    "cohesion": "Cohesive energy",
    "elastic": "Elastic constants",
    "phonon": "Phonons",
    "hull": "Formation energies and stable phases",
    "defect": "Point defects",
    "surface": "Surfaces",
    "fault": "Stacking faults",
    "dynamics": "Molecular dynamics",
}
SMALLEST = 1e-4
"""Smaller numbers have a power of ten."""
HEADLINE_GROUPS = ("accuracy", "eos", "cohesion", "elastic", "phonon", "hull", "defect", "surface", "fault")


def number(value: Any, digits: int = 4) -> str:
    """`value` for people: up to `digits` significant digits, integers whole, a dash for null, other things as text."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if value == 0:
            return "0"
        if SMALLEST <= abs(value) < 1e6:
            short = f"{value:.{digits}g}"
            return f"{value:.0f}" if "e" in short else short
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        plain = mantissa.rstrip("0").rstrip(".")
        return f"{plain}×10{str(int(exponent)).translate(SUPERSCRIPTS)}"
    if isinstance(value, list | tuple):
        return ", ".join(number(item, digits) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{NAMES.get(key, key)} = {number(item, digits)}" for key, item in value.items())
    return str(value)


def plus_minus(value: float | None, error: float | None) -> str:
    """A number and its standard error, both to the second digit of the error; without an error to three digits.

    Where that would be a row of zeros, both tiny or the error far below the number, each has digits of its own.
    """
    if value is None:
        return MISSING
    if not error:
        return number(value, 3)
    if max(abs(value), error) < SMALLEST or error < SMALLEST * abs(value):
        return f"{number(value, 3)} ± {number(error, 2)}"
    decimals = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def measured(value: float | None, unit: str, digits: int = 4) -> str:
    """A number with its unit, or a dash."""
    return MISSING if value is None else f"{number(value, digits)} {unit}".rstrip()


def exact(value: Any, error: Any = None, unit: str = "") -> Markup:
    """Attributes of a table's cell that carry its number in full, its standard error and its unit.

    Nothing for what is no number, and for a number alone that the cell shows in full.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Markup()
    if error is None and not unit and number(value) == f"{value:.10g}":
        return Markup()
    attributes = Markup(' data-v="{}"').format(f"{value:.10g}")
    if error is not None:
        attributes += Markup(' data-e="{}"').format(f"{error:.10g}")
    return attributes + (Markup(' data-u="{}"').format(unit) if unit else Markup())


def quantity(key: str) -> str:
    """A key that carries its unit, such as `force_rmse_ev_per_ang`, in words: `force rmse (eV/Å)`."""
    for suffix, unit in SUFFIXES:
        if key.endswith(suffix):
            return f"{key.removesuffix(suffix).replace('_', ' ')} ({unit})"
    return key.replace("_", " ")


def duration(seconds: float | None) -> str:
    """Seconds as s, min or h."""
    if seconds is None:
        return MISSING
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def status(passed: bool | None) -> tuple[str, str]:
    """Style class and word of a check's outcome."""
    if passed is None:
        return "none", "not applicable"
    return ("good", "pass") if passed else ("bad", "fail")


def scan_message(scan: Row) -> str:
    """What a convergence scan decided."""
    unit = "" if scan["unit"] in ("", "1", None) else f" {scan['unit']}"
    name = NAMES.get(scan["parameter"], quantity(scan["parameter"]))
    return f"{name[0].upper()}{name[1:]}: {number(scan['chosen'])}{unit} is used everywhere"


def chosen_row(rows: Sequence[Row]) -> Row | None:
    """The row that is marked as chosen."""
    return next((row for row in rows if row["chosen"]), None)


def grid_message(grid: Sequence[Row]) -> str:
    """What cross-validation chose."""
    row = chosen_row(grid)
    if row is None:
        return "Cross-validation chose no basis"
    return f"Cross-validation chose {number(row['n_functions'])} functions and α = {number(row['alpha'])}"


def choice_message(choose: Row) -> str:
    """What was chosen, and for what."""
    row = chosen_row(choose["candidates"])
    best = sum(bool(item["non_dominated"]) for item in choose["candidates"])
    total = len(choose["candidates"])
    name = "No candidate is" if row is None else f"{row['name']} ({row['kind']}) is"
    return f"{name} chosen for “{choose['use']}” among {best} non-dominated of {total} candidates"


def worst_family_message(rows: Sequence[Row]) -> str:
    """Which family is predicted worst."""
    measured = [row for row in rows if row["force_rmse_ev_per_ang"] is not None]
    if not measured:
        return "No held-out error by family"
    worst = max(measured, key=lambda row: float(row["force_rmse_ev_per_ang"]))
    error = number(worst["force_rmse_ev_per_ang"], 3)
    return f"The family “{worst['family']}” has the largest force error, {error} eV/Å"


def dropped_message(curate: Row) -> str:
    """How many labels were kept and dropped."""
    return f"{number(curate['kept'])} labels kept, {len(curate['dropped'])} dropped"


def distances_message(rows: Sequence[Row]) -> str:
    """Which pair of species has its distances covered worst in the end."""
    pairs = [row for row in rows if str(row["measure"]).startswith("distances")]
    if not pairs:
        return "No distances"
    worst = min(pairs, key=lambda row: float(row["curated_percent"]))
    name = str(worst["measure"]).removeprefix("distances ")
    return f"Distances of {name} fill {number(worst['curated_percent'], 3)} % of their bins, the least of all pairs"


def convergence_message(found: Row) -> str:
    """What convergence cost beside the labels that it serves."""
    converge, labels = duration(found["converge_seconds"]), duration(found["label_seconds"])
    told = f"Numerical convergence took {converge} of DFT, the labels that it serves {labels}"
    return told + (
        "."
        if found["cheaper_than_labels"]
        else ": more than the labels themselves. Start the grids of `converge` nearer to what is needed."
    )


def driven_message(drive: Row) -> str:
    """How many structures a driver made, and how many runs the guard stopped."""
    runs, asked, given = drive["runs"], sum(drive["requested"].values()), sum(drive["families"].values())
    stopped = sum(run["stopped"] is not None for run in runs)
    return f"{given} of {asked} structures given; the guard stopped {stopped} of {len(runs)} runs"
