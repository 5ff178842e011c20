"""Means over seeds: errors against cost, ratios at equal cost, the map of λ and α, and the curves against λ."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pesforge.fidelity_settings import Fidelity
from pesforge.metrics import TO_REPORTED
from pesforge.potentials.normal import KINDS
from pesforge.representations.arrays import FloatArray

ERROR_KEYS = ("energy_rmse_mev_per_atom", "force_rmse_ev_per_ang", "stress_rmse_gpa")
SE_KEYS = ("energy_rmse_se_mev_per_atom", "force_rmse_se_ev_per_ang", "stress_rmse_se_gpa")
METHODS = ("high_only", "low_only", "blend", "blend_low_trust", "delta", "autoregressive")
CONTROL = "high_only"
EQUAL_COST = 0.1
"""Methods whose mean costs differ by more than this share are not compared."""
REPORTED = np.array([TO_REPORTED[kind] for kind in KINDS])
SIGNIFICANT = 2.0
"""Standard errors by which a difference counts."""


def mean_and_error(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Means (K,) over seeds and their standard errors (K,); NaN with fewer than two seeds.

    Args:
        values: (N, K), one row per seed.
    """
    count = len(values)
    spread = values.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.full(values.shape[1], np.nan)
    return values.mean(axis=0), spread


def _plain(keys: Sequence[str], values: FloatArray) -> dict[str, float | None]:
    return {key: float(value) if np.isfinite(value) else None for key, value in zip(keys, values, strict=True)}


def summarise(records: Sequence[dict[str, Any]], maps: Sequence[dict[str, Any]], settings: Fidelity) -> dict[str, Any]:
    """The evidence of all seeds.

    Args:
        records: with `seed`, `budget`, `high_share`, `method`, `n_high`, `n_low`, `seconds`, `errors` and `chosen`.
        maps: of `pesforge.fidelity.analysis.blend_map`, one per seed.
        settings: budgets and shares.

    Returns:
        `points` (one per budget, share and method), `ratios` (beside the high level alone at equal cost), `verdict`,
        `map`, `curve`, `analysis` and `per_seed`.
    """
    cells: list[tuple[int | None, float | None]] = [(budget, None) for budget in (*settings.budgets, None)]
    cells += [(budget, share) for budget in settings.budgets for share in settings.high_shares]
    points, ratios = [], []
    for budget, share in cells:
        for method in METHODS:
            mine = _of(records, budget, share, method)
            if mine:
                points.append(_point(mine, settings.seeds))
                if method != CONTROL and budget is not None:
                    ratios.append(_ratio(mine, _of(records, budget, None, CONTROL)))
    return {
        "methods": list(METHODS),
        "seeds": settings.seeds,
        "high_share": settings.high_shares[0],
        "points": points,
        "ratios": ratios,
        "verdict": verdict(ratios, settings.high_shares[0]),
        **_maps(maps, settings),
        "per_seed": [
            {**{key: value for key, value in record.items() if key != "errors"}, **_reported(record)}
            for record in records
        ],
    }


def _of(records: Sequence[dict[str, Any]], budget: Any, share: Any, method: str) -> list[dict[str, Any]]:
    wanted = (budget, share, method)
    return [row for row in records if (row["budget"], row["high_share"], row["method"]) == wanted]


def _reported(record: dict[str, Any]) -> dict[str, float | None]:
    return _plain(ERROR_KEYS, record["errors"] * REPORTED)


def _point(rows: list[dict[str, Any]], seeds: int) -> dict[str, Any]:
    """Mean errors of one method at one budget, with what it bought and chose."""
    mean, error = mean_and_error(np.array([row["errors"] for row in rows]) * REPORTED)
    names = list(rows[0]["chosen"])
    return {
        **{key: rows[0][key] for key in ("method", "budget", "high_share")},
        "seeds": len(rows),
        "seeds_without": seeds - len(rows),
        **{key: float(np.mean([row[key] for row in rows])) for key in ("n_high", "n_low", "seconds")},
        **_plain(ERROR_KEYS, mean),
        **_plain(SE_KEYS, error),
        "chosen": {name: float(np.median([row["chosen"][name] for row in rows])) for name in names},
    }


