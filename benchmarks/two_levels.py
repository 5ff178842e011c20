"""Error against seconds where two levels of the reference method can be bought: one level, both, and gain per second.

Usage: .venv/bin/python benchmarks/two_levels.py RESULTS --out DIR [--seeds 10] [--without FAMILY …] [--dearer 1]
           [--by seconds|measured] [--arms high:random low:random …]

RESULTS is the folder of a finished study with two levels (`label_sets.py`); structures with labels of both are dealt
anew for every seed, 35 % of each family to the test by groups. Errors are those of the high level on the test, energies
up to one constant per element. All arms of a seed begin with the same three random structures: at the level or levels
that they buy.

An arm is LEVEL:RULE. LEVEL is `high` or `low` alone, `pairs` (each chosen structure at both levels), or `both`, which
chooses a structure and a level by gain per predicted second (`pesforge.acquisition.levels`). RULE is as in
`active_learning.py`, without units and misfit. `pairs` and `both` fit ρ f_L + δ, ρ and the size of δ from the forces of
the pairs that are labelled; α is that of the evidence. `--low-trust` lowers the weights of low labels in these fits, as
δ cannot follow all that the levels differ by. `--dearer` multiplies the seconds of the low level, to see when
the cheap level pays.

Stops are shares of the seconds of all high labels of the pool. Writes `two_levels.csv` and prints geometric means over
the seeds of the errors over those of `high:random`, with standard errors of their logarithms.
"""

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from acquisition_tables import FAMILIES, test_errors
from active_learning import FOLDS, PRIOR_POWER, START, TEST_FOLDS, parse_rule, unused
from label_sets import MOST_FUNCTIONS, LabelSet, load

from pesforge.acquisition.blocks import Blocks, blocks_of, energy_rows
from pesforge.acquisition.field import EnergyField
from pesforge.acquisition.levels import (
    HIGH,
    LOW,
    Coupling,
    high_potential,
    joint_design,
    joint_field,
    joint_frame,
)
from pesforge.acquisition.model import Frame
from pesforge.acquisition.rules import CRITERIA, Reference
from pesforge.acquisition.select import FIELD_RULE, Problem, Rule, select
from pesforge.fidelity.rows import composition_means
from pesforge.folds import group_folds
from pesforge.potentials.linear import LinearFit, residuals
from pesforge.potentials.normal import Factor, Weights
from pesforge.representations.design import Design

