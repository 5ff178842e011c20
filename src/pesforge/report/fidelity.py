"""Words and tables of two levels of the reference method; every message is computed from the evidence."""

from collections.abc import Mapping
from typing import Any

from pesforge.report.text import number, plus_minus

Row = Mapping[str, Any]
METHOD_NAMES = {
    "high_only": "high level alone",
    "low_only": "low level alone",
    "blend": "blend, published weight",
    "blend_low_trust": "blend, low labels distrusted",
    "delta": "Δ-learning (ρ = 1)",
    "autoregressive": "autoregressive (ρ fitted)",
}
KINDS = ("energy", "force", "stress")


def cost_message(evidence: Row) -> str:
    """Whether two levels beat one at equal cost, from the ratios and their standard errors."""
    rows = evidence["verdict"]
    if not rows:
        return "No budget allowed a comparison at equal cost"
    gains, losses = ([row for row in rows if row["outcome"] == name] for name in ("gain", "loss"))
    best = min(gains or rows, key=lambda row: float(row["ratio"]))
    where = (
        f"{best['kind']} at the cost of {best['budget']} high labels, {plus_minus(best['ratio'], best['ratio_se'])} "
        f"times the error of one level ({METHOD_NAMES[best['method']]})"
    )
    worse = f" and worse in {len(losses)}" if losses else ""
    alone = [row for row in rows if row["low_only_ratio"] is not None]
    lower = sum(row["low_only_ratio"] <= row["ratio"] for row in alone)
    beside = f"; the low level alone has the lower error in {lower} of {len(alone)}" if alone else ""
    count, what = (len(gains), "most") if gains else ("none", "nearest")
    return (
        f"At equal cost two levels are clearly better than one in {count} of {len(rows)} comparisons{worse}; "
        f"{what}: {where}{beside}"
    )


def map_message(evidence: Row) -> str:
    """Which λ and α foresee left-out groups best."""
    row = next(row for row in evidence["map"] if row["chosen"])
    analysis = evidence["analysis"]
    return (
        f"Left-out groups are foreseen best by λ = {number(row['lam'])} and α = {number(row['trust'])} on average; the "
        f"medians of the choices of {analysis['seeds']} seeds are {number(analysis['lam_median'])} and "
        f"{number(analysis['trust_median'])}"
    )


def curves_message(evidence: Row) -> str:
    """What makes up the error of the blend at the λ of lowest mean squared error."""
    parts = []
    for kind in KINDS:
        rows = [row for row in evidence["curve"] if row[f"{kind}_mse"] is not None]
        if rows:
            best = min(rows, key=lambda row: float(row[f"{kind}_mse"]))
            share = 100 * best[f"{kind}_bias_squared"] / best[f"{kind}_mse"]
            parts.append(f"{kind} λ = {number(best['lam'])} ({number(share, 2)} % of it bias)")
    return f"By the formulas the error is lowest at: {', '.join(parts)}"


def ratio_rows(evidence: Row) -> list[dict[str, Any]]:
    """One row per budget, share and method: what was bought, and errors over those of the high level alone."""
    bought = {(row["budget"], row["high_share"], row["method"]): row for row in evidence["points"]}
    rows = []
    for ratio in evidence["ratios"]:
        point = bought[ratio["budget"], ratio["high_share"], ratio["method"]]
        rows.append(
            {
                **{key: point[key] for key in ("budget", "high_share", "n_high", "n_low")},
                "method": METHOD_NAMES[ratio["method"]],
                "cost_ratio": ratio["cost_ratio"],
                "seeds": ratio["seeds"],
                **{kind: plus_minus(ratio[f"{kind}_ratio"], ratio[f"{kind}_ratio_se"]) for kind in KINDS},
            }
        )
    return rows


def point_rows(evidence: Row) -> list[dict[str, Any]]:
    """One row per budget, share and method: cost, mean errors with standard errors, and what was chosen."""
    keys = (
        ("energy", "energy_rmse_mev_per_atom", "energy_rmse_se_mev_per_atom"),
        ("force", "force_rmse_ev_per_ang", "force_rmse_se_ev_per_ang"),
        ("stress", "stress_rmse_gpa", "stress_rmse_se_gpa"),
    )
    return [
        {
            **{key: row[key] for key in ("high_share", "n_high", "n_low", "seconds", "seeds")},
            "budget": "all" if row["budget"] is None else row["budget"],
            "method": METHOD_NAMES[row["method"]],
            **{kind: plus_minus(row[value], row[error]) for kind, value, error in keys},
            "chosen": _choices(row["chosen"]),
        }
        for row in evidence["points"]
    ]


def _choices(chosen: Row) -> str:
    names = (("lam", "λ"), ("trust", "α"), ("low_trust", "τ"), ("rho", "ρ"))
    return ", ".join(f"{sign} {number(chosen[key], 3)}" for key, sign in names if key in chosen)


def level_rows(evidence: Row) -> list[dict[str, Any]]:
    """Settings that differ between the levels."""
    high, low = (evidence["levels"][level]["settings"] for level in ("high", "low"))
    names = [name for name in high if high[name] != low.get(name)]
    return [{"name": name, "high": high[name], "low": low[name]} for name in names]
