"""Leave-group-out cross-validation of the linear potential: basis size and regularisation, and honest errors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from pesforge.errors import DataError
from pesforge.metrics import (
    LABEL_NOISE,
    Residuals,
    by_family,
    errors,
    standard_errors,
    typical_errors,
    typical_standard_errors,
)
from pesforge.potentials.linear import LinearProblem, residuals
from pesforge.potentials.normal import Weights
from pesforge.representations.arrays import BoolArray
from pesforge.representations.design import Design
from pesforge.settings import Crossvalidate

SCORE = (
    "sum of log errors of energy, force and stress (kinds with labels and a weight above 0), each the geometric mean "
    "over the families of their RMSE, every group predicted by the fit that has not seen it"
)
RULES = {
    "one_standard_error": "the smallest basis, then the largest alpha, within one standard error of the lowest score",
    "lowest": "the lowest score; of equal points the smaller basis, then the larger alpha",
}
RMSE_KEYS = {
    "energy": "energy_rmse_mev_per_atom",
    "force": "force_rmse_ev_per_ang",
    "stress": "stress_rmse_gpa",
}
TYPICAL_KEYS = {kind: key.replace("rmse", "typical") for kind, key in RMSE_KEYS.items()}
WEIGHING = {
    "equal": "all families alike",
    "by_error": "inverse square of the error of the family with one structure left out, relative to the geometric mean "
    "of all families",
}
WEIGHING_ROUNDS = 6
LARGEST_EMPHASIS, SMALLEST_EMPHASIS = 10.0, 1e-3
"""Bounds of a family's weight: a family that is easy to fit rules no other, and none is forgotten."""
TIE = 1e-9
MAX_PARITY_COMPONENTS = 4000


def score(figures: Mapping[str, float | None], weights: Weights) -> float:
    """Sum of the logarithms of the typical errors of all kinds that have labels and a weight above 0."""
    values = [figures[key] for kind, key in TYPICAL_KEYS.items() if weights.of_kind(kind) > 0]
    return float(sum(np.log(max(value, np.finfo(np.float64).tiny)) for value in values if value is not None))


def score_se(figures: Mapping[str, float | None], weights: Weights) -> float:
    """Standard error of `score` to first order, the kinds taken as independent; 0 where it is not known."""
    total = 0.0
    for kind, key in TYPICAL_KEYS.items():
        value, error = figures[key], figures.get(key.replace("typical_", "typical_se_"))
        if weights.of_kind(kind) > 0 and value and error:
            total += (error / value) ** 2
    return float(np.sqrt(total))


def weigh_by_error(
    design: Design, settings: Crossvalidate, alpha: float, columns: BoolArray | None = None
) -> dict[str, tuple[float, float, float]]:
    """Weights of energy, forces and stress of each family, beside those of the fit, by what the potential cannot fit.

    Labels and potential together have an error of their own in every family and kind. The likelihood of normal errors
    is largest where each row weighs by its inverse square: a family whose errors are large, such as free atoms, then
    spoils no other. The error is that of structures that the fit has not seen, so a fixed point is sought: in each
    round a weight goes to the geometric mean of its last value and of the inverse square of the error beside the
    geometric mean over the families, within [0.001, 10]. Errors below `LABEL_NOISE`, such as forces that vanish by
    symmetry, say nothing of the potential and change no weight.

    Args:
        design: labelled structures.
        settings: weights of the kinds, prior.
        alpha: prior precision.
        columns: mask (K,) of functions; None: all.

    Source: iteratively reweighted least squares for noise that differs between groups of data (maximum likelihood); A.
        Aitken, Proc. R. Soc. Edinburgh 55, 42 (1935), for known noise.
    """
    found = {family: [1.0, 1.0, 1.0] for family in design.families}
    for _ in range(WEIGHING_ROUNDS if len(found) > 1 else 0):
        problem = LinearProblem(design.emphasised(found), prior_power=settings.prior_power)
        left_out = problem.leave_out(Weights.of(settings), alpha, design.ids, columns)
        rows = by_family(left_out, design.families)
        for place, (kind, key) in enumerate(RMSE_KEYS.items()):
            found_errors = {str(row["family"]): row[key] for row in rows}
            told = {family: e for family, e in found_errors.items() if isinstance(e, float) and e > LABEL_NOISE[kind]}
            usual = float(np.exp(np.mean(np.log(list(told.values()))))) if told else 0.0
            for family, error in told.items():
                wanted = np.sqrt(found[family][place]) * usual / error
                found[family][place] = float(np.clip(wanted, SMALLEST_EMPHASIS, LARGEST_EMPHASIS))
    return {family: (energy, force, stress) for family, (energy, force, stress) in found.items()}