def _ratio(rows: list[dict[str, Any]], control: list[dict[str, Any]]) -> dict[str, Any]:
    """Geometric mean over seeds of the errors over those of the high level alone at equal cost, and standard errors."""
    by_seed = {row["seed"]: row for row in control}
    pairs = [(row, by_seed[row["seed"]]) for row in rows if row["seed"] in by_seed]
    result: dict[str, Any] = {key: rows[0][key] for key in ("method", "budget", "high_share")} | {"seeds": len(pairs)}
    empty = np.full(len(KINDS), np.nan)
    mean, error, cost = empty, empty, np.nan
    if pairs:
        cost = np.mean([mine["seconds"] for mine, _ in pairs]) / np.mean([other["seconds"] for _, other in pairs])
        if abs(cost - 1) <= EQUAL_COST:
            logs = np.log(np.array([mine["errors"] / other["errors"] for mine, other in pairs]))
            mean, error = mean_and_error(logs)
    result["cost_ratio"] = float(cost) if np.isfinite(cost) else None
    result |= _plain([f"{kind}_ratio" for kind in KINDS], np.exp(mean))
    return result | _plain([f"{kind}_ratio_se" for kind in KINDS], np.exp(mean) * error)


def verdict(ratios: Sequence[dict[str, Any]], share: float) -> list[dict[str, Any]]:
    """Per kind and budget the two-level method of lowest error, and whether it differs from the high level alone.

    The best of several methods is picked by the very errors that are reported, so that it flatters a little. Beside it
    stands the low level alone at the same cost, `low_only_ratio`: where that is lower, numbers of labels win and not
    two levels.

    Args:
        ratios: at equal cost.
        share: of the budget for high labels.
    """
    found = []
    alone = {row["budget"]: row for row in ratios if row["method"] == "low_only"}
    for budget in dict.fromkeys(row["budget"] for row in ratios):
        for kind in KINDS:
            rows = [
                row
                for row in ratios
                if row["budget"] == budget and row["high_share"] == share and row[f"{kind}_ratio"] is not None
            ]
            if rows:
                best = min(rows, key=lambda row: float(row[f"{kind}_ratio"]))
                ratio, error = best[f"{kind}_ratio"], best[f"{kind}_ratio_se"]
                clear = error is not None and abs(np.log(ratio)) > SIGNIFICANT * error / ratio
                outcome = ("gain" if ratio < 1 else "loss") if clear else "none"
                found.append(
                    {
                        "budget": budget,
                        "kind": kind,
                        "method": best["method"],
                        "ratio": ratio,
                        "ratio_se": error,
                        "outcome": outcome,
                        "low_only_ratio": alone.get(budget, {}).get(f"{kind}_ratio"),
                    }
                )
    return found


def _maps(maps: Sequence[dict[str, Any]], settings: Fidelity) -> dict[str, Any]:
    """The map and the curves, averaged over seeds; all null where no seed had enough pairs."""
    middle = settings.budgets[len(settings.budgets) // 2]
    if not maps:
        return {"map": None, "curve": None, "analysis": None}
    mse = np.array([[row["left_out_mse"] for row in one["map"]] for one in maps])
    scores = np.array([[row["score"] for row in one["map"]] for one in maps]).mean(axis=0)
    typical = np.sqrt(np.exp(np.mean(np.log(mse), axis=0))) * REPORTED
    best = int(scores.argmin())
    grid = [
        {
            "lam": row["lam"],
            "trust": row["trust"],
            **_plain(ERROR_KEYS, values),
            "chosen": number == best,
        }
        for number, (row, values) in enumerate(zip(maps[0]["map"], typical, strict=True))
    ]
    curve = []
    for number, row in enumerate(maps[0]["curve"]):
        names = ("bias_squared", "variance", "mse", "left_out_mse", "held_out_mse")
        means = {name: np.mean([one["curve"][number][name] for one in maps], axis=0) for name in names}
        curve.append(
            {
                "lam": row["lam"],
                **{f"{kind}_{name}": _finite(means[name][k] * REPORTED[k] ** 2) for k, kind in enumerate(KINDS)
                   for name in names},
            }
        )  # fmt: skip
    noise = np.mean([one["noise"] for one in maps], axis=0) * REPORTED**2
    choices = [one["chosen"] for one in maps]
    analysis = {
        "budget": middle,
        "high_share": settings.high_shares[0],
        "seeds": len(maps),
        "chosen": choices,
        "lam_median": float(np.median([choice["lam"] for choice in choices])),
        "trust_median": float(np.median([choice["trust"] for choice in choices])),
        **{f"{kind}_noise": float(value) for kind, value in zip(KINDS, noise, strict=True)},
    }
    return {"map": grid, "curve": curve, "analysis": analysis}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
