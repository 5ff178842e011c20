"""Held-out errors as checks, and the domain that the training data span."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from pesforge.fields import FAMILY, STRAIN, TEMPERATURE_K
from pesforge.sampling.wide_cell import shortest_translation
from pesforge.settings import Tolerances
from pesforge.validation.check import Check, absolute, not_applicable
from pesforge.validation.verdict import Domain

FIRST_SEARCH_ANG = 2.0
KINDS = (
    ("energy", "energy_rmse_mev_per_atom", "meV/atom"),
    ("force", "force_rmse_ev_per_ang", "eV/Å"),
    ("stress", "stress_rmse_gpa", "GPa"),
)


def accuracy_checks(errors: Mapping[str, float | None], tolerances: Tolerances, how: str) -> list[Check]:
    """Checks of the held-out root mean square errors of energy, force and stress.

    Args:
        errors: `energy_rmse_mev_per_atom`, `force_rmse_ev_per_ang`, `stress_rmse_gpa`; None where nothing was labelled.
        tolerances: largest errors.
        how: words for how the structures were held out.
    """
    checks = []
    for kind, key, unit in KINDS:
        name, value = f"{kind} RMSE", errors[key]
        if value is None:
            checks.append(not_applicable(name, "accuracy", unit=unit, meaning="there is no label of this kind"))
        else:
            tolerance = getattr(tolerances, key)
            checks.append(absolute(name, "accuracy", value, tolerance=tolerance, unit=unit, meaning=how))
    return checks


def unfit_families(by_family: Sequence[Mapping[str, Any]], tolerances: Tolerances) -> list[dict[str, str]]:
    """Families whose held-out errors are above a tolerance, as `use` and `why` of what the potential is not for.

    Args:
        by_family: errors of each family, as for `accuracy_checks`, with `family`.
        tolerances: largest errors.
    """
    found = []
    for row in by_family:
        reasons = [
            f"{kind} error {row[key]:.3g} {unit}, allowed {getattr(tolerances, key):.3g}"
            for kind, key, unit in KINDS
            if row[key] is not None and row[key] > getattr(tolerances, key)
        ]
        if reasons:
            found.append({"use": f"structures like those of the family {row['family']}", "why": "; ".join(reasons)})
    return found


def shortest_distance(atoms: Atoms) -> float:
    """Shortest distance between two atoms in Å, periodic images included; infinite for a single free atom."""
    if len(atoms) == 1 and not atoms.pbc.any():
        return float("inf")
    search = FIRST_SEARCH_ANG
    while not len(distances := neighbor_list("d", atoms, search)):
        search *= 2
    return float(distances.min())


def domain_of(frames: Sequence[Atoms], decisive: Sequence[str] = ()) -> Domain:
    """What the training data span.

    Args:
        frames: curated structures with `family`, `temperature_k` and `strain`.
        decisive: families whose temperatures and strains count: those whose errors decide on the use; none: all.
    """
    counted = [frame for frame in frames if not decisive or frame.info[FAMILY] in decisive]
    return Domain(
        species=tuple(sorted({str(symbol) for frame in frames for symbol in frame.symbols})),
        families=tuple(dict.fromkeys(str(frame.info[FAMILY]) for frame in frames)),
        max_temperature_k=max(float(frame.info[TEMPERATURE_K]) for frame in counted),
        max_hydrostatic_strain=max(abs(float(np.mean(frame.info[STRAIN][:3]))) for frame in counted),
        shortest_distance_ang=min(shortest_distance(frame) for frame in frames),
        width_ang=max(
            (shortest_translation(frame.cell.array) for frame in counted if frame.pbc.all()), default=math.inf
        ),
    )
