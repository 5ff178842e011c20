"""Test error against the number of labels: every rule of `pesforge.acquisition` beside random, on published sets.

Usage: .venv/bin/python benchmarks/active_learning.py FOLDER --out DIR [--elements Si Cu Mo] [--seeds 10]
           [--rules random i_optimal_misfit …] [--splits published resplit] [--labels 3 10 20 40]

FOLDER holds `El_training.extxyz` and `El_test.extxyz`. The labels of a pool are hidden until a rule asks for them. On
the split `published` the pool is the training file and the test the test file; on `resplit` both together are dealt
anew for every seed, 35 % of each family to the test, copies always to the same side. All rules of a seed begin with the
same three random structures; `random` goes on from them in `--draws` ways, the mean of which counts. The potential is
refitted at every number of labels that is told, with α of the evidence; nothing of the test enters a choice.

A rule is NAME[:UNIT][+diverse][+cost][+misfit], the cost of a label being its number of atoms; with `misfit` the noise
of all labels grows with the predicted forces (`blocks.damping`, f₀ half of the rms force that is labelled).

Design matrices are computed once and kept in DIR. Writes `active_learning.csv`, rows of a rule, seed and number of
labels, adding to what is there. Prints the error at `--at` labels over that of random at as many and at twice as many,
with standard errors over the seeds.
"""

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from pesforge.acquisition.blocks import Blocks, blocks_of, damping
from pesforge.acquisition.field import EnergyField
from pesforge.acquisition.model import Frame
from pesforge.acquisition.rules import Reference
from pesforge.acquisition.select import FIELD_RULE, RULES, Problem, Rule, select
from pesforge.dataset import first_copies, read_dataset
from pesforge.folds import group_folds
from pesforge.metrics import errors
from pesforge.potentials.linear import residuals
from pesforge.potentials.normal import Factor, Weights
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import Design, describe

BASIS: dict[str, Any] = {"cutoff_ang": 5.2, "max_degree": (11, 9, 6), "l_max": (0, 6, 5), "l_weight": 0.9}
"""145 functions of one element."""
PRIOR_POWER = 2.0
FOLDS, TEST_FOLDS = 20, 7
"""A re-split puts 7 of 20 folds of groups into the test."""
START = 3
MISFIT_FORCE = 0.5
KEYS = ("energy_mae_mev_per_atom", "force_mae_ev_per_ang", "energy_rmse_mev_per_atom", "force_rmse_ev_per_ang")
DEFAULT_RULES = (
    *RULES,
    f"{FIELD_RULE}+diverse",
    f"{FIELD_RULE}+cost",
    "max_variance+diverse",
    "d_optimal+diverse",
    "d_optimal:best_atom",
    "d_optimal:mean_atom",
    "d_optimal+misfit",
)
Row = dict[str, Any]


def parse_rule(text: str) -> tuple[Rule, bool]:
    """A rule, and whether its noise grows with forces, from NAME[:UNIT][+diverse][+cost][+misfit]."""
    name, *options = text.split("+")
    name, _, unit = name.partition(":")
    unknown = set(options) - {"diverse", "cost", "misfit"}
    if unknown:
        raise SystemExit(f"{text}: {', '.join(unknown)} is not known; options are +diverse, +cost and +misfit.")
    return Rule(name, unit or "structure", "diverse" in options, "cost" in options), "misfit" in options


def design_of(folder: Path, element: str, cache: Path) -> Design:
    """All structures of an element, training before test, copies in one group; from the cache where it is there."""
    path = cache / f"{element}.npz"
    if path.exists():
        return Design.load(path)
    frames = []
    for split in ("training", "test"):
        for atoms in read_dataset(folder / f"{element}_{split}.extxyz").frames:
            atoms.info["id"] = f"{split}-{atoms.info['id']}"
            frames.append(atoms)
    for atoms, first in zip(frames, first_copies(frames), strict=True):
        atoms.info["group"] = frames[first].info["id"]
    design = describe(frames, AceBasis(species=(element,), **BASIS))
    design.save(path)
    return design


