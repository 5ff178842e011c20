"""How the chosen potential fails on structures it has not seen: by family, by force, and the worst ones."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from pesforge.errors import DataError
from pesforge.metrics import Residuals, by_family, errors
from pesforge.representations.archive import load_arrays, save_arrays
from pesforge.representations.arrays import IntArray
from pesforge.representations.design import Design

FORCE_EDGES = (0.0, 0.5, 1.0, 2.0, 4.0, np.inf)
"""Bins of the magnitude of the label force on an atom in eV/Å."""
WORST = 10
ARRAYS = ("structures", "energy", "forces", "stress", "n_atoms")


def save_residuals(path: Path | str, structures: IntArray, found: Residuals) -> None:
    """Write held-out residuals with the indices of their structures."""
    parts = (structures, found.energy, found.forces, found.stress, found.n_atoms)
    save_arrays(path, dict(zip(ARRAYS, parts, strict=True)))


def pooled_residuals(paths: Sequence[Path | str]) -> tuple[IntArray, Residuals]:
    """Held-out residuals of several runs, one after the other, and the indices of their structures."""
    parts = [load_arrays(path, ARRAYS) for path in paths]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in ARRAYS}
    structures = joined.pop("structures")
    return structures, Residuals(**joined)


def judge(
    design: Design, structures: IntArray, found: Residuals, how: str, decisive: Sequence[str] = ()
) -> dict[str, Any]:
    """Errors of held-out structures, overall, by family, by force and of each, and the worst structures.

    Args:
        design: all structures.
        structures: indices of the judged ones.
        found: their residuals.
        how: words for how they were held out.
        decisive: families whose errors together are the overall ones; none: all.

    Raises:
        DataError: no structure of the decisive families is left.
    """
    part = design.select(structures)
    squares = found.forces**2
    per_structure = np.sqrt(np.add.reduceat(squares, 3 * part.offsets[:-1]) / (3 * part.n_atoms))
    magnitude = np.linalg.norm(part.y_forces.reshape(-1, 3), axis=1)
    per_atom = squares.reshape(-1, 3).mean(axis=1)
    bins = []
    for low, high in pairwise(FORCE_EDGES):
        inside = (magnitude >= low) & (magnitude < high)
        bins.append(
            {
                "force_min_ev_per_ang": low,
                "force_max_ev_per_ang": high if np.isfinite(high) else None,
                "count": int(inside.sum()),
                "force_rmse_ev_per_ang": float(np.sqrt(per_atom[inside].mean())) if inside.any() else None,
            }
        )
    deciding = [not decisive or family in decisive for family in part.families]
    if not any(deciding):
        raise DataError(
            f"no held-out structure is of the families {', '.join(decisive)} that `choose.families` names; curation "
            f"left {', '.join(dict.fromkeys(part.families))}."
        )
    order = np.argsort(-per_structure, kind="stable")[:WORST]
    each = [
        {
            "id": name,
            "family": family,
            "energy_error_mev_per_atom": 1e3 * float(energy),
            "force_error_ev_per_ang": float(force),
        }
        for name, family, energy, force in zip(part.ids, part.families, found.energy, per_structure, strict=True)
    ]
    return {
        "how": f"{how}; {', '.join(decisive)}" if decisive else how,
        "errors": errors(found.select(deciding)),
        "by_family": by_family(found, part.families),
        "by_force": bins,
        "worst": [each[index] for index in order],
        "structures": each,
    }