def emphasis_of(evidence: Mapping[str, Any]) -> dict[str, tuple[float, float, float]]:
    """Weights of energy, forces and stress of each family, as cross-validation found them (`Design.emphasised`)."""
    return {row["family"]: (row["energy"], row["force"], row["stress"]) for row in evidence["family_weights"]}


def choose_point(points: Sequence[dict[str, Any]], rule: str) -> int:
    """Index of the chosen point: fewest `n_functions`, then largest `alpha`, among those that are good enough.

    Good enough is the lowest `score` alone, or, by the rule of one standard error, everything within the standard error
    of the lowest score: differences below it are noise, and the simpler fit extrapolates better (Breiman, Friedman,
    Olshen and Stone, Classification and Regression Trees, 1984).

    Args:
        points: with `score`, `score_se`, `n_functions` and `alpha`.
        rule: one of `RULES`.
    """
    best = min(points, key=lambda point: point["score"])
    margin = best["score_se"] if rule == "one_standard_error" else 0.0
    eligible = [index for index, point in enumerate(points) if point["score"] <= best["score"] + margin + TIE]
    return min(eligible, key=lambda index: (points[index]["n_functions"], -points[index]["alpha"]))


def crossvalidate(design: Design, settings: Crossvalidate, subset_mask: Callable[[int], BoolArray]) -> dict[str, Any]:
    """Evidence of the stage `crossvalidate`: the grid, the chosen point and its errors, all of them held out.

    Families weigh alike in a first grid; at the point that it chooses `weigh_by_error` finds their weights, with which
    the grid is made that counts.

    Args:
        design: labelled structures described by the largest basis.
        settings: grid and weights.
        subset_mask: mask (K,) of the functions that stay when every largest degree is lowered by a number.

    Returns:
        `rule`, `weighing`, `weights`, `family_weights`, `grid`, `chosen`, `evidence` (α by evidence for the chosen
        basis and its held-out errors), `training`, `leave_group_out`, `leave_structure_out`, `by_family` (left out by
        group), `leave_family_out` (empty for a single family), `parity` and `structures`; predictions are left out by
        group.

    Raises:
        DataError: all structures are of one group.
    """
    if len(set(design.groups)) < 2:
        raise DataError("all structures are of one group: leave-group-out needs at least two. Sample more groups.")
    weights = Weights.of(settings)
    masks = {reduction: subset_mask(reduction) for reduction in settings.degree_reductions}
    families = dict.fromkeys(design.families, (1.0, 1.0, 1.0))
    problem, grid = score_grid(design.emphasised(families), settings, masks)
    best = choose_point(grid, settings.rule)
    if settings.family_weights == "by_error" and len(families) > 1:
        families = weigh_by_error(design, settings, grid[best]["alpha"], masks[grid[best]["degree_reduction"]])
        problem, grid = score_grid(design.emphasised(families), settings, masks)
        best = choose_point(grid, settings.rule)
    point = grid[best]
    mask, alpha = masks[point["degree_reduction"]], point["alpha"]
    held_out = problem.leave_out(weights, alpha, design.groups, mask)
    by_structure = problem.leave_out(weights, alpha, design.ids, mask)
    unseen = problem.leave_out(weights, alpha, design.families, mask) if len(families) > 1 else None
    return {
        "rule": f"{RULES[settings.rule]}; score: {SCORE}",
        "weighing": WEIGHING[settings.family_weights],
        "weights": asdict(weights),
        "family_weights": [
            {"family": family, **dict(zip(RMSE_KEYS, values, strict=True))} for family, values in families.items()
        ],
        "n_structures": len(design.ids),
        "n_groups": len(set(design.groups)),
        "grid": [{**row, "chosen": index == best} for index, row in enumerate(grid)],
        "chosen": {
            **{key: point[key] for key in ("degree_reduction", "n_functions", "alpha", "score")},
            "alpha_at_edge": alpha in (min(settings.alphas), max(settings.alphas)),
        },
        "evidence": _by_evidence(problem, weights, mask),
        "training": errors(residuals(design, problem.fit(weights, alpha, mask))),
        "leave_group_out": _figures(held_out, design),
        "leave_structure_out": {
            **_figures(by_structure, design),
            "by_family": by_family(by_structure, design.families),
        },
        "by_family": by_family(held_out, design.families),
        "leave_family_out": by_family(unseen, design.families) if unseen is not None else [],
        "parity": parity(design, held_out),
        "structures": structure_errors(design, held_out),
    }