CONTROL = "high:random"
BATCH = 5
ROUNDING = 1e-9
KEYS = ("energy_mae_mev_per_atom", "force_mae_ev_per_ang", *FAMILIES)
STOPS = (0.16, 0.32, 0.64)
ARMS = (
    "high:random",
    f"high:{FIELD_RULE}",
    f"high:{FIELD_RULE}+cost",
    "low:random",
    f"low:{FIELD_RULE}",
    "pairs:random",
    "both:random+cost",
    f"both:{FIELD_RULE}+cost",
    "both:i_optimal+cost",
    "both:d_optimal+cost",
)
Row = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A pool of S structures at two levels and its test; label number structure + S × level.

    Args:
        low, high: labels of the pool at both levels.
        test: labels of the high level.
        price: (2 S,) what the stops count.
        seconds: (2 S,) predicted, by which a rule weighs costs.
        frame: scales of one level.
        weights: of every fit.
        start: structures labelled at the beginning.
        seed: of this task.
        low_trust: factor on the weights of low labels beside high ones.
    """

    low: Design
    high: Design
    test: Design
    price: np.ndarray
    seconds: np.ndarray
    frame: Frame
    weights: Weights
    start: np.ndarray
    seed: int
    low_trust: float

    @classmethod
    def of(cls, labels: LabelSet, by: str, dearer: float, seed: int, weights: Weights, low_trust: float) -> "Task":
        """The task of a seed."""
        everything = np.arange(len(labels.design.ids))
        folds = group_folds(labels.design.groups, FOLDS, seed, families=labels.design.families)
        kept = np.setdiff1d(everything, np.concatenate(folds[:TEST_FOLDS]))
        low, high = labels.low.select(kept), labels.design.select(kept)
        predicted = np.concatenate([dearer * labels.low_predicted[kept], labels.predicted[kept]])
        measured = np.concatenate([dearer * labels.low_measured[kept], labels.measured[kept]])
        test = labels.design.select(np.setdiff1d(everything, kept))
        start = np.random.default_rng(seed).permutation(len(kept))[:START]
        frame = Frame.of(high, prior_power=PRIOR_POWER)
        price = predicted if by == "seconds" else measured
        return cls(low, high, test, price, predicted, frame, weights, start, seed, low_trust)

    @property
    def size(self) -> int:
        """Structures of the pool."""
        return len(self.high.ids)

    def one(self, labelled: Sequence[int], level: int, alpha: float | None = None) -> Factor:
        """The fit to labels of one level alone."""
        structures = np.array(labelled) % self.size
        return self.frame.factor((self.low, self.high)[level].select(structures), self.weights, alpha=alpha)

    def coupling(self, labelled: Sequence[int]) -> Coupling:
        """The coupling that structures with both labels show."""
        places = np.array(labelled)
        pairs = np.intersect1d(places[places < self.size], places[places >= self.size] - self.size)
        return Coupling.of(self.low.select(pairs), self.high.select(pairs))

    def joint(self, labelled: Sequence[int], alpha: float | None = None) -> tuple[Factor, Coupling, Design]:
        """The fit to labels of both levels."""
        coupling = self.coupling(labelled)
        joint = joint_design(self.low, self.high, coupling)
        frame = joint_frame(self.frame, joint, coupling)
        shares = np.where(np.array(labelled) < self.size, self.low_trust, 1.0)
        known = joint.select(np.array(labelled))
        return frame.factor(known, self.weights, alpha=alpha, shares=shares), coupling, joint

    def more(self, kind: str, rule: Rule, labelled: list[int], seed: int) -> list[int]:
        """The labels so far and a few more; (structure, level) only with `both`."""
        known = np.array(labelled)
        levels = {"high": [HIGH], "low": [LOW], "pairs": [HIGH], "both": [LOW, HIGH]}[kind]
        wanted = np.concatenate([level * self.size + np.arange(self.size) for level in levels])
        left = np.setdiff1d(wanted, known)
        if not len(left):
            return labelled
        if kind == "both":
            problem = self.both(known, left, rule)
        else:
            problem = self.alone(known[known // self.size == levels[0]], left, rule, levels[0])
        picks = select(problem, rule, min(BATCH, len(left)), seed=seed)
        chosen = [int(left[pick.index]) for pick in picks]
        if kind == "pairs":
            chosen = [label for place in chosen for label in (place, place - self.size)]
        return [*labelled, *chosen]

    def alone(self, known: np.ndarray, left: np.ndarray, rule: Rule, level: int) -> Problem:
        """What one level can be asked for; its field lowers the variance over the pool."""
        design, factor = (self.low, self.high)[level], self.one(known.tolist(), level, unused(rule))
        pool, labelled = design.select(left % self.size), design.select(known % self.size)
        blocks, reference = self.judged(rule, factor, pool, design)
        field = EnergyField.of(factor, pool, labelled) if rule.name == FIELD_RULE else None
        return Problem(factor, blocks, reference, field, energy_rows(factor, labelled), self.seconds[left])

    def both(self, known: np.ndarray, left: np.ndarray, rule: Rule) -> Problem:
        """What both levels can be asked for."""
        factor, coupling, joint = self.joint(known.tolist(), unused(rule))
        field = None
        if rule.name == FIELD_RULE:
            alone = self.one(known[known >= self.size].tolist(), HIGH, unused(rule))
            field = joint_field(alone, self.high, coupling, candidates=left, labelled=known.tolist())
        high = joint.select(np.arange(self.size, 2 * self.size))
        blocks, reference = self.judged(rule, factor, joint.select(left), high)
        return Problem(factor, blocks, reference, field, energy_rows(factor, joint.select(known)), self.seconds[left])

    @staticmethod
    def judged(rule: Rule, factor: Factor, pool: Design, whole: Design) -> tuple[Blocks, Reference | None]:
        """Blocks and reference, or the names and energies alone where the rule looks at nothing else."""
        if rule.name not in CRITERIA:
            energy = energy_rows(factor, pool)
            return Blocks(pool.ids, energy, np.full(len(energy), factor.weights.energy), (), ()), None
        return blocks_of(factor, pool), Reference.of(factor, whole)

    def fitted(self, kind: str, labelled: list[int]) -> LinearFit:
        """The potential of an arm."""
        if kind in ("high", "low"):
            return self.one(labelled, HIGH if kind == "high" else LOW).fit()
        factor, coupling, _ = self.joint(labelled)
        return high_potential(factor, coupling)

    def errors_of(self, fit: LinearFit) -> dict[str, float]:
        """Errors on the test, energies up to one constant per element."""
        off = residuals(self.test, fit).energy
        constant = composition_means(self.test.counts, off) * self.test.n_atoms
        shifted = replace(self.test, y_energy=self.test.y_energy + constant)
        found = test_errors(shifted, fit)
        return {key: found[key] for key in KEYS}

    def curve(self, arm: str, stops: Sequence[float], draw: int) -> Iterator[Row]:
        """Errors at each stop, of the first labels that it pays; the start is always there."""
        kind, rule = arm.split(":")[0], parse_rule(arm.split(":")[1])[0]
        first = {"high": [HIGH], "low": [LOW], "pairs": [HIGH, LOW], "both": [HIGH, LOW]}[kind]
        order = [int(level * self.size + s) for s in self.start for level in first]
        begun, whole = len(order), float(self.price[self.size :].sum())
        for number, stop in enumerate(stops):
            while self.price[order].sum() < stop * whole * (1 - ROUNDING):
                longer = self.more(kind, rule, order, 1000 * self.seed + 100 * draw + number + len(order))
                if len(longer) == len(order):
                    break
                order = longer
            paid = int(np.searchsorted(np.cumsum(self.price[order]), stop * whole * (1 + ROUNDING), side="right"))
            labelled = order[: max(paid, begun)]
            places = np.array(labelled)
            yield {
                "n_high": int(np.sum(places >= self.size)),
                "n_low": int(np.sum(places < self.size)),
                "price": float(self.price[labelled].sum()),
                **self.errors_of(self.fitted(kind, labelled)),
            }


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Lines: labels bought and errors over those of the control, geometric means over the seeds."""
    heads = "".join(f"{head:>16}" for head in ("E MAE", "F MAE", "E fam.", "F fam."))
    yield f"{'arm':<36}{'stop':>6}{'high':>6}{'low':>6}{'price':>7}{heads}"
    for arm in dict.fromkeys(row["arm"] for row in rows):
        for stop in sorted({float(row["stop"]) for row in rows}):
            own = {row["seed"]: row for row in rows if row["arm"] == arm and float(row["stop"]) == stop}
            base = {row["seed"]: row for row in rows if row["arm"] == CONTROL and float(row["stop"]) == stop}
            seeds = sorted(set(own) & set(base))
            if len(seeds) < 2:
                continue
            means = [np.mean([float(own[seed][key]) for seed in seeds]) for key in ("n_high", "n_low", "price")]
            means[2] /= np.mean([float(base[seed]["price"]) for seed in seeds])
            cells = ""
            for key in KEYS:
                logs = np.log([float(own[seed][key]) / float(base[seed][key]) for seed in seeds])
                error = np.std(logs, ddof=1) / np.sqrt(len(logs))
                cells += f"{np.exp(np.mean(logs)):>9.3f} ({error:.3f})"
            yield f"{arm:<36}{stop:>6g}{means[0]:>6.1f}{means[1]:>6.1f}{means[2]:>7.2f}{cells}"


