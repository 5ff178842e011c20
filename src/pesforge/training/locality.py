"""How the held-out errors of the linear potential fall with its cutoff radius."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pesforge.errors import DataError
from pesforge.metrics import LABEL_NOISE, Residuals, by_family, errors, paired_changes
from pesforge.potentials.normal import LinearFit, Weights
from pesforge.representations.arrays import BoolArray
from pesforge.representations.design import Design
from pesforge.settings import Crossvalidate
from pesforge.training.crossvalidate import choose_point, score_grid

Row = dict[str, Any]
CLEAR = 2.0
"""A difference of force errors counts from so many paired standard errors on."""
SAME_CUTOFF_ANG = 1e-9
RULE = (
    "At every cutoff radius the bases and α of the study, the families weighed as in its cross-validation; of them the "
    "point of the study's own rule. Every group is predicted by the fit that has not seen it. × is the force error "
    "over that at the cutoff with the lowest one: the geometric mean over the families of paired ratios, ± their "
    "standard errors by the jackknife over groups. The shortest cutoff whose × is not above 1 by more than "
    f"{CLEAR:g} of them suffices for cells such as those of the labels. Missed is what the fit to all labels lacks of "
    "the forces that DFT finds in the measured cell below; where that is larger than the cells of the labels, they do "
    "not determine it, and a longer cutoff may miss more."
)


@dataclass(frozen=True)
class Described:
    """The labelled structures at one cutoff radius.

    Attributes:
        cutoff_ang: cutoff radius in Å.
        design: their descriptors.
        mask_of: mask (K,) of functions for a reduction of the degrees.
        missed: root mean square force component in eV/Å that a fit lacks in the measured cell.
    """

    cutoff_ang: float
    design: Design
    mask_of: Callable[[int], BoolArray]
    missed: Callable[[LinearFit], float]


def errors_by_cutoff(
    designs: Iterable[Described],
    settings: Crossvalidate,
    emphasis: Mapping[str, tuple[float, float, float]],
    cutoff_ang: float,
) -> Row:
    """Exact leave-group-out errors at several cutoff radii.

    Args:
        designs: the same structures by rising cutoff radius.
        settings: grid and weights.
        emphasis: weights of each family, as `pesforge.training.crossvalidate.emphasis_of` gives them.
        cutoff_ang: cutoff radius of the study in Å, one of those.

    Returns:
        `rule`; `rows` by rising cutoff, with the errors left out by group, the basis and α, what a fit to all labels
        misses in the measured cell, and the factor of the force error over the lowest one with its standard error;
        `lowest_ang`, `suffices_ang` and `cutoff_ang`; and for the study's cutoff `enough` and `sentence`.

    Raises:
        DataError: the study's cutoff is not among them, or all structures are of one group.
    """
    rows: list[Row] = []
    held: list[Residuals] = []
    groups: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    for described in designs:
        design = described.design
        groups, families = design.groups, design.families
        if len(set(groups)) < 2:
            raise DataError("all structures are of one group: leave-group-out needs at least two. Sample more groups.")
        masks = {reduction: described.mask_of(reduction) for reduction in settings.degree_reductions}
        problem, grid = score_grid(design.emphasised(emphasis), settings, masks)
        point = grid[choose_point(grid, settings.rule)]
        weights, mask = Weights.of(settings), masks[point["degree_reduction"]]
        residuals = problem.leave_out(weights, point["alpha"], design.groups, mask)
        held.append(residuals)
        rows.append(
            {
                "cutoff_ang": described.cutoff_ang,
                "missed_ev_per_ang": described.missed(problem.fit(weights, point["alpha"], mask)),
                **{key: point[key] for key in ("degree_reduction", "n_functions", "alpha", "score", "score_se")},
                **{key: value for key, value in point.items() if key.split("_")[0] in ("energy", "force", "stress")},
                "by_family": by_family(residuals, families),
            }
        )
    own = next((row for row in rows if abs(row["cutoff_ang"] - cutoff_ang) < SAME_CUTOFF_ANG), None)
    if own is None:
        raise DataError(f"no design has the cutoff {cutoff_ang:g} Å of the study.")
    return {"rule": RULE, "cutoff_ang": cutoff_ang, **_judged(rows, held, groups, families, own)}


def _judged(
    rows: Sequence[Row], held: Sequence[Residuals], groups: Sequence[str], families: Sequence[str], own: Row
) -> Row:
    """The rows with their factors, and whether the cutoff of the study is long enough."""
    first = [_families_factor(held[0], residuals, groups, families)[0] for residuals in held]
    best = int(np.argmin(first))
    for row, residuals in zip(rows, held, strict=True):
        row["force_factor"], row["force_factor_se"] = _families_factor(held[best], residuals, groups, families)
    enough = [row for row in rows if row["force_factor"] <= 1 + CLEAR * (row["force_factor_se"] or 0.0)]
    suffices = min(row["cutoff_ang"] for row in enough)
    lowest = rows[best]["cutoff_ang"]
    within = own["cutoff_ang"] >= suffices
    found = f"{own['force_factor']:.2f} times the lowest force error, which is at {lowest:g} Å"
    sentence = (
        f"The cutoff {own['cutoff_ang']:g} Å of the study has {found}; in cells as those of the labels no difference "
        f"is clear from {suffices:g} Å on."
        if own in enough
        else f"The cutoff {own['cutoff_ang']:g} Å of the study is {'beyond' if within else 'below'} the shortest that "
        f"suffices, {suffices:g} Å, and has {found}."
    )
    return {
        "rows": list(rows),
        "lowest_ang": lowest,
        "suffices_ang": suffices,
        "enough": own in enough,
        "sentence": sentence,
    }


def _families_factor(
    before: Residuals, after: Residuals, groups: Sequence[str], families: Sequence[str]
) -> tuple[float, float | None]:
    """Geometric mean over the families of their ratios of force errors, and its standard error.

    Families whose errors are the rounding of the labels, such as forces that vanish by symmetry, have no ratio; those
    of a single group have no standard error and add none. Where no family has a ratio, the ratio is that of all
    structures.
    """
    names = np.array(families)
    logs: list[float] = []
    spreads: list[float | None] = []
    for family in dict.fromkeys(families):
        chosen = np.flatnonzero(names == family)
        change = paired_changes(before.select(chosen), after.select(chosen), [groups[int(s)] for s in chosen])
        factor, spread = change["force_rmse_factor"], change["force_rmse_factor_se"]
        error = errors(before.select(chosen))["force_rmse_ev_per_ang"]
        if factor is not None and error is not None and error > LABEL_NOISE["force"]:
            logs.append(float(np.log(factor)))
            spreads.append(None if spread is None else spread / factor)
    if not logs:
        one, other = (errors(residuals)["force_rmse_ev_per_ang"] for residuals in (before, after))
        return (other / one if one and other else 1.0), None
    mean, known = float(np.exp(np.mean(logs))), [spread for spread in spreads if spread is not None]
    return mean, mean * float(np.linalg.norm(known)) / len(logs) if known else None
