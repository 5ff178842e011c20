"""The stages `train` and `choose`: what one job of the sweep does, and the choice among all of their results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pesforge.errors import DataError
from pesforge.folds import check_split, group_folds
from pesforge.metrics import TO_REPORTED, Residuals, errors, typical_of
from pesforge.potentials.head import NeuralHead
from pesforge.potentials.linear import LinearProblem, residuals
from pesforge.potentials.normal import LinearFit, Weights
from pesforge.provenance import derive_seed
from pesforge.representations.arrays import BoolArray, IntArray
from pesforge.representations.design import Design
from pesforge.representations.projections import ProjectionSet
from pesforge.settings import Crossvalidate
from pesforge.training.pareto import REASONS, choose, error_table, non_dominated

ERROR_KEYS = ("energy_rmse_mev_per_atom", "force_rmse_ev_per_ang", "stress_rmse_gpa")
LOSS_KEYS = ("w_energy", "w_force", "w_stress", "lambda_m")


@dataclass(frozen=True)
class Split:
    """Structures for fitting, for stopping and for judging; the groups of the three are different."""

    train: IntArray
    validation: IntArray
    test: IntArray

    @property
    def seen(self) -> IntArray:
        """Everything but the held-out structures, in rising order."""
        return np.sort(np.concatenate([self.train, self.validation]))


def split_of(design: Design, *, folds: int, seed: int, study_seed: int, validation_fraction: float) -> Split:
    """The split of a seed of the sweep: its own fold is held out, and some of the other groups stop the training.

    Raises:
        DataError: there are too few groups.
    """
    parts = group_folds(design.groups, folds, derive_seed(study_seed, "folds"), families=design.families)
    test = parts[seed]
    seen = np.setdiff1d(np.arange(len(design.ids)), test)
    inner = group_folds(
        [design.groups[index] for index in seen],
        max(2, round(1.0 / validation_fraction)),
        derive_seed(study_seed, "validation", seed),
        families=[design.families[index] for index in seen],
    )[0]
    split = Split(train=np.delete(seen, inner), validation=seen[inner], test=test)
    check_split(design.groups, split.seen, split.test)
    check_split(design.groups, split.train, split.validation)
    return split


def loss_weights(config: Mapping[str, Any]) -> Weights:
    """Weights of the energy, force and stress terms of a composed training configuration."""
    loss = config["loss"]
    return Weights(energy=loss["w_energy"], force=loss["w_force"], stress=loss["w_stress"])


def fit_linear(
    design: Design, structures: IntArray, weights: Weights, *, model: Crossvalidate, alpha: float, columns: BoolArray
) -> tuple[LinearFit, Residuals]:
    """The linear potential of some structures, and its leave-group-out residuals on them.

    Args:
        design: all structures.
        structures: indices of those that are fitted.
        weights: weights of the fit.
        model: prior of the linear potential.
        alpha: prior precision.
        columns: (K,) mask of the functions.
    """
    part = design.select(structures)
    problem = LinearProblem(part, prior_power=model.prior_power)
    return problem.fit(weights, alpha, columns), problem.leave_out(weights, alpha, part.groups, columns)


def head_labels(design: Design, split: Split, fit: LinearFit, held_out: Residuals) -> Residuals:
    """What the head has to learn: minus the residual of the linear potential, of every structure.

    For the structures that the linear potential was fitted to these are leave-group-out residuals: the residuals of
    the fit itself are far smaller than its errors elsewhere, and a head that learns them learns nothing of use.
    """
    number = len(design.ids)
    energy, stress = np.empty(number), np.empty((number, 6))
    forces = np.empty(3 * int(design.n_atoms.sum()))
    for structures, found in ((split.seen, held_out), (split.test, residuals(design.select(split.test), fit))):
        energy[structures] = -found.energy
        stress[structures] = -found.stress.reshape(-1, 6)
        forces[design.force_rows(structures)] = -found.forces
    return Residuals(energy, forces, stress.ravel(), design.n_atoms)


def with_linear_column(projections: ProjectionSet) -> ProjectionSet:
    """The projections with a last column of zeros, in the place of a linear energy that is subtracted already."""

    def padded(array: np.ndarray) -> np.ndarray:
        return np.concatenate([array, np.zeros((*array.shape[:-1], 1))], axis=-1)

    return replace(
        projections,
        rho=padded(projections.rho),
        gradient=padded(projections.gradient),
        strain=padded(projections.strain),
    )


def train_point(
    config: dict[str, Any],
    design: Design,
    projections: ProjectionSet,
    *,
    split: Split,
    model: Crossvalidate,
    chosen: Mapping[str, Any],
    columns: BoolArray,
    seed: int,
    folder: Path,
) -> tuple[dict[str, Any], NeuralHead, Residuals]:
    """Metrics of one point and seed of the sweep, the trained head, and its residuals on the held-out structures.

    Args:
        config: composed training configuration.
        design: curated structures.
        projections: their principal projections.
        split: which structures fit, stop and judge.
        model: prior of the linear potential.
        chosen: the point that cross-validation chose (`alpha`).
        columns: (K,) mask of the functions of the chosen basis.
        seed: seed of the run.
        folder: place of checkpoints and logs.
    """
    from pesforge.training.data import Targets
    from pesforge.training.run import train_run

    weights = loss_weights(config)
    fit, held_out = fit_linear(design, split.seen, weights, model=model, alpha=chosen["alpha"], columns=columns)
    labels = head_labels(design, split, fit, held_out)
    result = train_run(
        config,
        with_linear_column(projections),
        Targets(labels.energy * design.n_atoms, labels.forces, labels.stress, design.emphasis),
        design.counts,
        train_index=split.train,
        val_index=split.validation,
        test_index=split.test,
        seed=seed,
        folder=folder,
    )
    test = design.select(split.test)
    metrics = {
        "loss": {key: config["loss"][key] for key in LOSS_KEYS},
        "n_train": len(split.train),
        "n_validation": len(split.validation),
        "test_ids": [design.ids[index] for index in split.test],
        "linear": _judged(residuals(test, fit), test.families),
        "neural": _judged(result.residuals["test"], test.families),
        **result.evidence(),
    }
    return metrics, result.head, result.residuals["test"]


def _judged(found: Residuals, families: Sequence[str]) -> dict[str, Any]:
    """Errors, and by family the sums from which the errors of several folds are pooled."""
    labels = np.array(families)
    sums = {}
    for family in dict.fromkeys(families):
        part = found.select(labels == family)
        stress = part.stress[~np.isnan(part.stress)]
        values = {"energy": part.energy, "force": part.forces, "stress": stress}
        sums[family] = {kind: [float(np.sum(value**2)), len(value)] for kind, value in values.items()}
    return {**errors(found), "sums": sums}


def _pooled(parts: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Root mean square errors over the held-out structures of several runs, of all and typical of a family."""
    sums = [part["sums"] for part in parts]
    families = dict.fromkeys(family for found in sums for family in found)
    rows = [_rms([found[family] for found in sums if family in found]) for family in families]
    return {**_rms([family for found in sums for family in found.values()]), **typical_of(rows)}


