"""What each family of structures bought: held-out errors on all the others with and without it in the training set."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pesforge.metrics import KINDS, UNITS, Residuals, errors, paired_changes
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import Weights
from pesforge.representations.arrays import BoolArray

Row = dict[str, Any]

OVERALL_FACTOR = 2.0
"""A change over all other families counts from so many standard errors on."""
SINGLE_FACTOR = 3.0
"""The same on one family: more, because it is the worst of several and has fewer groups."""
SMALLEST_SHARE = 0.05
"""A change below this share of the error is not counted: more data of any kind buy as much."""
PER_SECONDS = 100.0
RULE = (
    "Every structure is predicted by fits that have not seen its group, once with the family and once without it; "
    "basis, α, weights and prior scales stay. Standard errors are those of the paired change, by the jackknife over "
    f"groups. Measurable: a change beyond {OVERALL_FACTOR:g} standard errors over all the others, or beyond "
    f"{SINGLE_FACTOR:g} on the family that suffers most, and of at least {100 * SMALLEST_SHARE:g} % of the error."
)
SINGLE_FAMILY = "The study has labels of a single family: nothing can be compared."
WORDS = {"energy": "meV/atom", "force": "eV/Å", "stress": "GPa"}
BOUGHT, HARMED, NOTHING, UNKNOWN = "bought", "harmed", "nothing", "unknown"


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
        rows with `without`, `on`, `n_structures`, `n_groups`, the RMSE with the family, and `..._change_...` and
        `..._change_se_...` of it as in `pesforge.metrics.paired_changes`; none for a single family.
    """
    groups, families = problem.design.groups, np.array(problem.design.families)
    names = list(dict.fromkeys(problem.design.families))
    if len(names) < 2:
        return []
    present = problem.leave_out(weights, alpha, groups, columns)
    rows = []
    for name in names:
        without = problem.leave_out(weights, alpha, groups, columns, absent=families == name)
        for on in (None, *names):
            chosen = np.flatnonzero(families != name if on is None else families == on)
            rows.append({"without": name, "on": on, **_compared(present, without, groups, chosen)})
    return rows


def _compared(before: Residuals, after: Residuals, groups: Sequence[str], chosen: np.ndarray[Any, Any]) -> Row:
    """RMSE of some structures, and its rise."""
    names = [groups[structure] for structure in chosen]
    first = before.select(chosen)
    figures = {**errors(first), **paired_changes(first, after.select(chosen), names)}
    return {
        "n_structures": len(names),
        "n_groups": len(set(names)),
        **{key: value for key, value in figures.items() if "_mae_" not in key},
    }


def keep_ledger(spending: Mapping[str, Any], trials: Sequence[Row]) -> Row:
    """Evidence of the stage `ledger`: what every family cost beside what it bought, with a verdict in words.

    Args:
        spending: seconds by family (`pesforge.cost.spending`).
        trials: rows of `weigh_families`.
    """
    seconds = {row["family"]: row["dft_seconds"] for row in spending["families"]}
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
    """Verdict on one family, and the change over all the others per 100 s."""
    overall = next(row for row in trials if row["on"] is None)
    others = [row for row in trials if row["on"] not in (None, name)]
    most = max(others, key=lambda row: (bool(_measurable(row, SINGLE_FACTOR)), _rise(row)))
    kind, verdict = _verdict(overall, most)
    per = {
        _key(kind, "change").replace("_change_", "_per_100_s_"): value / seconds * PER_SECONDS
        if (value := overall[_key(kind, "change")]) is not None and seconds
        else None
        for kind in KINDS
    }
    return {"family": name, "outcome": kind, "verdict": verdict, "suffers_most": most["on"], **per}


def _key(kind: str, statistic: str) -> str:
    return f"{kind}_rmse_{statistic}_{UNITS[kind]}"


def _rise(row: Row) -> float:
    """Rise of the sum of log RMSE over the kinds with labels."""
    total = 0.0
    for kind in KINDS:
        before, change = row[f"{kind}_rmse_{UNITS[kind]}"], row[_key(kind, "change")]
        if before:
            total += float(np.log(max(before + change, np.finfo(np.float64).tiny) / before))
    return total


def _measurable(row: Row, factor: float, sign: float = 1.0) -> list[str]:
    """Kinds of error that rise, or with sign -1 that fall, beyond `factor` standard errors and a smallest share."""
    found = []
    for kind in KINDS:
        change, error = row[_key(kind, "change")], row[_key(kind, "change_se")]
        if error is not None and sign * change > max(
            factor * error, SMALLEST_SHARE * row[f"{kind}_rmse_{UNITS[kind]}"]
        ):
            found.append(kind)
    return found


def _amounts(row: Row, kinds: Sequence[str], sign: float = 1.0) -> str:
    """Changes with their standard errors, both to the second digit of the standard error."""
    words = []
    for kind in kinds:
        change, error = sign * row[_key(kind, "change")], row[_key(kind, "change_se")]
        decimals = max(0, 1 - int(np.floor(np.log10(error)))) if error else 1
        words.append(f"{change:.{decimals}f} ± {error:.{decimals}f} {WORDS[kind]}")
    return ", ".join(words)


def _verdict(overall: Row, most: Row) -> tuple[str, str]:
    """The outcome in a word and in a sentence."""
    known = [kind for kind in KINDS if overall[_key(kind, "change_se")] is not None]
    if not known:
        return UNKNOWN, "cannot be told: all other structures are of one group"
    bought, harmed = _measurable(overall, OVERALL_FACTOR), _measurable(overall, OVERALL_FACTOR, -1.0)
    single = _measurable(most, SINGLE_FACTOR)
    parts = [f"bought {_amounts(overall, bought)} on the others"] if bought else []
    if single:
        parts.append(f"{'most' if bought else 'bought'} {_amounts(most, single)} on {most['on']}")
    if harmed:
        parts.append(f"cost the others {_amounts(overall, harmed, -1.0)}")
    if not parts:
        return NOTHING, f"nothing measurable on the others: {_amounts(overall, known)}"
    return (BOUGHT if bought or single else HARMED), "; ".join(parts)
