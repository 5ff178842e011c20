"""Words and rows of the ledger: what every family cost and what it was to the others."""

from collections.abc import Mapping, Sequence
from typing import Any

from pesforge.report.text import number

Row = Mapping[str, Any]
KINDS = ("energy", "force", "stress")
OUTCOMES = {
    "bought": "of use to the others: {}",
    "bought and cost": "of use to some and a burden to others: {}",
    "cost": "a burden only: {}",
    "nothing": "no measurable difference: {}",
    "unknown": "cannot be told: {}",
}
"""What a family is to the others, by the outcome of the ledger."""
MOST_NAMES = 5
"""Most families that a headline names."""


def message(ledger: Row) -> str:
    """Which families help the others, which not, and which the others fit better without."""
    if ledger["remark"]:
        return str(ledger["remark"])
    families = {
        outcome: [row["family"] for row in ledger["bought"] if row["outcome"] == outcome] for outcome in OUTCOMES
    }
    parts = [words.format(_few(families[outcome])) for outcome, words in OUTCOMES.items() if families[outcome]]
    told = "; ".join(parts) or "no family was left out"
    return told[0].upper() + told[1:]


def rows(ledger: Row) -> dict[str, list[dict[str, Any]]]:
    """Rows of the tables: what each family cost and bought, and every family without every other."""
    seconds = {row["family"]: row["dft_seconds"] for row in ledger["families"]}
    bought = [
        {
            **row,
            "dft_seconds": seconds.get(row["family"]),
            **{f"{kind}_price": number(row[f"{kind}_rmse_percent_per_100_s"], 3) for kind in KINDS},
        }
        for row in ledger["bought"]
    ]
    trials = [
        {
            **row,
            "on": "all the others" if row["on"] is None else "itself" if row["on"] == row["without"] else row["on"],
        }
        for row in ledger["trials"]
    ]
    return {"ledger_bought": bought, "ledger_trials": trials}


def _few(families: Sequence[str]) -> str:
    """Their names, or their number where a headline has no room for the names."""
    return ", ".join(families) if len(families) <= MOST_NAMES else f"{len(families)} families"