def _rms(sums: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, float | None]:
    """Root mean square errors from sums of squares and numbers of components by kind."""
    found: dict[str, float | None] = {}
    for key, (kind, factor) in zip(ERROR_KEYS, TO_REPORTED.items(), strict=True):
        squares, number = (sum(part[kind][place] for part in sums) for place in (0, 1))
        found[key] = factor * float(np.sqrt(squares / number)) if number else None
    return found


def choose_candidate(
    metrics: Mapping[str, Sequence[Mapping[str, Any]]], use: Any, among: Sequence[str] = ("linear", "neural")
) -> dict[str, Any]:
    """Evidence of the stage `choose`: every candidate with its held-out errors, and the chosen one.

    The candidates are the heads of all points, and the linear potential at every triple of weights: both are fitted
    to the same structures and judged on the same held-out groups, pooled over the seeds; the geometric mean of the
    families' errors decides. A head that no epoch improved in any seed stayed zero: it is the linear potential and no
    candidate of its own.

    Args:
        metrics: per run the metrics of its seeds, in order of the seeds.
        use: what the potential is for.
        among: kinds of potentials among which is chosen.

    Raises:
        DataError: there is no run, or no candidate of these kinds.
    """
    if not metrics:
        raise DataError("the sweep has no run: give `train.sweep` at least one point.")
    candidates: dict[str, dict[str, Any]] = {}
    unmoved: list[str] = []
    for run, seeds in metrics.items():
        loss = seeds[0]["loss"]
        moved = any(seed["best_epoch"] > 0 for seed in seeds)
        linear_weights = {key: loss[key] for key in LOSS_KEYS[:3]}
        linear_name = "linear " + " : ".join(f"{value:g}" for value in linear_weights.values())
        neural_name = f"neural {' : '.join(f'{loss[key]:g}' for key in LOSS_KEYS[:3])}, λ_M {loss['lambda_m']:g}"
        kinds = [(linear_name, "linear", linear_weights)] + [(neural_name, "neural", dict(loss))] * moved
        if not moved:
            unmoved.append(neural_name)
        for name, kind, weights in kinds:
            candidates.setdefault(
                name,
                {
                    "name": name,
                    "kind": kind,
                    "run": run,
                    "weights": weights,
                    **_pooled([seed[kind] for seed in seeds]),
                },
            )
    listed = list(candidates.values())
    front = non_dominated(error_table(listed)[1])
    allowed = [index for index, candidate in enumerate(listed) if candidate["kind"] in among]
    if not allowed:
        raise DataError(
            "`choose.kinds` allows neural potentials alone, and no epoch improved a head in any run: all of them are "
            "the linear potential. Add `linear` to it, or change `train.sweep` or `train.overrides`."
        )
    best = allowed[choose([listed[index] for index in allowed], use)]
    for index, candidate in enumerate(listed):
        candidate["non_dominated"] = bool(front[index])
        candidate["chosen"] = index == best
    return {"use": use, "reason": REASONS[use], "candidates": listed, "heads_that_stayed_zero": unmoved}