def _figures(found: Residuals, design: Design) -> dict[str, float | None]:
    """Errors, typical errors over the families, and the standard errors of both over groups."""
    return {
        **errors(found),
        **standard_errors(found, design.groups),
        **typical_errors(found, design.families),
        **typical_standard_errors(found, design.families, design.groups),
    }


def score_grid(
    design: Design, settings: Crossvalidate, masks: Mapping[int, BoolArray]
) -> tuple[LinearProblem, list[dict[str, Any]]]:
    """Normal equations of a design, and a row of held-out errors for each basis size and α.

    Args:
        design: labelled structures, families weighed.
        settings: grid of α, and weights.
        masks: functions (K,) of each basis size, by the degree reduction that makes it.
    """
    problem, weights = LinearProblem(design, prior_power=settings.prior_power), Weights.of(settings)
    rows = []
    for reduction, mask in masks.items():
        for alpha in settings.alphas:
            figures = _figures(problem.leave_out(weights, alpha, design.groups, mask), design)
            found = {"score": score(figures, weights), "score_se": score_se(figures, weights), **figures}
            rows.append({"degree_reduction": reduction, "n_functions": int(mask.sum()), "alpha": alpha, **found})
    return problem, rows


def _by_evidence(problem: LinearProblem, weights: Weights, mask: BoolArray) -> dict[str, Any]:
    found = problem.evidence(weights, mask)
    return {**asdict(found), **errors(problem.leave_out(weights, found.alpha, problem.design.groups, mask))}


def parity(design: Design, held_out: Residuals) -> dict[str, Any]:
    """Reference and held-out prediction of energies (eV/atom) and of at most 4000 evenly thinned forces."""
    energy = design.y_energy / design.n_atoms
    count = len(design.y_forces)
    thinned = np.linspace(0, count - 1, min(count, MAX_PARITY_COMPONENTS)).astype(np.int64)
    forces = design.y_forces[thinned]
    return {
        "energy_ev_per_atom": {
            "reference": energy.tolist(),
            "predicted": (energy + held_out.energy).tolist(),
            "family": list(design.families),
        },
        "force_ev_per_ang": {
            "reference": forces.tolist(),
            "predicted": (forces + held_out.forces[thinned]).tolist(),
        },
    }


def structure_errors(design: Design, held_out: Residuals) -> list[dict[str, str | float]]:
    """One row per structure: id, family, group, energy error (meV/atom, signed) and rms force error (eV/Å)."""
    squares = np.add.reduceat(held_out.forces**2, 3 * design.offsets[:-1])
    rms = np.sqrt(squares / (3 * design.n_atoms))
    return [
        {
            "id": design.ids[index],
            "family": design.families[index],
            "group": design.groups[index],
            "energy_error_mev_per_atom": 1e3 * float(held_out.energy[index]),
            "force_error_ev_per_ang": float(rms[index]),
        }
        for index in range(len(design.ids))
    ]