@dataclass(frozen=True)
class Task:
    """One pool, its test and the three structures that are labelled at the beginning.

    Args:
        pool, test: structures with labels.
        frame: scales of the pool.
        weights: weights of every fit.
        blocks: of the whole pool.
        reference: the pool.
        start: places of the first structures.
        seed: of this task.
    """

    pool: Design
    test: Design
    frame: Frame
    weights: Weights
    blocks: Blocks
    reference: Reference
    start: tuple[int, ...]
    seed: int

    @classmethod
    def of(cls, design: Design, split: str, seed: int, weights: Weights) -> "Task":
        """The task of a split and seed."""
        everything = np.arange(len(design.ids))
        if split == "published":
            held_out = np.array([s for s in everything if design.ids[s].startswith("test-")])
        else:
            folds = group_folds(design.groups, FOLDS, seed, families=design.families)
            held_out = np.concatenate(folds[:TEST_FOLDS])
        pool = design.select(np.setdiff1d(everything, held_out))
        frame = Frame.of(pool, prior_power=PRIOR_POWER)
        start = tuple(np.random.default_rng(seed).permutation(len(pool.ids))[:START].tolist())
        factor = frame.factor(pool.select(np.array(start)), weights)
        blocks, reference = blocks_of(factor, pool), Reference.of(factor, pool)
        test = design.select(np.sort(held_out))
        return cls(pool, test, frame, weights, blocks, reference, start, seed)

    def fit(self, labelled: Sequence[int]) -> Factor:
        """The fit to some labels; nothing else of the pool's labels is looked at."""
        return self.frame.factor(self.pool.select(np.array(labelled)), self.weights)

    def damped(self, labelled: list[int], left: np.ndarray) -> tuple[Factor, Blocks]:
        """The fit and the blocks of the rest, with noise that grows with forces: measured ones, else predicted ones."""
        known, rest = self.pool.select(np.array(labelled)), self.pool.select(left)
        misfit_force = MISFIT_FORCE * float(np.sqrt(np.mean(known.y_forces**2)))
        predicted = rest.forces @ self.fit(labelled).fit().coefficients
        factors = damping(known.y_forces, known.n_atoms, misfit_force)
        blocks = self.blocks.select(left).damped(damping(predicted, rest.n_atoms, misfit_force))
        return self.frame.factor(known, self.weights, shares=factors), blocks

    def more(self, labelled: list[int], rule: Rule, misfit: bool, count: int, seed: int) -> list[int]:
        """The labelled structures and `count` more that a rule asks for."""
        left = np.setdiff1d(np.arange(len(self.pool.ids)), labelled)
        factor, known = self.fit(labelled), self.pool.select(np.array(labelled))
        blocks = self.blocks.select(left)
        if misfit and known.y_forces.any():  # perfect crystals alone have no force to measure others by
            factor, blocks = self.damped(labelled, left)
        field = EnergyField.of(factor, self.pool.select(left), known) if rule.name == FIELD_RULE else None
        problem = Problem(
            factor,
            blocks,
            self.reference,
            field,
            labelled=self.blocks.energy[labelled],
            cost_s=self.pool.n_atoms[left].astype(float),
        )
        return [*labelled, *(int(left[pick.index]) for pick in select(problem, rule, count, seed=seed))]

    def curve(self, rule: Rule, misfit: bool, sizes: Sequence[int], draw: int) -> Iterator[Row]:
        """Errors at each number of labels."""
        labelled = list(self.start)
        for before, size in pairwise((START, *sizes)):
            if size > before:
                labelled = self.more(labelled, rule, misfit, size - before, seed=1000 * self.seed + draw)
            found = errors(residuals(self.test, self.fit(labelled).fit()))
            atoms = int(self.pool.n_atoms[labelled].sum())
            yield {"labels": size, "atoms": atoms, **{key: found[key] for key in KEYS}}