def mean_rows(curves: Sequence[list[Row]]) -> list[Row]:
    """Means over the draws of an arm, stop by stop."""
    return [{key: float(np.mean([row[key] for row in rows])) for key in rows[0]} for rows in zip(*curves, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--draws", type=int, default=3, help="curves per seed of an arm that draws")
    parser.add_argument("--without", nargs="+", default=(), help="families that are left out")
    parser.add_argument("--by", choices=("seconds", "measured"), default="seconds")
    parser.add_argument("--dearer", type=float, default=1.0, help="factor on the seconds of the low level")
    parser.add_argument(
        "--low-trust", type=float, default=1.0, help="factor on the weights of low labels in a joint fit"
    )
    parser.add_argument("--arms", nargs="+", default=ARMS)
    parser.add_argument("--stops", nargs="+", type=float, default=STOPS)
    parser.add_argument("--most-functions", type=int, default=MOST_FUNCTIONS)
    parser.add_argument("--energy-weight", type=float, default=320.0**2, help="per (eV/atom)², that of forces being 1")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    labels = load(arguments.results, arguments.out, most=arguments.most_functions).paired().without(arguments.without)
    weights, path = Weights(arguments.energy_weight, 1.0, 0.0), arguments.out / "two_levels.csv"
    head = {"set": labels.name, "by": arguments.by, "dearer": arguments.dearer, "trust": arguments.low_trust}
    rows: list[Row] = []
    for seed in range(arguments.seeds):
        task = Task.of(labels, arguments.by, arguments.dearer, seed, weights, arguments.low_trust)
        for arm in arguments.arms:
            draws = arguments.draws if ":random" in arm else 1
            curves = mean_rows([list(task.curve(arm, arguments.stops, draw)) for draw in range(draws)])
            rows += [
                {**head, "arm": arm, "seed": seed, "stop": stop, **row}
                for stop, row in zip(arguments.stops, curves, strict=True)
            ]
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        if fresh:
            writer.writeheader()
        writer.writerows(rows)
    print("\n".join((f"{labels.name}, {len(labels.design.ids)} structures, {head}", *table(rows))), flush=True)


if __name__ == "__main__":
    main()
