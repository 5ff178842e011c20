"""What a study cost: seconds, jobs and memory of every stage, and who asked for the reference calculations."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import pandas as pd

from pesforge.io import read_json
from pesforge.peaks import read_peaks

LABEL_FILES = "*/[!.]*.json"
"""Files of the labels of a store; what a killed write has left there begins with a dot."""
DFT_RULES = (
    "scan_parameter",
    "check_derivatives",
    "measure_stiffness",
    "measure_response",
    "measure_phonons",
    "label_batch",
    "label_low_batch",
    "label_exam",
    "label_control",
    "compute_eos",
    "compute_elastic",
    "compute_phases",
)
"""Rules whose jobs do reference calculations."""

PURPOSES = {
    "scan_parameter": "numerical convergence",
    "check_derivatives": "finite differences of the labels",
    "measure_stiffness": "force constants",
    "measure_response": "force constants of a larger cell",
    "measure_phonons": "phonons of a wider cell",
    "compute_eos": "equation of state",
    "compute_elastic": "elastic constants",
    "compute_phases": "competing crystals",
    "label_low_batch": "cheap level",
    "label_exam": "exam of active learning",
    "label_control": "random control of active learning",
    "sample_driven": "moving the atoms of driven families",
}
"""What the rules that label no batch calculate for."""
MOVING_RULE = "sample_driven"
"""The rule whose jobs do reference calculations, in a store of their own, only where a reference code moves atoms."""
LAST = "report"
"""The stage that tells the cost; what an earlier run of it took is no part of this one."""
NO_LONGER_USED = "labels no longer used"
UNCLAIMED = "asked for by no journal"
CONVERGENCE = tuple(PURPOSES[rule] for rule in ("scan_parameter", "check_derivatives"))

Event = Mapping[str, Any]


def cost(benchmarks: Path, store: Path, code: str, moving: Path | None = None) -> dict[str, Any]:
    """Evidence on the cost of a study.

    `rules` and `stages` hold seconds, jobs, the largest memory of a job and the largest that was asked for. Memory is
    what the job wrote down at its end (`pesforge.peaks`), or what Snakemake saw where it did not.

    The store remembers the time of every calculation, the benchmarks that of the last run of every job. A job that was
    killed and run again may therefore be shorter than its calculations; its overhead then counts as nothing.

    Args:
        benchmarks: folder with one folder per stage, which holds Snakemake's benchmark table of every job.
        store: label store.
        code: fingerprint of the code whose labels count.
        moving: store of the steps of a reference code that moved atoms; None where none did.
    """
    tables, peaks = [], read_peaks(benchmarks)
    for path in sorted(benchmarks.glob("*/*.tsv")):
        if path.parent.name == LAST:
            continue
        table = pd.read_csv(path, sep="\t")
        table["stage"], table["rule"] = path.parent.name, path.name.split(".")[0]
        peak = peaks.get(path.stem, {})
        seen = pd.to_numeric(table["max_rss"], errors="coerce")
        table["max_rss"] = seen.clip(lower=peak.get("peak_mb", 0.0)).fillna(peak.get("peak_mb", np.nan))
        table["asked"] = float(np.nan if peak.get("asked_mb") is None else peak["asked_mb"])
        tables.append(table)
    jobs = pd.concat(tables, ignore_index=True)
    times = [*stored_seconds(store, code).values()]
    rules = set(DFT_RULES)
    if moving is not None:
        times += stored_seconds(moving, code).values()
        rules.add(MOVING_RULE)
    inside = sum(times)
    around = jobs["rule"].isin(rules)
    total = inside + max(float(jobs.loc[around, "s"].sum()) - inside, 0.0) + float(jobs.loc[~around, "s"].sum())
    return {
        "stages": [{"stage": stage, **_used(found)} for stage, found in jobs.groupby("stage", sort=True)],
        "rules": [
            {"stage": stage, "rule": rule, **_used(found)}
            for (stage, rule), found in jobs.groupby(["stage", "rule"], sort=True)
        ],
        "dft_calculations": len(times),
        "dft_seconds": inside,
        "total_seconds": total,
        "dft_share": inside / total if total else None,
    }


def _used(jobs: pd.DataFrame) -> dict[str, float | int | None]:
    """Seconds of some jobs, their number, the largest memory of one and the largest that was asked for, MB."""
    memory, asked = (jobs[name].dropna() for name in ("max_rss", "asked"))
    return {
        "seconds": float(jobs["s"].sum()),
        "jobs": len(jobs),
        "max_rss_mb": float(memory.max()) if len(memory) else None,
        "asked_mb": float(asked.max()) if len(asked) else None,
    }


def stored_seconds(store: Path, code: str) -> dict[str, float]:
    """Seconds of every calculation of a label store by its key, as they were when it was computed.

    Args:
        store: label store.
        code: fingerprint of the code whose labels count.
    """
    records = ((path.stem, read_json(path)) for path in sorted(store.glob(LABEL_FILES)))
    return {key: float(record["label"]["seconds"]) for key, record in records if record["code"] == code}


def spending(
    seconds: Mapping[str, float],
    *,
    labels: Sequence[tuple[str, str, str]],
    failed: Sequence[tuple[str, str]],
    batches: Iterable[Event],
    jobs: Mapping[str, Sequence[Event]],
    moving: Mapping[str, float] | None = None,
    moves: Sequence[Event] = (),
) -> dict[str, Any]:
    """Seconds of reference calculations by family, and by purpose where they belong to no family.

    Every calculation is counted once, for the first that asked for it: families in the order of the labels, then the
    rules, then labels that are no longer used. All rows together are all calculations of the store. The steps of a
    reference code that moved atoms have a store of their own and are a row of their own.

    Args:
        seconds: seconds of every calculation by its key (`stored_seconds`).
        labels: id, family and key of every label of the study.
        failed: id and family of every structure that could not be labelled.
        batches: events of the journals of all label batches.
        jobs: events of the other jobs with reference calculations, by rule.
        moving: seconds of every step of a reference code that moved atoms; None where none did.
        moves: events of the journals of those steps.

    Returns:
        `families`: rows with `family`, `labels`, `dft_calculations`, `dft_seconds`, and `median_seconds` and
        `mean_seconds` of its labels as they were computed, recalled or not, and `anyway_seconds`, what a rule asked for
        too, so that the study without the family would not have saved it; `shared`: rows with `purpose`,
        `dft_calculations` and `dft_seconds`. Both with `failed_attempts`, their `lost_seconds`, which are no part of
        `dft_seconds`, and `untimed_attempts`, whose time no journal knows because they were killed. Totals of
        all, and `convergence` (`convergence_cost`).
    """
    events = list(batches)
    family_of = dict(failed) | {name: family for name, family, _ in labels}
    rest, anyway = dict(seconds), {key for told in jobs.values() for key in _keys(told)}
    families = [
        {
            "family": family,
            **_per_label(seconds, keys := [key for _, owner, key in labels if owner == family]),
            "anyway_seconds": float(sum(rest[key] for key in dict.fromkeys(keys) if key in rest and key in anyway)),
            **_taken(rest, keys),
            **_lost([event for event in events if family_of.get(event["id"]) == family]),
        }
        for family in dict.fromkeys([family for _, family, _ in labels] + [family for _, family in failed])
    ]
    shared = [
        {"purpose": PURPOSES.get(rule, rule.replace("_", " ")), **_taken(rest, _keys(jobs[rule])), **_lost(jobs[rule])}
        for rule in (*(rule for rule in DFT_RULES if rule in jobs), *sorted(set(jobs) - set(DFT_RULES)))
    ]
    if moving is not None:
        shared.append({"purpose": PURPOSES[MOVING_RULE], **_taken(dict(moving), moving), **_lost(moves)})
    former = [event for event in events if event["id"] not in family_of]
    for purpose, keys, lost in ((NO_LONGER_USED, _keys(events), _lost(former)), (UNCLAIMED, [*rest], _lost([]))):
        row = {"purpose": purpose, **_taken(rest, keys), **lost}
        shared += [row] if row["dft_calculations"] or row["failed_attempts"] or row["untimed_attempts"] else []
    return {
        "families": families,
        "shared": shared,
        "dft_calculations": len(seconds) + len(moving or {}),
        "dft_seconds": sum(seconds.values()) + sum((moving or {}).values()),
        "lost_seconds": sum(row["lost_seconds"] for row in (*families, *shared)),
        "convergence": convergence_cost(families, shared),
    }


def convergence_cost(families: Sequence[Mapping[str, Any]], shared: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What numerical convergence cost beside the labels that it serves: seconds, and whether it was cheaper.

    Args:
        families: rows of `spending` by family.
        shared: its rows by purpose.
    """
    converge = float(sum(row["dft_seconds"] for row in shared if row["purpose"] in CONVERGENCE))
    labels = float(sum(row["dft_seconds"] for row in families))
    return {"converge_seconds": converge, "label_seconds": labels, "cheaper_than_labels": converge <= labels}


def _keys(events: Iterable[Event]) -> list[str]:
    return [event["key"] for event in events]


def _per_label(seconds: Mapping[str, float], keys: Sequence[str]) -> dict[str, Any]:
    times = [seconds[key] for key in keys if key in seconds]
    return {
        "labels": len(keys),
        "median_seconds": median(times) if times else None,
        "mean_seconds": mean(times) if times else None,
    }


def _taken(rest: dict[str, float], keys: Iterable[str]) -> dict[str, Any]:
    """Number and seconds of the calculations of these keys, which are taken out of `rest`."""
    found = [rest.pop(key) for key in dict.fromkeys(keys) if key in rest]
    return {"dft_calculations": len(found), "dft_seconds": float(sum(found))}


def _lost(events: Sequence[Event]) -> dict[str, Any]:
    """Attempts without a label, and the seconds of those that the journals time."""
    number = Counter(event["event"] for event in events)
    times = [float(event["seconds"]) for event in events if event["event"] == "failed" and "seconds" in event]
    killed = number["started"] - number["finished"] - number["failed"]
    return {
        "failed_attempts": number["failed"],
        "lost_seconds": float(sum(times)),
        "untimed_attempts": killed + number["failed"] - len(times),
    }