def mean_curve(task: Task, name: str, sizes: Sequence[int], draws: int) -> list[Row]:
    """The curve of a rule; for one that draws, the mean over several draws."""
    rule, misfit = parse_rule(name)
    curves = [list(task.curve(rule, misfit, sizes, draw)) for draw in range(draws if rule.name == "random" else 1)]
    columns = ("atoms", *KEYS)
    return [
        {**rows[0], **{key: float(np.mean([row[key] for row in rows])) for key in columns}}
        for rows in zip(*curves, strict=True)
    ]


def ratio(numbers: np.ndarray, base: np.ndarray) -> tuple[float, float]:
    """Ratio of means of paired values (S,), and its standard error by the jackknife over the seeds."""
    left = (numbers.sum() - numbers) / (base.sum() - base)
    count = len(numbers)
    return float(numbers.sum() / base.sum()), float(np.sqrt((count - 1) * np.mean((left - left.mean()) ** 2)))


def table(rows: Sequence[Row], at: int) -> Iterator[str]:
    """Lines: error of each rule at `at` labels over random's at as many and at twice as many."""
    errors_of: dict[tuple[Any, ...], dict[int, list[float]]] = {}
    for row in rows:
        key = (row["element"], row["split"], row["rule"], int(row["labels"]))
        errors_of.setdefault(key, {})[int(row["seed"])] = [float(row[name]) for name in KEYS]
    heads = ("E MAE", "F MAE", "E RMSE", "F RMSE")
    for element, split in dict.fromkeys(key[:2] for key in errors_of):
        yield f"{element} {split}: error at {at} labels over random's at {at} and {2 * at} (standard error over seeds)"
        yield f"{'rule':<30}{'seeds':>6}" + "".join(f"{f'{head} /{n}':>16}" for head in heads for n in (at, 2 * at))
        for rule in dict.fromkeys(key[2] for key in errors_of if key[:2] == (element, split)):
            own = errors_of.get((element, split, rule, at), {})
            cells = ""
            for column in range(len(KEYS)):
                for number in (at, 2 * at):
                    base = errors_of.get((element, split, "random", number), {})
                    seeds = sorted(set(own) & set(base))
                    if len(seeds) < 2:
                        cells += f"{'–':>16}"
                        continue
                    pair = (np.array([values[seed][column] for seed in seeds]) for values in (own, base))
                    cells += "{:>9.3f} ({:.3f})".format(*ratio(*pair))
            yield f"{rule:<30}{len(own):>6}{cells}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--elements", nargs="+", default=("Si", "Cu", "Mo"))
    parser.add_argument("--splits", nargs="+", choices=("published", "resplit"), default=("published", "resplit"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rules", nargs="+", default=DEFAULT_RULES)
    parser.add_argument("--labels", nargs="+", type=int, default=(3, 5, 10, 15, 20, 25, 30, 40))
    parser.add_argument("--draws", type=int, default=4, help="random curves per seed")
    parser.add_argument("--at", type=int, default=20)
    parser.add_argument("--energy-weight", type=float, default=320.0**2, help="per (eV/atom)², that of forces being 1")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    path, weights = arguments.out / "active_learning.csv", Weights(arguments.energy_weight, 1.0, 0.0)
    names = ("element", "split", "rule", "seed", "labels", "atoms", *KEYS)
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, names)
        if fresh:
            writer.writeheader()
        for element in arguments.elements:
            design = design_of(arguments.folder, element, arguments.out)
            for split in arguments.splits:
                for seed in range(arguments.seeds):
                    task = Task.of(design, split, seed, weights)
                    for rule in arguments.rules:
                        rows = mean_curve(task, rule, arguments.labels, arguments.draws)
                        head = {"element": element, "split": split, "rule": rule, "seed": seed}
                        writer.writerows({**head, **row} for row in rows)
                        stream.flush()
                with path.open(newline="", encoding="utf-8") as written:
                    found = [
                        row for row in csv.DictReader(written) if (row["element"], row["split"]) == (element, split)
                    ]
                print("\n".join(table(found, arguments.at)), flush=True)


if __name__ == "__main__":
    main()