def most_improved(seeds: Sequence[Mapping[str, Any]]) -> int:
    """Index of the run whose best epoch lowered its validation loss by the largest factor.

    Every seed is validated on groups of its own, some of them harder than others: the losses themselves cannot be
    compared, what a head took from that of the linear potential can. The first of equal ones.

    Args:
        seeds: metrics of the runs of a point, one per seed.
    """
    shares = []
    for seed in seeds:
        losses = [row["validation_loss"] for row in seed["history"]]
        shares.append(min(losses) / losses[0])
    return shares.index(min(shares))


def training_evidence(metrics: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Evidence of the stage `train`: all runs, and Reg-M with and without.

    Args:
        metrics: per run the metrics of its seeds, in order of the seeds.
    """
    runs = [
        {
            "run": run,
            "seed": number,
            **seed["loss"],
            "epochs": seed["epochs"],
            "best_epoch": seed["best_epoch"],
            "stop_reason": seed["stop_reason"],
            **{key: seed["neural"][key] for key in ERROR_KEYS},
        }
        for run, seeds in metrics.items()
        for number, seed in enumerate(seeds)
    ]
    by_lambda = []
    for value in sorted({row["lambda_m"] for row in runs}):
        parts = [seed["neural"] for seeds in metrics.values() for seed in seeds if seed["loss"]["lambda_m"] == value]
        by_lambda.append({"lambda_m": value, "runs": len(parts), **_pooled(parts)})
    failed = [{"run": row["run"], "reason": row["stop_reason"]} for row in runs if row["stop_reason"] == "not_finite"]
    return {"runs": runs, "failed": failed, "by_lambda_m": by_lambda}
