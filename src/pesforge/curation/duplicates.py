"""Copies within a data set: structures that are equal up to rotation, reflection, translation and choice of cell."""

import numpy as np

from pesforge.curation.filters import Decision
from pesforge.curation.whitening import features, spread
from pesforge.representations.design import Design


def duplicates(design: Design, tolerance: float) -> list[Decision]:
    """Structures whose descriptors equal those of an earlier one; the first of each kind is kept.

    The distance is the root mean square over the functions of the difference of the per-atom invariants, each in units
    of its spread over the set. Structures are compared only within a window of their mean standardised feature, which
    can never differ by more than the distance.

    Args:
        design: labelled structures.
        tolerance: distance at or below which two structures are copies.
    """
    values = features(design)
    deviation = spread(values)
    varying = deviation > 0
    if not varying.any():
        standard = np.zeros((len(values), 1))
    else:
        standard = (values - values.mean(axis=0))[:, varying] / deviation[varying]
    projection = standard.mean(axis=1)
    order = np.argsort(projection, kind="stable")
    sorted_projection = projection[order]
    lower = np.searchsorted(sorted_projection, projection - tolerance, side="left")
    upper = np.searchsorted(sorted_projection, projection + tolerance, side="right")
    kept = np.ones(len(values), dtype=np.bool_)
    decisions = []
    for index in range(len(values)):
        candidates = order[lower[index] : upper[index]]
        candidates = np.sort(candidates[(candidates < index) & kept[candidates]])
        distance = np.sqrt(np.mean((standard[candidates] - standard[index]) ** 2, axis=1))
        copies = candidates[distance <= tolerance]
        if not len(copies):
            continue
        first = int(copies[0])
        kept[index] = False
        gap = 1e3 * abs(design.y_energy[index] / design.n_atoms[index] - design.y_energy[first] / design.n_atoms[first])
        reason = f"copy of {design.ids[first]}; their labels differ by {gap:.2f} meV/atom"
        decisions.append(Decision(design.ids[index], "duplicate", reason))
    return decisions
