"""Members of an ensemble of heads: their bootstrap samples of the groups, and the training of one of them."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pesforge.errors import DataError
from pesforge.folds import check_split, group_folds, group_members
from pesforge.metrics import Residuals
from pesforge.potentials.head import NeuralHead
from pesforge.provenance import derive_seed
from pesforge.representations.arrays import BoolArray, IntArray
from pesforge.representations.design import Design
from pesforge.representations.projections import ProjectionSet
from pesforge.settings import Crossvalidate

WHOLE = "all"
"""The part of an ensemble that nothing is held out of: what is shipped. The others are numbers of folds."""


def bootstrap(groups: Sequence[Hashable], rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Structures of as many groups as there are, drawn with repetition, and those of the groups that were not drawn.

    Groups and not structures are drawn: structures of one group are alike, and a sample that has seen one of them has
    seen the others. A draw that misses no group is drawn again.

    Args:
        groups: (S,) group of each structure.
        rng: source of randomness.

    Returns:
        Indices of the drawn structures, those of a group drawn twice standing there twice, and of the missed ones.

    Raises:
        DataError: there is one group only.
    """
    members = list(group_members(groups).values())
    if len(members) < 2:
        raise DataError("a bootstrap sample over groups needs two groups at least. Sample more groups.")
    drawn = rng.integers(len(members), size=len(members))
    while len(set(drawn.tolist())) == len(members):
        drawn = rng.integers(len(members), size=len(members))
    missed = np.setdiff1d(np.arange(len(members)), drawn)
    return np.concatenate([members[n] for n in drawn]), np.concatenate([members[n] for n in missed])


def seen_and_held(design: Design, part: str, *, folds: int, study_seed: int) -> tuple[IntArray, IntArray]:
    """Structures that the members of a part may see, and those that judge them: a fold of the sweep, or none.

    Args:
        design: curated structures.
        part: number of a fold, or `WHOLE`.
        folds: folds of the sweep.
        study_seed: seed of the study.

    Raises:
        DataError: there are too few groups.
    """
    every = np.arange(len(design.ids))
    if part == WHOLE:
        return every, every[:0]
    held = group_folds(design.groups, folds, derive_seed(study_seed, "folds"), families=design.families)[int(part)]
    seen = np.setdiff1d(every, held)
    check_split(design.groups, seen, held)
    return seen, held


def train_member(
    config: dict[str, Any],
    design: Design,
    projections: ProjectionSet,
    *,
    part: str,
    member: str,
    folds: int,
    study_seed: int,
    model: Crossvalidate,
    chosen: Mapping[str, Any],
    columns: BoolArray,
    folder: Path,
) -> tuple[dict[str, Any], NeuralHead, IntArray, Residuals]:
    """Metrics of a member, its head, the held-out structures and its residuals on them.

    The linear potential below is fitted to all structures that the part may see, and the head learns what it leaves of
    a group that it was fitted without, as in the sweep. Each member has first parameters, an order of batches and a
    bootstrap sample of the groups of its own; the groups that the sample has missed decide when to stop. None of them
    sees the held-out fold.

    Args:
        config: composed training configuration.
        design: curated structures.
        projections: their principal projections.
        part: number of the held-out fold, or `WHOLE`.
        member: name of the member; with the part it decides the sample and the seed.
        folds: folds of the sweep.
        study_seed: seed of the study.
        model: prior of the linear potential.
        chosen: the point that cross-validation chose (`alpha`).
        columns: (K,) mask of the functions of the chosen basis.
        folder: place of checkpoints and logs.

    Raises:
        DataError: there are too few groups.
    """
    from pesforge.training.data import Targets
    from pesforge.training.run import train_run
    from pesforge.training.stages import Split, fit_linear, head_labels, loss_weights, with_linear_column

    seen, held = seen_and_held(design, part, folds=folds, study_seed=study_seed)
    groups = [design.groups[structure] for structure in seen]
    drawn, missed = bootstrap(groups, np.random.default_rng(derive_seed(study_seed, "bootstrap", part, member)))
    check_split(groups, drawn, missed)
    weights = loss_weights(config)
    fit, left_out = fit_linear(design, seen, weights, model=model, alpha=chosen["alpha"], columns=columns)
    labels = head_labels(design, Split(seen, held[:0], held), fit, left_out)
    seed = derive_seed(study_seed, "member", part, member)
    result = train_run(
        config,
        with_linear_column(projections),
        Targets(labels.energy * design.n_atoms, labels.forces, labels.stress, design.emphasis),
        design.counts,
        train_index=seen[drawn],
        val_index=seen[missed],
        test_index=held,
        seed=seed,
        folder=folder,
    )
    metrics = {
        "part": part,
        "member": member,
        "seed": seed,
        "n_groups": len(set(groups)),
        "n_groups_drawn": len({groups[index] for index in drawn}),
        "n_held_out": len(held),
        **result.evidence(),
    }
    return metrics, result.head, held, result.residuals["test"]
