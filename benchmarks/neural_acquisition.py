"""Labels chosen by the spread of an ensemble of neural heads, beside rules of the linear model and random.

Usage: .venv/bin/python benchmarks/neural_acquisition.py RESULTS --out DIR [--seeds 3] [--members 4] [--stops 8 14 20]

RESULTS is the folder of a finished study (`label_sets.py`); the pool, the test and the beginning are those of
`active_learning.py`, but for eight structures at the beginning. `ensemble` trains heads of 2 × 16 neurons on the
projections of the study, each on a bootstrap sample of the labelled groups, and asks for the structures of the largest
spread of the energy per atom; `ensemble+diverse` does so one after the other, a structure counting less the nearer it
stands to what is labelled or asked for (`Rule`). All arms are judged by the same linear potential, so that the labels
are compared and not the models. Writes `neural_acquisition.csv` and prints errors over those of random.
"""

import argparse
import csv
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from acquisition_tables import HEADS, TOLD, ratio, test_errors
from active_learning import BATCH, FOLDS, PRIOR_POWER, TEST_FOLDS
from label_sets import MOST_FUNCTIONS, load
from scipy.spatial.distance import cdist

from pesforge.acquisition.blocks import blocks_of, energy_rows
from pesforge.acquisition.field import EnergyField
from pesforge.acquisition.model import Frame
from pesforge.acquisition.select import Problem, Rule, select
from pesforge.folds import group_folds, group_members
from pesforge.potentials.normal import Factor, Weights
from pesforge.representations.design import Design
from pesforge.representations.projections import ProjectionSet
from pesforge.settings import Crossvalidate
from pesforge.training.data import Targets
from pesforge.training.run import train_run
from pesforge.training.stages import Split, fit_linear, head_labels, with_linear_column

START = 8
EPOCHS = 40
WEIGHTS = Weights(320.0**2, 1.0, 0.0)
ARMS = ("random", "i_optimal_misfit", "max_variance", "ensemble", "ensemble+diverse")
Row = dict[str, Any]


def config(weights: Weights, design: Design) -> dict[str, Any]:
    """Training of one head; its loss is that of the linear potential, sums being turned into means."""
    loss = {"w_energy": weights.energy * len(design.ids) / len(design.y_forces), "w_force": 1.0, "w_stress": 0.0}
    return {
        "model": {"width": 16, "depth": 2, "activation": "silu", "linear": True, "dropout": 0.0},
        "loss": {**loss, "lambda_m": 0.0, "kernel": "gaussian", "width_ang": 0.05, "samples": 1},
        "optimizer": {
            "name": "adam",
            "learning_rate": 0.002,
            "weight_decay": 1e-6,
            "schedule": "cosine",
            "final_fraction": 0.01,
            "plateau_patience": 5,
        },
        "trainer": {
            "max_epochs": EPOCHS,
            "batch_size": 16,
            "validate_every": 5,
            "patience": 6,
            "gradient_clip": 10.0,
            "validation_fraction": 0.2,
        },
    }


def bootstraps(groups: Sequence[str], labelled: np.ndarray, members: int, seed: int) -> Iterator[tuple[Any, Any]]:
    """Structures that fit and structures that stop each member: a bootstrap sample of the groups, and those missed."""
    found = list(group_members([groups[s] for s in labelled]).values())
    for number in range(members):
        rng = np.random.default_rng([seed, number])
        drawn = rng.integers(len(found), size=len(found))
        while len(set(drawn.tolist())) == len(found):
            drawn = rng.integers(len(found), size=len(found))
        missed = [found[group] for group in range(len(found)) if group not in drawn]
        yield labelled[np.concatenate([found[group] for group in drawn])], labelled[np.concatenate(missed)]


def spread(
    pool: Design, projections: ProjectionSet, labelled: np.ndarray, factor: Factor, members: int, seed: int
) -> np.ndarray:
    """Variances over the members of the energies per atom of the structures that are not labelled, in their order.

    The labels of these are in the residuals of every member alike and take no part in the variance.
    """
    left = np.setdiff1d(np.arange(len(pool.ids)), labelled)
    every, model = np.ones(pool.energy.shape[1], dtype=np.bool_), Crossvalidate(prior_power=PRIOR_POWER)
    fit, outside = fit_linear(pool, labelled, factor.weights, model=model, alpha=factor.alpha, columns=every)
    found = head_labels(pool, Split(labelled, np.empty(0, dtype=np.int64), left), fit, outside)
    targets, energies = Targets(found.energy * pool.n_atoms, found.forces, found.stress), []
    for number, (train, stop) in enumerate(bootstraps(pool.groups, labelled, members, seed)):
        with tempfile.TemporaryDirectory() as folder:
            run = train_run(
                config(factor.weights, pool),
                with_linear_column(projections),
                targets,
                pool.counts,
                train_index=train,
                val_index=stop,
                test_index=left,
                seed=number,
                folder=Path(folder),
                progress_bar=False,
            )
        energies.append(run.residuals["test"].energy)
    variance: np.ndarray = np.var(energies, axis=0)
    return variance


