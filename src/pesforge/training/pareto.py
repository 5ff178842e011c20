"""Choice among potentials by three errors: the non-dominated points, the knee, and the stated use."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pesforge.errors import DataError
from pesforge.representations.arrays import BoolArray, FloatArray

Use = Literal["balanced", "relaxation", "phase_diagram", "elastic"]

OBJECTIVES = ("energy_typical_mev_per_atom", "force_typical_ev_per_ang", "stress_typical_gpa")
"""Errors that decide: geometric means over the families (`pesforge.metrics.typical_errors`)."""
DECIDES = {
    "phase_diagram": "energy_typical_mev_per_atom",
    "relaxation": "force_typical_ev_per_ang",
    "elastic": "stress_typical_gpa",
}
REASONS = {
    "phase_diagram": "lowest energy error of the non-dominated points",
    "relaxation": "lowest force error of the non-dominated points",
    "elastic": "lowest stress error of the non-dominated points",
    "balanced": "knee: the non-dominated point nearest to the lowest of each error, on logarithmic axes scaled alike",
}


def non_dominated(errors: npt.ArrayLike) -> BoolArray:
    """Mask (n,) of the points that no other point beats: at most equal in all errors and lower in one.

    Equal points do not dominate each other; a point with an error that is not a number is never non-dominated.

    Args:
        errors: (n, m), lower is better.
    """
    values = np.asarray(errors, dtype=np.float64)
    finite = np.flatnonzero(np.isfinite(values).all(axis=1))
    others = values[finite]
    mask = np.zeros(len(values), dtype=np.bool_)
    for index in finite:
        better = (others <= values[index]).all(axis=1) & (others < values[index]).any(axis=1)
        mask[index] = not better.any()
    return mask


def knee(errors: npt.ArrayLike) -> int:
    """Index of the non-dominated point nearest to the ideal point; the first of equals.

    The ideal point has the lowest value of each error. Distances are Euclidean in the logarithms of the errors, each
    axis divided by its range over the non-dominated points, so that no unit and no scale decides.

    Args:
        errors: (n, m), above 0.

    Raises:
        DataError: no point has numbers only.
    """
    front, logs = _front(errors)
    spans = np.ptp(logs, axis=0)
    scaled = np.divide(logs - logs.min(axis=0), spans, out=np.zeros_like(logs), where=spans > 0)
    return int(front[np.argmin(np.sum(scaled**2, axis=1))])


def _front(errors: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Indices of the non-dominated points and the logarithms of their errors."""
    front = np.flatnonzero(non_dominated(errors))
    if not len(front):
        raise DataError("no candidate has finite errors: there is nothing to choose from.")
    values = np.asarray(errors, dtype=np.float64)[front]
    return front, np.log(np.maximum(values, np.finfo(np.float64).tiny))


def error_table(candidates: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], FloatArray]:
    """Names (m) and values (n, m) of the errors that at least one candidate has; NaN where it is None.

    Args:
        candidates: mappings with `energy_typical_mev_per_atom`, `force_typical_ev_per_ang` and `stress_typical_gpa`,
            or None.
    """
    names = tuple(key for key in OBJECTIVES if any(row.get(key) is not None for row in candidates))
    rows = [[np.nan if row.get(key) is None else row[key] for key in names] for row in candidates]
    return names, np.array(rows, dtype=np.float64).reshape(len(candidates), len(names))


def choose(candidates: Sequence[Mapping[str, Any]], use: Use) -> int:
    """Index of the candidate for a use, always a non-dominated one; `REASONS` says why in words.

    Args:
        candidates: held-out errors, as for `error_table`.
        use: `relaxation` takes the lowest force error, `phase_diagram` the lowest energy error, `elastic` the lowest
            stress error, `balanced` the knee.

    Raises:
        DataError: there is no candidate with finite errors, or the error that decides was not measured.
    """
    names, values = error_table(candidates)
    if use == "balanced":
        return knee(values)
    if DECIDES[use] not in names:
        raise DataError(f"`choose.use: {use}` needs {DECIDES[use]}, which no candidate has. Choose another use.")
    front, logs = _front(values)
    return int(front[np.argmin(logs[:, names.index(DECIDES[use])])])
