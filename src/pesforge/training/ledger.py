"""What each family of structures bought: held-out errors on all the others with and without it in the training set."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pesforge.metrics import KINDS, UNITS, errors, paired_changes
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import Weights
from pesforge.representations.arrays import BoolArray

Row = dict[str, Any]

OVERALL_FACTOR = 2.0
"""The mean change over all other families counts from so many standard errors on."""
SINGLE_FACTOR = 3.0
"""The same on one family: more, because it is one of several and has few groups."""
SMALLEST_SHARE = 0.05
"""A change below this share of the error is not counted: more data of any kind buy as much."""
FEWEST_GROUPS = 4
"""A family of fewer groups has its standard errors over structures, because two or three groups tell no spread."""
LONGEST_LIST = 2
"""So many families are named in a verdict, each with its largest change; the table of all pairs has the rest."""
PER_SECONDS = 100.0
RULE = (
    "Every structure is predicted by fits that have not seen its group, once with the family and once without it; "
    "basis, α, weights and prior scales stay. × is the RMSE without the family over that with it; over all the others "
    "it is the geometric mean of their families, because errors of families differ a hundredfold and a pooled RMSE "
    "sees the worst alone. ± are paired standard errors by the jackknife over groups; over structures, which flatters "
    f"them, in families of fewer than {FEWEST_GROUPS} groups. A change counts beyond {SINGLE_FACTOR:g} standard errors "
    f"on one family or {OVERALL_FACTOR:g} over all, if it is at least {100 * SMALLEST_SHARE:g} % of the error."
)
SINGLE_FAMILY = "The study has labels of a single family: nothing can be compared."
WORDS = {"energy": "meV/atom", "force": "eV/Å", "stress": "GPa"}
BOUGHT, MIXED, HARMED, NOTHING, UNKNOWN = "bought", "bought and cost", "cost", "nothing", "unknown"


def weigh_families(
    problem: LinearProblem, weights: Weights, alpha: float, columns: BoolArray | None = None
) -> list[Row]:
    """Errors of held-out structures and how they rise when a family is absent from every training set.

    One row for each absent family and what is predicted: all the others together (`on` is None), each other family, and
    the absent family itself. A group that holds structures of several families is left out whole in every case.

    Args:
        problem: normal equations of the labelled structures.
        weights: weights of the fit.
        alpha: prior precision.
        columns: mask (K,) of functions; None: all.

    Returns:
        rows with `without`, `on`, `n_structures`, `n_groups`, the RMSE with the family, and the changes of
        `pesforge.metrics.paired_changes`; the factor over all the others is the geometric mean of their families. No
        rows for a single family.
    """
    groups, families = problem.design.groups, np.array(problem.design.families)
    names = list(dict.fromkeys(problem.design.families))
    if len(names) < 2:
        return []
    present = problem.leave_out(weights, alpha, groups, columns)
    rows = []
    for name in names:
        without = problem.leave_out(weights, alpha, groups, columns, absent=families == name)
        single = []
        for on in (None, *names):
            chosen = np.flatnonzero(families != name if on is None else families == on)
            before, after = present.select(chosen), without.select(chosen)
            held = [groups[structure] for structure in chosen]
            enough = len(set(held)) >= FEWEST_GROUPS
            rise = paired_changes(before, after, held if enough else [problem.design.ids[s] for s in chosen])
            rmse = {key: value for key, value in errors(before).items() if "_rmse_" in key}
            row = {"without": name, "on": on, "n_structures": len(held), "n_groups": len(set(held)), **rmse, **rise}
            single += [row] if on not in (None, name) else []
            rows.append(row)
        rows[-1 - len(names)] |= _mean_factors(single)
    return rows


def _mean_factors(rows: Sequence[Row]) -> Row:
    """Geometric mean of the factors of some families and its standard error, the families taken as independent."""
    found: Row = {}
    for kind in KINDS:
        keys = _key(kind, "factor"), _key(kind, "factor_se")
        known = [(row[keys[0]], row[keys[1]]) for row in rows if row[keys[1]] is not None]
        factor = float(np.exp(np.mean([np.log(value) for value, _ in known]))) if known else None
        spread = float(np.sqrt(sum((error / value) ** 2 for value, error in known))) / len(known) if known else None
        found |= {keys[0]: factor, keys[1]: None if factor is None or spread is None else factor * spread}
    return found


def keep_ledger(spending: Mapping[str, Any], trials: Sequence[Row]) -> Row:
    """Evidence of the stage `ledger`: what every family cost beside what it bought, with a verdict in words.

    Args:
        spending: seconds by family (`pesforge.cost.spending`).
        trials: rows of `weigh_families`.
    """
    seconds = {row["family"]: row["dft_seconds"] - row["anyway_seconds"] for row in spending["families"]}
    names = list(dict.fromkeys(row["without"] for row in trials))
    return {
        **spending,
        "rule": RULE,
        "remark": None if trials else SINGLE_FAMILY,
        "trials": list(trials),
        "bought": [
            _bought(name, [row for row in trials if row["without"] == name], seconds.get(name)) for name in names
        ],
    }


def _bought(name: str, trials: Sequence[Row], seconds: float | None) -> Row:
    """Verdict on one family, errors on itself when no fit has seen it, and mean changes over all the others."""
    overall = next(row for row in trials if row["on"] is None)
    others = [row for row in trials if row["on"] not in (None, name)]
    most = max(others, key=lambda row: (any(_counts(row, kind, SINGLE_FACTOR) > 0 for kind in KINDS), _rise(row)))
    outcome, verdict = _verdict(overall, others)
    own = next(row for row in trials if row["on"] == name)
    figures: Row = {}
    for kind in KINDS:
        with_it, rise = own[f"{kind}_rmse_{UNITS[kind]}"], own[f"{kind}_rmse_change_{UNITS[kind]}"]
        figures[f"itself_{kind}_rmse_{UNITS[kind]}"] = None if with_it is None or rise is None else with_it + rise
        factor, error = overall[_key(kind, "factor")], overall[_key(kind, "factor_se")]
        figures |= {_key(kind, "factor"): factor, _key(kind, "factor_se"): error}
        figures[_key(kind, "percent_per_100_s")] = (
            100.0 * (factor - 1.0) / seconds * PER_SECONDS if factor is not None and seconds else None
        )
    return {"family": name, "outcome": outcome, "verdict": verdict, "suffers_most": most["on"], **figures}


def _key(kind: str, statistic: str) -> str:
    return f"{kind}_rmse_{statistic}"


def _rise(row: Row) -> float:
    """Sum of the logarithms of the factors that are known."""
    return float(sum(_logarithm(row, kind) for kind in KINDS if row[_key(kind, "factor")] is not None))


def _counts(row: Row, kind: str, least: float) -> int:
    """1 for a rise that counts, -1 for a fall, 0 for neither.

    Args:
        row: factors of the RMSE.
        kind: of error.
        least: standard errors.
    """
    factor, error = row[_key(kind, "factor")], row[_key(kind, "factor_se")]
    if factor is None or error is None or abs(factor - 1.0) < SMALLEST_SHARE:
        return 0
    logarithm = _logarithm(row, kind)
    return int(np.sign(logarithm)) if abs(logarithm) > least * error / factor else 0


def _verdict(overall: Row, others: Sequence[Row]) -> tuple[str, str]:
    """The outcome in a word and in a sentence."""
    if all(overall[_key(kind, "factor_se")] is None for kind in KINDS):
        return UNKNOWN, "cannot be told: the others have no two structures whose errors could be compared"
    parts = {}
    for sign, verb in ((1, "bought"), (-1, "cost")):
        found = [_largest(row, sign) for row in others]
        named = sorted(((row, kind) for row, kind in found if kind), key=lambda pair: -sign * _logarithm(*pair))
        words = [_amount(row, kind) for row, kind in named[:LONGEST_LIST]]
        words += [f"less on {len(named) - LONGEST_LIST} more"] if len(named) > LONGEST_LIST else []
        mean = [kind for kind in KINDS if _counts(overall, kind, OVERALL_FACTOR) == sign]
        if words or mean:
            parts[verb] = f"{verb} {', '.join(words) or f'{_means(overall, mean)} on all the others'}"
    if not parts:
        known = [kind for kind in KINDS if overall[_key(kind, "factor_se")] is not None]
        return NOTHING, f"nothing measurable on the others: {_means(overall, known)}"
    outcome = MIXED if len(parts) == 2 else BOUGHT if "bought" in parts else HARMED
    return outcome, "; ".join(parts.values())


def _logarithm(row: Row, kind: str) -> float:
    return float(np.log(row[_key(kind, "factor")]))


def _largest(row: Row, sign: int) -> tuple[Row, str]:
    """The row with its kind of error that rises most, or with sign -1 falls most; an empty word if none counts."""
    kinds = [kind for kind in KINDS if _counts(row, kind, SINGLE_FACTOR) == sign]
    return row, max(kinds, key=lambda kind: sign * _logarithm(row, kind), default="")


def _amount(row: Row, kind: str) -> str:
    """A change in the unit of the error, where it is, and its factor."""
    change = float(f"{abs(row[f'{kind}_rmse_change_{UNITS[kind]}']):.2g}")
    return f"{change:g} {WORDS[kind]} on {row['on']} (×{_with_error(row, kind)})"


def _means(overall: Row, kinds: Sequence[str]) -> str:
    """Mean factors of some kinds of error."""
    return ", ".join(f"{kind} ×{_with_error(overall, kind)}" for kind in kinds)


def _with_error(row: Row, kind: str) -> str:
    """A factor and its standard error, both to the second digit of the standard error."""
    value, error = row[_key(kind, "factor")], row[_key(kind, "factor_se")]
    decimals = max(0, 1 - int(np.floor(np.log10(error)))) if error else 2
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"
