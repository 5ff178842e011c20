"""A deep ensemble of a study: what its members left out say together, how it is judged, and the folder to take away."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pesforge.errors import DataError
from pesforge.export.potential_folder import save_potential
from pesforge.export.stage import origin, remove_old
from pesforge.io import read_json
from pesforge.metrics import Residuals, errors
from pesforge.potentials.ensemble import HeadEnsemble
from pesforge.potentials.head import NeuralHead
from pesforge.provenance import derive_seed
from pesforge.representations.ace import AceBasis
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.design import Design
from pesforge.representations.projections import ProjectionSet
from pesforge.settings import Crossvalidate
from pesforge.training.dropout import thinned_residuals
from pesforge.training.judge import judge, pooled_residuals
from pesforge.training.members import WHOLE
from pesforge.training.stages import fit_linear, loss_weights
from pesforge.uncertainty.calibrated import Calibrated
from pesforge.uncertainty.variance import moments

DRAWS = 20
"""Draws of dropout whose spread is the uncertainty of a head."""


def by_member(folders: Sequence[Path]) -> dict[str, dict[str, Path]]:
    """Folders `<part>/member_<number>` of all jobs by member, and for each by part."""
    found: dict[str, dict[str, Path]] = {}
    for folder in folders:
        found.setdefault(folder.name, {})[folder.parent.name] = folder
    return found


def members_left_out(folders: Sequence[Path], n_structures: int) -> list[Residuals]:
    """Residuals of every member on all structures, each by the member of its fold, which has not seen it.

    Args:
        folders: of all jobs.
        n_structures: number of structures of the study.

    Raises:
        DataError: the folds together do not hold every structure once.
    """
    found = []
    for name, parts in by_member(folders).items():
        folds = [folder / "residuals.npz" for part, folder in parts.items() if part != WHOLE]
        structures, residuals = pooled_residuals(folds)
        if not np.array_equal(np.sort(structures), np.arange(n_structures)):
            raise DataError(f"{name}: its folds hold {len(structures)} of {n_structures} structures; train it again.")
        found.append(residuals.select(np.argsort(structures)))
    return found


def dropout_left_out(
    runs: Sequence[Path], design: Design, projections: ProjectionSet, *, rate: float, seed: int
) -> tuple[IntArray, Residuals, list[Residuals]]:
    """Structures that the heads of a point of the sweep have not seen, their residuals, and those of draws of dropout.

    Args:
        runs: folders of the runs of the point, one per seed, each with a fold of its own held out.
        design: curated structures.
        projections: of the same structures.
        rate: probability that a neuron is left out, that of the training.
        seed: of the draws.
    """
    structures, found = pooled_residuals([run / "residuals.npz" for run in runs])
    draws: list[list[Residuals]] = []
    for run in runs:
        held, own = pooled_residuals([run / "residuals.npz"])
        head, rng = NeuralHead.load(run), np.random.default_rng(seed)
        thinned = [head.thinned(rate, rng) for _ in range(DRAWS)]
        draws.append(thinned_residuals(head, thinned, own, projections.select(held), design.counts[held]))
    return structures, found, [_joined([part[number] for part in draws]) for number in range(DRAWS)]


def _joined(parts: Sequence[Residuals]) -> Residuals:
    return Residuals(*(np.concatenate([getattr(part, name) for part in parts]) for name in Residuals.__annotations__))


def moved_heads(runs: Sequence[Path]) -> tuple[list[Path], str | None]:
    """The runs of a point whose heads some epoch improved, and what is to be said of the others, if there are any.

    Draws of dropout of a head that stayed zero do not differ: nothing can be learned from them.

    Args:
        runs: folders of the runs, one per seed.
    """
    moved = [run for run in runs if read_json(run / "metrics.json")["best_epoch"] > 0]
    if len(moved) == len(runs):
        return moved, None
    return moved, (
        f"{len(runs) - len(moved)} of the {len(runs)} heads of this point stayed at the linear potential, no epoch "
        "having improved them. Their draws of dropout do not differ, so that only groups held out from the others are "
        "counted here; the shipped head is one that moved."
    )


def dropout_seed(study_seed: int) -> int:
    """Seed of the draws of dropout of a study."""
    return derive_seed(study_seed, "dropout")


def member_rows(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """One row per job: its part, its sample of the groups, how long it was trained and how it errs where held out."""
    keys = ("part", "member", "n_groups", "n_groups_drawn", "n_held_out", "epochs", "best_epoch", "stop_reason")
    rows = []
    for folder in folders:
        metrics = read_json(folder / "metrics.json")
        rows.append({key: metrics[key] for key in keys} | metrics["errors"]["test"])
    return rows


def linear_members(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """What is to be said of shipped members that no epoch improved; None where there are none.

    Args:
        rows: of `member_rows`.
    """
    shipped = [row for row in rows if row["part"] == WHOLE]
    still = sum(row["best_epoch"] == 0 for row in shipped)
    if not still:
        return None
    return (
        f"{still} of the {len(shipped)} shipped members stayed at the linear potential, no epoch having improved them "
        "on the groups that their sample has missed: they agree with each other on any structure, and the spread says "
        "little far from the labels."
    )


def member_errors(members: Sequence[Residuals]) -> list[dict[str, Any]]:
    """Held-out errors of a single member, as root mean squares over the members, and of the mean of all."""
    alone = [errors(member) for member in members]
    single = {
        key: None if value is None else float(np.sqrt(np.mean([(found[key] or 0.0) ** 2 for found in alone])))
        for key, value in alone[0].items()
    }
    return [{"who": "one member", **single}, {"who": f"mean of {len(members)}", **errors(moments(members)[0])}]


def ensemble_held_out(
    design: Design, members: Sequence[Residuals], folds: int, decisive: Sequence[str] = ()
) -> dict[str, Any]:
    """How the ensemble fails where it was held out, see `pesforge.training.judge`.

    Args:
        design: curated structures.
        members: residuals of each member on all of them.
        folds: number of folds.
        decisive: families whose errors together are the overall ones; none: all.
    """
    found, _ = moments(members)
    how = f"groups held out in all {folds} folds, mean of {len(members)} members"
    return judge(design, np.arange(len(design.ids)), found, how, decisive)


def take_away_ensemble(
    folder: Path,
    *,
    design: Design,
    basis: AceBasis,
    choice: Mapping[str, Any],
    point: Mapping[str, Any],
    model: Crossvalidate,
    members: Sequence[Path],
    config: Mapping[str, Any],
    matrix: FloatArray,
    metadata: Mapping[str, Any],
    calibrated: Calibrated | None = None,
) -> None:
    """Write the ensemble of all groups into `folder`: the mean of its heads on the linear potential of all structures.

    Args:
        folder: place of the potential.
        design: curated structures.
        basis: the largest basis.
        choice: chosen candidate.
        point: basis size and α that cross-validation chose.
        model: prior of the linear potential.
        members: folders of all jobs.
        config: composed training configuration of the chosen run.
        matrix: projections (K, P) that the heads see.
        metadata: origin, for `model.json` and the model card.
        calibrated: laws of the errors of several heads or of dropout; None: the heads know none.
    """
    remove_old(folder)
    heads = HeadEnsemble(tuple(NeuralHead.load(parts[WHOLE]) for parts in by_member(members).values()))
    columns, every = basis.subset_mask(point["degree_reduction"]), np.arange(len(design.ids))
    fit, _ = fit_linear(design, every, loss_weights(config), model=model, alpha=point["alpha"], columns=columns)
    save_potential(
        folder,
        kind="ace-neural",
        basis=basis,
        coefficients=fit.coefficients,
        zeros=dict(zip(basis.species, (fit.zeros + heads.zeros).tolist(), strict=True)),
        head=heads,
        matrix=matrix,
        calibrated=calibrated,
        metadata=origin(design, choice, point, metadata),
    )
