"""Errors on a test and the tables of the benchmarks of acquisition."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pesforge.folds import group_members
from pesforge.metrics import LABEL_NOISE, errors
from pesforge.potentials.linear import LinearFit, residuals
from pesforge.representations.design import Design

KEYS = ("energy_mae_mev_per_atom", "force_mae_ev_per_ang", "energy_rmse_mev_per_atom", "force_rmse_ev_per_ang")
FAMILIES = ("energy_families_mev_per_atom", "force_families_ev_per_ang")
"""Geometric means over the families of the test of their mean absolute errors, so that no family decides alone."""
TOLD = (*KEYS[:2], *FAMILIES)
HEADS = ("E MAE", "F MAE", "E fam.", "F fam.")
Row = dict[str, Any]


def test_errors(test: Design, fit: LinearFit) -> dict[str, float]:
    """Errors on the test, of all structures and of the families."""
    found = residuals(test, fit)
    parts = [errors(found.select(members)) for members in group_members(test.families).values()]
    whole = errors(found)
    for key, name, noise in zip(KEYS[:2], FAMILIES, (LABEL_NOISE["energy"], LABEL_NOISE["force"]), strict=True):
        own = [part[key] for part in parts if part[key] > noise]  # forces that vanish by symmetry tell nothing
        whole[name] = float(np.exp(np.mean(np.log(own))))
    return {key: whole[key] for key in (*KEYS, *FAMILIES)}


def ratio(numbers: np.ndarray, base: np.ndarray) -> tuple[float, float]:
    """Ratio of means of paired values (S,), and its standard error by the jackknife over the seeds."""
    left = (numbers.sum() - numbers) / (base.sum() - base)
    count = len(numbers)
    return float(numbers.sum() / base.sum()), float(np.sqrt((count - 1) * np.mean((left - left.mean()) ** 2)))


def table(rows: Sequence[Row], at: float) -> Iterator[str]:
    """Lines: error of each rule at a stop over random's there and at twice the stop."""
    errors_of: dict[tuple[Any, ...], dict[int, list[float]]] = {}
    for row in rows:
        key = (row["set"], row["by"], row["split"], row["rule"], float(row["stop"]))
        errors_of.setdefault(key, {})[int(row["seed"])] = [float(row[name]) for name in ("labels", *TOLD)]
    for name, by, split in dict.fromkeys(key[:3] for key in errors_of):
        yield f"{name} {split}: error at {at:g} ({by}) over random's at {at:g} and {2 * at:g} (standard error)"
        yield f"{'rule':<30}{'seeds':>6}{'labels':>7}" + "".join(
            f"{f'{head} /{n:g}':>16}" for head in HEADS for n in (at, 2 * at)
        )
        for rule in dict.fromkeys(key[3] for key in errors_of if key[:3] == (name, by, split)):
            own = errors_of.get((name, by, split, rule, at), {})
            cells = f"{np.mean([values[0] for values in own.values()]) if own else np.nan:>7.1f}"
            for column in range(1, 1 + len(TOLD)):
                for stop in (at, 2 * at):
                    base = errors_of.get((name, by, split, "random", stop), {})
                    seeds = sorted(set(own) & set(base))
                    if len(seeds) < 2:
                        cells += f"{'–':>16}"
                        continue
                    pair = (np.array([values[seed][column] for seed in seeds]) for values in (own, base))
                    cells += "{:>9.3f} ({:.3f})".format(*ratio(*pair))
            yield f"{rule:<30}{len(own):>6}{cells}"


def overall(rows: Sequence[Row], sets: Sequence[str]) -> Iterator[str]:
    """Lines: error of each rule over random's at the same stop, geometric means over some sets and all their seeds."""
    yield f"over {', '.join(sets)}: error over random's at the same stop, geometric mean (error of its logarithm)"
    yield f"{'rule':<30}{'stop':>6}" + "".join(f"{head:>15}" for head in HEADS)
    for rule, stop in dict.fromkeys((row["rule"], row["stop"]) for row in rows):
        logs = []
        for name in sets:
            own, base = (
                {row["seed"]: row for row in rows if (row["set"], row["rule"], row["stop"]) == (name, wanted, stop)}
                for wanted in (rule, "random")
            )
            pairs = [(own[seed], base[seed]) for seed in own if seed in base]
            logs.append(np.log([[float(one[key]) / float(other[key]) for key in TOLD] for one, other in pairs]))
        if min(map(len, logs)) > 1:
            means = np.mean([log.mean(axis=0) for log in logs], axis=0)
            spread = np.sqrt(np.sum([log.var(axis=0, ddof=1) / len(log) for log in logs], axis=0)) / len(logs)
            cells = (f"{np.exp(mean):>8.2f} ({error:.2f})" for mean, error in zip(means, spread, strict=True))
            yield f"{rule:<30}{stop:>6}" + "".join(cells)
