"""Test error against labels or seconds: every rule of `pesforge.acquisition` beside random, on labels that are hidden.

Usage: .venv/bin/python benchmarks/active_learning.py SOURCE … --out DIR [--by labels|seconds|measured] [--seeds 10]
           [--rules random i_optimal_misfit …] [--splits published resplit] [--stops 3 10 20 40] [--basis small|large]

Sources are those of `label_sets.py`: elements of mlearn, files, finished studies. The labels of a pool are hidden until
a rule asks for them. On the split `published` the pool is the training file of mlearn and the test the test file; on
`resplit` everything is dealt anew for every seed, 35 % of each family to the test, groups and copies always to the same
side. All rules of a seed begin with the same three random structures; `random` goes on from them in `--draws` ways, the
mean of which counts. The potential is refitted, with α of the evidence, after every few picks; nothing of the test
enters a choice.

Stops are numbers of labels, or with `--by seconds` or `--by measured` shares of the pool's seconds, which are
predicted by the law of the reference method, or measured. A rule goes on choosing until a stop is passed; what counts
there are the first of its picks that the stop pays.

A rule is NAME[:UNIT][+diverse][+cost][+misfit], the cost of a label being its predicted seconds, whatever the stops are
measured by; with `misfit` the noise of all labels grows with the predicted forces (`blocks.damping`, f₀ half of the rms
force that is labelled).

Writes `active_learning.csv`, rows of a rule, seed and stop, adding to what is there. Prints the error at the stop
`--at` over that of random at the same stop and at twice it, with standard errors over the seeds.
"""

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from acquisition_tables import FAMILIES, KEYS, overall, table, test_errors
from label_sets import LabelSet, load

from pesforge.acquisition.blocks import Blocks, blocks_of, damping
from pesforge.acquisition.field import EnergyField
from pesforge.acquisition.model import Frame
from pesforge.acquisition.rules import CRITERIA, Reference
from pesforge.acquisition.select import FIELD_RULE, RULES, Problem, Rule, select
from pesforge.folds import group_folds
from pesforge.potentials.normal import Factor, Weights
from pesforge.representations.design import Design

PRIOR_POWER = 2.0
FOLDS, TEST_FOLDS = 20, 7
"""A re-split puts 7 of 20 folds of groups into the test."""
START = 3
BATCH = 5
"""Most picks between two fits."""
MISFIT_FORCE = 0.5
COUNTED = ("labels", "atoms", "price", *KEYS, *FAMILIES)
ROUNDING = 1e-9
STOPS = {"labels": (3, 5, 10, 15, 20, 25, 30, 40), "seconds": (0.02, 0.04, 0.08, 0.16, 0.32)}
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


def unused(rule: Rule) -> float | None:
    """Any α for a rule that looks at no posterior, to save the evidence; None for the others."""
    return None if rule.name in CRITERIA else 1.0


@dataclass(frozen=True)
class Task:
    """One pool, its test and the three structures that are labelled at the beginning.

    Args:
        pool, test: structures with labels.
        price: (S,) of the pool, what the stops count.
        seconds: (S,) of the pool, predicted: by them a rule weighs costs.
        frame: scales of the pool.
        weights: weights of every fit.
        blocks: of the whole pool.
        reference: the pool.
        start: places of the first structures.
        seed: of this task.
    """

    pool: Design
    test: Design
    price: np.ndarray
    seconds: np.ndarray
    frame: Frame
    weights: Weights
    blocks: Blocks
    reference: Reference
    start: tuple[int, ...]
    seed: int

    @classmethod
    def of(cls, labels: LabelSet, by: str, split: str, seed: int, weights: Weights) -> "Task":
        """The task of a split and seed."""
        design = labels.design
        everything = np.arange(len(design.ids))
        if split == "published":
            held_out = np.array([s for s in everything if design.ids[s].startswith("test-")])
        else:
            folds = group_folds(design.groups, FOLDS, seed, families=design.families)
            held_out = np.concatenate(folds[:TEST_FOLDS])
        kept = np.setdiff1d(everything, held_out)
        pool = design.select(kept)
        frame = Frame.of(pool, prior_power=PRIOR_POWER)
        start = tuple(np.random.default_rng(seed).permutation(len(pool.ids))[:START].tolist())
        factor = frame.factor(pool.select(np.array(start)), weights)
        blocks, reference = blocks_of(factor, pool), Reference.of(factor, pool)
        test = design.select(np.sort(held_out))
        prices = labels.prices(by)[kept]
        return cls(pool, test, prices, labels.predicted[kept], frame, weights, blocks, reference, start, seed)

    def fit(self, labelled: Sequence[int], alpha: float | None = None) -> Factor:
        """The fit to some labels, with α of the evidence; nothing else of the pool's labels is looked at."""
        return self.frame.factor(self.pool.select(np.array(labelled)), self.weights, alpha=alpha)

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
        factor, known = self.fit(labelled, unused(rule)), self.pool.select(np.array(labelled))
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
            cost_s=self.seconds[left],
        )
        return [*labelled, *(int(left[pick.index]) for pick in select(problem, rule, count, seed=seed))]

    def curve(self, rule: Rule, misfit: bool, stops: Sequence[float], draw: int) -> Iterator[Row]:
        """Errors at each stop: of the first picks that it pays, one at least."""
        order, total = list(self.start), len(self.pool.ids)
        for stop in stops:
            while self.price[order].sum() < stop * (1 - ROUNDING) and len(order) < total:
                missing = int(np.ceil((stop - self.price[order].sum()) / self.price.min()))
                order = self.more(order, rule, misfit, min(missing, BATCH, total - len(order)), 1000 * self.seed + draw)
            paid = int(np.searchsorted(np.cumsum(self.price[order]), stop * (1 + ROUNDING), side="right"))
            labelled = order[: max(paid, 1)]
            found = test_errors(self.test, self.fit(labelled).fit())
            counts = {"labels": len(labelled), "atoms": int(self.pool.n_atoms[labelled].sum())}
            yield {**counts, "price": float(self.price[labelled].sum()), **found}


