"""Evidence of the stage `uncertainty`: what the potential says of its errors, before and after calibration."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pesforge.errors import DataError
from pesforge.metrics import KINDS, TO_REPORTED
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import Weights
from pesforge.representations.arrays import BoolArray
from pesforge.uncertainty.calibration import raw_laws
from pesforge.uncertainty.crossfit import FOLDS, Judged, judge
from pesforge.uncertainty.law import Law
from pesforge.uncertainty.merit import CURVE, STATED
from pesforge.uncertainty.variance import Labels, linear_left_out

Row = dict[str, Any]
ALLOWED_PERCENT = 3.0
"""Largest distance of coverage and level, at the levels that are judged, of intervals that are called calibrated."""
JUDGED = (0.5, 0.8, 0.95)
COVERAGE_COLUMNS = ("kind", "nominal_percent", "before_percent", "after_percent", "after_se_percent")
STANDARD_ERRORS = 2.0
"""A distance of fewer standard errors over structures than this is chance, and is told as such."""
METHOD = (
    "Every label is predicted by the fit without its group. Its variance is σ_a² / w + s² h: noise over the weight w "
    "of the family, and s² times the leverage h of the label by that fit. Before: s is the noise of a label of weight "
    "1 that maximises the evidence, σ_a the same over the root of the label's weight, and errors are Gaussian. After: "
    "σ_a, s and the degrees of freedom of Student's t by the largest likelihood, then quantiles bent to those "
    "observed; each fold of groups is judged by a calibration on the others."
)


def evidence(
    problem: LinearProblem, weights: Weights, alpha: float, columns: BoolArray | None = None, *, seed: int
) -> Row:
    """Calibration of the linear potential on groups that neither the fit nor the calibration has seen.

    Args:
        problem: labelled structures.
        weights: weights of the fit.
        alpha: prior precision.
        columns: mask (K,) of functions; None: all.
        seed: of the folds of groups.

    Raises:
        DataError: a factorisation fails.
    """
    design = problem.design
    labels = linear_left_out(problem, weights, alpha, design.groups, columns)
    first = raw_laws(problem.factorise(weights, alpha, columns))
    return {"method": METHOD} | judged_evidence(labels, first, design.groups, design.families, seed=seed)


def judged_evidence(
    labels: Mapping[str, Labels],
    first: Mapping[str, Law],
    groups: Sequence[str],
    families: Sequence[str],
    *,
    seed: int,
) -> Row:
    """The evidence of left-out errors, and a remark where they are too few.

    Args:
        labels: by kind.
        first: laws before calibration.
        groups: (S,) of each structure.
        families: (S,) of each structure.
        seed: of the folds of groups.
    """
    try:
        judged = judge(labels, first, groups, seed=seed, families=families)
        remark = None
    except DataError as error:
        judged, remark = {}, str(error)
    return summarise(judged, families) | {
        "remark": remark,
        "folds": min(FOLDS, len(set(groups))),
        "n_groups": len(set(groups)),
    }


def spoken(found: Mapping[str, Any]) -> list[str]:
    """Lines for people: calibration error and coverage of each kind, before and after.

    Args:
        found: of `evidence`, `judged_evidence` or `summarise`.
    """
    coverage = {(row["kind"], row["nominal_percent"]): row for row in found["coverage"]}
    lines = []
    for row in found["kinds"]:
        own = [coverage[row["kind"], 100.0 * level] for level in JUDGED]
        levels = ", ".join(f"{100 * level:.0f}" for level in JUDGED)
        before, after = (", ".join(f"{line[f'{when}_percent']:.0f}" for line in own) for when in ("before", "after"))
        lines.append(
            f"{row['kind']}: intervals of {levels} % hold {before} % before calibration and "
            f"{after} % after it (mean distance {row['before']['calibration_error_percent']:.1f} and "
            f"{row['after']['calibration_error_percent']:.1f} %)"
        )
    return lines


def summarise(judged: Mapping[str, Judged], families: Sequence[str]) -> Row:
    """Figures of merit, coverage, calibration curve and coverage by family of each kind, before and after.

    Args:
        judged: by kind.
        families: (S,) of each structure.
    """
    kinds = [kind for kind in KINDS if kind in judged]
    return {
        "kinds": [_kind(kind, judged[kind]) for kind in kinds],
        "coverage": [row for kind in kinds for row in _coverage(kind, judged[kind], STATED)],
        "curve": [row for kind in kinds for row in _coverage(kind, judged[kind], CURVE)],
        "by_family": [row for kind in kinds for row in _by_family(kind, judged[kind], families)],
    }


def _kind(kind: str, found: Judged) -> Row:
    """One kind: how many errors there are, the laws and the figures of merit before and after."""
    unit = TO_REPORTED[kind]
    row: Row = {"kind": kind, "n": len(found.labels.error), "n_symmetric": found.labels.symmetric}
    for when, law, scored in (("before", found.first, found.before), ("after", found.law, found.after)):
        row[when] = {
            "noise": unit * law.noise,
            "scale": law.scale,
            "dof": None if np.isinf(law.dof) else law.dof,
            **scored.figures(unit),
        }
    own = found.labels.owner
    shares = [_share(found, level) for level in JUDGED]
    errors = [_standard_error(found.after.level <= level, own) for level in JUDGED]
    row["largest_distance_percent"] = 100.0 * max(
        abs(share - level) for share, level in zip(shares, JUDGED, strict=True)
    )
    row["allowed_percent"] = ALLOWED_PERCENT
    row["calibrated"] = all(
        abs(share - level) <= max(ALLOWED_PERCENT / 100.0, STANDARD_ERRORS * error)
        for share, level, error in zip(shares, JUDGED, errors, strict=True)
    )
    return row


def _share(found: Judged, level: float) -> float:
    return found.after.coverage((level,))[0]


def _standard_error(inside: BoolArray, owner: np.ndarray) -> float:
    """Standard error of a share whose errors are alike within a structure."""
    _, place = np.unique(owner, return_inverse=True)
    excess = np.bincount(place, weights=inside - inside.mean())
    return float(np.sqrt(np.sum(excess**2)) / len(inside))


def _coverage(kind: str, found: Judged, levels: Sequence[float]) -> list[Row]:
    """One row per level: nominal and observed coverage in percent."""
    observed = zip(levels, found.before.coverage(levels), found.after.coverage(levels), strict=True)
    rows = []
    for level, before, after in observed:
        error = _standard_error(found.after.level <= level, found.after.owner)
        shares = (100.0 * share for share in (level, before, after, error))
        rows.append(dict(zip(COVERAGE_COLUMNS, (kind, *shares), strict=True)))
    return rows


def _by_family(kind: str, found: Judged, families: Sequence[str]) -> list[Row]:
    """Coverage of calibrated intervals in each family: they hold over all, and not in each."""
    own = np.array(families)[found.after.owner]
    rows = []
    for family in dict.fromkeys(families):
        mine = own == family
        if mine.any():
            half, most = found.after.coverage((0.5, 0.9), mine)
            shares = {"after_50_percent": 100.0 * half, "after_90_percent": 100.0 * most}
            rows.append({"kind": kind, "family": family, "n": int(mine.sum()), **shares})
    return rows
