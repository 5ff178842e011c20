"""The curation stage: copies, influential labels, leakage between folds and coverage, as one piece of evidence."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from pesforge.curation.coverage import coverage
from pesforge.curation.duplicates import duplicates
from pesforge.curation.filters import Decision
from pesforge.curation.influence import Influence, Property, Select, compare_without, influence
from pesforge.curation.leakage import leakage
from pesforge.curation.whitening import features
from pesforge.errors import DataError
from pesforge.folds import check_split, group_folds
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import LinearFit, Weights
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.design import Design
from pesforge.settings import Crossvalidate, Curate


def audit(
    names: Iterable[str],
    design: Design,
    settings: Curate,
    *,
    model: Crossvalidate,
    n_folds: int,
    seed: int,
    alpha: float | None = None,
    dropped: Sequence[Decision] = (),
    properties: Callable[[LinearFit], Sequence[Property]] | None = None,
    select: Select = Design.select,
) -> tuple[IntArray, dict[str, Any]]:
    """Indices of the structures kept, and the evidence of the stage `curate`.

    Copies are dropped; labels with a Cook's distance above the threshold are dropped when the settings say so, and
    reported in any case; leaked structures are flagged for the folds that `group_folds` makes of the kept structures.

    Args:
        names: ids of the labelled structures that passed `filter_labels`.
        design: their descriptors, in the same order.
        settings: limits of the filters.
        model: weights and prior of the linear model that judges influence.
        n_folds: folds of groups used in training.
        seed: seed of these folds.
        alpha: prior precision of the linear model; None: by evidence.
        dropped: decisions of `filter_labels`, reported with the others.
        properties: properties of a fit that the comparison without the top labels shows, such as elastic constants.
        select: gives the design of some structures; one that leaves the rows on the disk keeps the memory flat.

    Raises:
        DataError: names and design do not belong together, or too few structures or groups remain.
    """
    if tuple(names) != design.ids:
        raise DataError("frames and design hold different structures: describe the frames that passed the filters.")
    copies = duplicates(design, settings.duplicate_distance)
    names = {decision.id for decision in copies}
    distinct = np.array([index for index, name in enumerate(design.ids) if name not in names], dtype=np.int64)
    judged, removed = _influence(select(design, distinct), settings, model, alpha, properties, select)
    kept = np.delete(distinct, [index for index, _ in removed])
    decisions = [*dropped, *copies, *(decision for _, decision in removed)]
    values, labels = features(design), design.columns(np.empty(0, dtype=np.int64)).select(kept)
    return kept, {
        "kept": len(kept),
        "dropped": [decision.to_dict() for decision in decisions],
        "leakage": fold_leakage(labels, values[kept], n_folds, seed, settings.leakage_quantile),
        "influence": judged,
        "coverage": {
            "before": coverage(values, np.arange(len(design.ids))),
            "after": coverage(values, kept),
        },
    }


def _influence(
    design: Design,
    settings: Curate,
    model: Crossvalidate,
    alpha: float | None,
    properties: Callable[[LinearFit], Sequence[Property]] | None,
    select: Select,
) -> tuple[dict[str, Any], list[tuple[int, Decision]]]:
    """Evidence on influence, and the structures to remove with their decisions."""
    problem = LinearProblem(design, prior_power=model.prior_power)
    weights = Weights.of(model)
    precision = problem.evidence(weights).alpha if alpha is None else alpha
    found = influence(problem, weights, precision)
    order = np.argsort(-found.cook, kind="stable")
    removed = [
        (int(index), _decision(design.ids[index], float(found.cook[index]), settings.cook_threshold))
        for index in order
        if settings.cook_remove and found.cook[index] > settings.cook_threshold
    ]
    gone = {index for index, _ in removed}
    top = order[: max(settings.cook_report, len(removed))]
    remaining = {design.groups[index] for index in set(range(len(design.ids))) - {int(i) for i in top}}
    refit = (
        compare_without(
            problem, top, weights, precision, prior_power=model.prior_power, select=select, properties=properties
        )
        if len(remaining) > 1
        else []
    )
    return {
        "threshold": settings.cook_threshold,
        "alpha": precision,
        "effective_parameters": found.effective_parameters,
        "noise": found.noise,
        "top": [_row(design, found, int(index), int(index) in gone) for index in top],
        "refit": refit,
    }, removed


def _decision(name: str, cook: float, threshold: float) -> Decision:
    return Decision(name, "influence", f"Cook's distance {cook:.2f} of its labels, above {threshold:g}")


def _row(design: Design, found: Influence, index: int, removed: bool) -> dict[str, Any]:
    return {
        "id": design.ids[index],
        "family": design.families[index],
        "cook": float(found.cook[index]),
        "leverage": float(found.leverage[index]),
        "cook_energy": float(found.cook_energy[index]),
        "leverage_energy": float(found.leverage_energy[index]),
        "removed": removed,
    }


def fold_leakage(design: Design, values: FloatArray, n_folds: int, seed: int, quantile: float) -> dict[str, Any]:
    """Leakage of each fold's held-out groups into the rest: flagged structures, thresholds, and the mean threshold.

    Args:
        design: the structures used from here on; its rows are not looked at.
        values: (S, K) their invariants, see `features`.
        n_folds: number of folds.
        seed: seed of the folds.
        quantile: quantile of the training set's nearest-neighbour distances that flags.

    Raises:
        DataError: there are fewer groups than folds.
    """
    folds, flagged = [], []
    for number, test in enumerate(group_folds(design.groups, n_folds, seed, families=design.families)):
        train = np.setdiff1d(np.arange(len(design.ids)), test)
        check_split(design.groups, train, test)
        report = leakage(values, train, test, quantile)
        folds.append(
            {
                "fold": number,
                "n_test": len(test),
                "n_flagged": int(report.flagged.sum()),
                "threshold": report.threshold,
                "shrinkage": report.shrinkage,
            }
        )
        flagged += [
            {
                "id": design.ids[int(report.test[place])],
                "nearest_id": design.ids[int(report.nearest[place])],
                "distance": float(report.distance[place]),
                "threshold": report.threshold,
                "fold": number,
            }
            for place in np.flatnonzero(report.flagged)
        ]
    threshold = float(np.mean([fold["threshold"] for fold in folds]))
    return {"quantile": quantile, "threshold": threshold, "flagged": flagged, "folds": folds}