def mean_curve(task: Task, name: str, stops: Sequence[float], draws: int) -> list[Row]:
    """The curve of a rule; for one that draws, the mean over several draws."""
    rule, misfit = parse_rule(name)
    curves = [list(task.curve(rule, misfit, stops, draw)) for draw in range(draws if rule.name == "random" else 1)]
    return [{key: float(np.mean([row[key] for row in rows])) for key in COUNTED} for rows in zip(*curves, strict=True)]


def stops_of(task: Task, by: str, stops: Sequence[float]) -> list[float]:
    """The stops in what the prices count."""
    return [stop if by == "labels" else stop * float(task.price.sum()) for stop in stops]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--by", choices=("labels", "seconds", "measured"), default="labels")
    parser.add_argument("--splits", nargs="+", choices=("published", "resplit"), default=("published", "resplit"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rules", nargs="+", default=DEFAULT_RULES)
    parser.add_argument("--stops", nargs="+", type=float, help="rising numbers of labels, or shares of all seconds")
    parser.add_argument("--draws", type=int, default=4, help="random curves per seed")
    parser.add_argument("--at", type=float, help="stop that is compared; 20 labels or 0.08 of the seconds")
    parser.add_argument("--basis", choices=("small", "large"), default="small", help="of mlearn")
    parser.add_argument("--without", nargs="+", default=(), help="families of a study that are left out")
    parser.add_argument("--energy-weight", type=float, default=320.0**2, help="per (eV/atom)², that of forces being 1")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    by, path = arguments.by, arguments.out / "active_learning.csv"
    kind = "labels" if by == "labels" else "seconds"
    stops, at = arguments.stops or STOPS[kind], arguments.at or (20.0 if kind == "labels" else 0.08)
    names, fresh = ("set", "by", "split", "rule", "seed", "stop", *COUNTED), not path.exists()
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, names)
        if fresh:
            writer.writeheader()
        told: list[str] = []
        for source in arguments.sources:
            labels = load(source, arguments.out, arguments.basis).without(arguments.without)
            told.append(labels.name)
            print(labels.law(), flush=True)
            for split in arguments.splits:
                for seed in range(arguments.seeds):
                    task = Task.of(labels, by, split, seed, Weights(arguments.energy_weight, 1.0, 0.0))
                    for rule in arguments.rules:
                        rows = mean_curve(task, rule, stops_of(task, by, stops), arguments.draws)
                        head = {"set": labels.name, "by": by, "split": split, "rule": rule, "seed": seed}
                        writer.writerows({**head, "stop": stop, **row} for stop, row in zip(stops, rows, strict=True))
                        stream.flush()
                with path.open(newline="", encoding="utf-8") as written:
                    key = (labels.name, by, split)
                    found = [row for row in csv.DictReader(written) if (row["set"], row["by"], row["split"]) == key]
                print("\n".join(table(found, at)), flush=True)
        for split in arguments.splits if len(told) > 1 else ():
            with path.open(newline="", encoding="utf-8") as written:
                found = [row for row in csv.DictReader(written) if (row["by"], row["split"]) == (by, split)]
            print("\n".join(overall(found, told)), flush=True)


if __name__ == "__main__":
    main()