def most_apart(gains: np.ndarray, points: np.ndarray, chosen: np.ndarray, count: int) -> list[int]:
    """Picks by falling gain × (1 − k), k being the similarity of `Rule` to what is labelled (M, P) or picked."""
    near = np.sort(cdist(points, points), axis=1)[:, 1]
    length = float(np.median(near[near > 0]))
    similar = np.exp(-0.5 * (cdist(points, chosen).min(axis=1) / length) ** 2)
    picks: list[int] = []
    for _ in range(count):
        scores = gains * (1.0 - similar)
        scores[picks] = -np.inf
        picks.append(int(np.argmax(scores)))
        similar = np.maximum(similar, np.exp(-0.5 * (cdist(points, points[picks[-1:]])[:, 0] / length) ** 2))
    return picks


def more(
    arm: str, pool: Design, projections: ProjectionSet, labelled: np.ndarray, count: int, *, members: int, seed: int
) -> np.ndarray:
    """The labelled structures and `count` more."""
    frame, known = Frame.of(pool, prior_power=PRIOR_POWER), pool.select(labelled)
    factor, left = frame.factor(known, WEIGHTS), np.setdiff1d(np.arange(len(pool.ids)), labelled)
    if arm.startswith("ensemble"):
        variance = spread(pool, projections, labelled, factor, members, seed)
        points = energy_rows(factor, pool)
        if arm.endswith("+diverse"):
            picks = most_apart(variance, points[left], points[labelled], count)
        else:
            picks = np.argsort(-variance)[:count].tolist()
        return np.concatenate([labelled, left[picks]])
    rest = pool.select(left)
    problem = Problem(factor, blocks_of(factor, rest), field=EnergyField.of(factor, rest, known))
    picks = [pick.index for pick in select(problem, Rule(arm), count, seed=seed)]
    return np.concatenate([labelled, left[picks]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--stops", type=int, nargs="+", default=(8, 14, 20))
    parser.add_argument("--arms", nargs="+", default=ARMS)
    parser.add_argument("--without", nargs="+", default=(), help="families that are left out")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    labels = load(str(arguments.results), arguments.out, most=MOST_FUNCTIONS).without(arguments.without)
    described = Design.load(arguments.results / "curate" / "design.npz").ids
    places = np.array([described.index(name) for name in labels.design.ids])
    whole = ProjectionSet.load(arguments.results / "describe" / "projections.npz").select(places)
    rows: list[Row] = []
    for seed in range(arguments.seeds):
        everything = np.arange(len(places))
        folds = group_folds(labels.design.groups, FOLDS, seed, families=labels.design.families)
        kept = np.setdiff1d(everything, np.concatenate(folds[:TEST_FOLDS]))
        pool, test = labels.design.select(kept), labels.design.select(np.setdiff1d(everything, kept))
        begun = np.random.default_rng(seed).permutation(len(kept))[:START]
        for arm in arguments.arms:
            labelled, started = begun, time.process_time()
            for stop in arguments.stops:
                while len(labelled) < stop:
                    count = min(BATCH, stop - len(labelled))
                    labelled = more(
                        arm, pool, whole.select(kept), labelled, count, members=arguments.members, seed=seed
                    )
                fit = Frame.of(pool, prior_power=PRIOR_POWER).factor(pool.select(labelled), WEIGHTS).fit()
                spent = time.process_time() - started
                rows.append(
                    {"set": labels.name, "arm": arm, "seed": seed, "labels": stop, "cpu_s": spent}
                    | test_errors(test, fit)
                )
    with (arguments.out / "neural_acquisition.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print("\n".join(table(rows)), flush=True)


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Lines: errors over those of random at as many labels, with standard errors over the seeds, and CPU seconds."""
    yield f"{'arm':<22}{'labels':>7}{'CPU s':>8}" + "".join(f"{name:>16}" for name in HEADS)
    for arm, stop in dict.fromkeys((row["arm"], row["labels"]) for row in rows):
        own, base = ([row for row in rows if (row["arm"], row["labels"]) == (name, stop)] for name in (arm, "random"))
        cells = "".join(
            "{:>9.3f} ({:.3f})".format(*ratio(*(np.array([row[key] for row in part]) for part in (own, base))))
            for key in TOLD
        )
        yield f"{arm:<22}{stop:>7}{np.mean([row['cpu_s'] for row in own]):>8.1f}{cells}"


if __name__ == "__main__":
    main()
