"""What an ensemble of heads, or a head with dropout, says of its own errors, calibrated on held-out groups."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pesforge.errors import DataError
from pesforge.fitting.evaluation import evaluate_frames
from pesforge.fitting.heads import Heads, Task
from pesforge.fitting.splits import in_order
from pesforge.metrics import KINDS, Residuals
from pesforge.potentials.ensemble import HeadEnsemble
from pesforge.provenance import derive_seed
from pesforge.representations.arrays import IntArray
from pesforge.uncertainty.calibrated import Calibrated
from pesforge.uncertainty.crossfit import Judged, judge
from pesforge.uncertainty.evidence import summarise
from pesforge.uncertainty.law import Law
from pesforge.uncertainty.noise import NoiseShape, by_kind
from pesforge.uncertainty.variance import Labels, by_members

if TYPE_CHECKING:
    from pesforge.training.run import RunResult

THINNED = 20
"""Heads with other neurons left out that stand for one head with dropout."""


def own_errors(
    heads: Heads, parts: Sequence[IntArray], tasks: Sequence[Task], runs: "Sequence[Sequence[RunResult]]"
) -> tuple[dict[str, Any], Calibrated | None] | None:
    """Calibration of the spread over the members on the groups that no member has seen; None for one plain head.

    It comes as evidence and, where there are errors enough, as laws for use.

    Before: the variance over the members is taken for all of the variance of the error. After: noise, scale and tails
    by groups, see `pesforge.uncertainty`; with the option `heteroscedastic` the noise depends on the projections.

    Args:
        heads: what was trained.
        parts: held-out structures of each fold.
        tasks: of each fold.
        runs: heads of each fold.
    """
    if len(runs[0]) > 1:
        source = f"variance over {len(runs[0])} heads, each of a bootstrap sample of the groups"
        folds = [[run.residuals["test"] for run in fold] for fold in runs]
    elif heads.options.dropout > 0:
        source = f"variance over {THINNED} draws of dropout"
        folds = [_thinned(heads, task, fold) for task, fold in zip(tasks, runs, strict=True)]
    else:
        return None
    members = [in_order(parts, [fold[number] for fold in folds]) for number in range(len(folds[0]))]

    def shaped(seen: IntArray) -> Mapping[str, Labels]:
        return by_members(members, _noise(heads, members, seen))

    labels = by_members(members)
    try:
        judged = judge(
            labels,
            dict.fromkeys(KINDS, Law(0.0, 1.0)),
            heads.groups,
            seed=derive_seed(heads.options.seed, "calibration"),
            families=heads.families,
            shaped=shaped if heads.options.heteroscedastic else None,
        )
    except DataError as error:
        return {"source": source, "remark": str(error), **summarise({}, heads.families)}, None
    noise = "depends on the projections" if heads.options.heteroscedastic else "is the same everywhere"
    told = {"source": f"{source}; noise {noise}", "remark": None, **summarise(judged, heads.families)}
    shape = _shape(heads, members, np.arange(len(heads.frames))) if heads.options.heteroscedastic else None
    return told, _for_use(heads, judged, shape)


def _for_use(heads: Heads, judged: Mapping[str, Judged], shape: NoiseShape | None) -> Calibrated | None:
    """The laws that were calibrated on all groups; None where energies have none."""
    laws = {kind: found.law for kind, found in judged.items()}
    if "energy" not in laws:
        return None
    if heads.options.members > 1:
        return Calibrated("members", laws, shape)
    seed = derive_seed(heads.options.seed, "dropout")
    return Calibrated("dropout", laws, shape, heads.options.dropout, THINNED, seed)


def _thinned(heads: Heads, task: Task, runs: "Sequence[RunResult]") -> list[Residuals]:
    """Residuals on the held-out structures of a head with other neurons left out each time."""
    rng = np.random.default_rng(derive_seed(heads.options.seed, "dropout"))
    head, rate = runs[0].head, heads.options.dropout
    ensemble = HeadEnsemble(tuple(head.thinned(rate, rng) for _ in range(THINNED)))
    frames = [heads.frames[s] for s in task.held]
    return [evaluate_frames(member, frames) for member in heads.with_head(task, ensemble).members]


def _noise(heads: Heads, members: Sequence[Residuals], seen: IntArray) -> dict[str, np.ndarray]:
    """Shapes of the noise of all labels, learned from the force errors of the structures `seen` alone."""
    return by_kind(_shape(heads, members, seen).of(heads.projections.rho), members[0].n_atoms)


def _shape(heads: Heads, members: Sequence[Residuals], seen: IntArray) -> NoiseShape:
    """The shape of the noise that the force errors of the structures `seen` teach."""
    n_atoms, features = members[0].n_atoms, heads.projections.rho
    errors = np.mean([part.forces for part in members], axis=0).reshape(-1, 3)
    taught = np.isin(np.repeat(np.arange(len(n_atoms)), n_atoms), seen)
    return NoiseShape.learned(features[taught], errors[taught])
