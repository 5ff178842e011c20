"""Evidence of the rounds: error against labels and seconds, by choice and at random, and what each round asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

from pesforge.learn_settings import Learn
from pesforge.learning.state import State

Row = dict[str, Any]
DRAFT = ("functions", "energy_mae_mev_per_atom", "force_rmse_ev_per_ang")
RUN = ("group", "temperature_k", "temperature_observed_k", "steps", "tau_fs", "requested", "given", "stopped", "note")


def learn_evidence(
    learn: Learn,
    state: State,
    choices: Sequence[Row],
    *,
    drafts: Sequence[Any],
    runs: Sequence[Sequence[Row]],
    exam_runs: Sequence[Row],
    exam: Sequence[str],
    seconds: Mapping[str, float],
) -> Row:
    """Evidence of the stage `learn`.

    Args:
        learn: settings.
        state: after the last round.
        choices: per round `candidates`, `picks` and `control`.
        drafts: per round evidence of the draft that moved the atoms; None after a stop.
        runs: per round evidence of its runs.
        exam_runs: evidence of the runs of the exam.
        exam: ids of its labels.
        seconds: seconds of the reference method by id, of every label of picks and control.

    Returns:
        `rule`, `diverse`, `cost`, `most_rounds`, `per_round`, `tolerances`, `stopped`, `why`; `exam`: `requested`,
        `labelled` and `runs`; `exams`: rows of the state with `active_seconds` and `random_seconds`, spent on labels of
        the rounds so far; `rounds`: of those before the stop `round`, `candidates`, `labelled`, `picks` (with gains),
        `control`, `draft` and `runs`.
    """
    ended = len(state.rows) - 1
    asked = {
        "active": [[pick["id"] for pick in choice["picks"]] for choice in choices],
        "random": [choice["control"] for choice in choices],
    }

    def spent(arm: str, number: int) -> float:
        return sum(seconds.get(name, 0.0) for names in asked[arm][:number] for name in names)

    return {
        "rule": learn.rule,
        "diverse": learn.diverse,
        "cost": learn.cost,
        "most_rounds": learn.rounds,
        "per_round": learn.per_round,
        "tolerances": dict(state.tolerances),
        "stopped": state.stopped,
        "why": state.why(learn.rounds),
        "exam": {"requested": learn.test, "labelled": len(exam), "runs": [_told(run, RUN) for run in exam_runs]},
        "exams": [{**row, **{f"{arm}_seconds": spent(arm, row["round"]) for arm in asked}} for row in state.rows],
        "rounds": [
            {
                "round": number,
                "candidates": choices[number]["candidates"],
                "labelled": sum(name in seconds for name in asked["active"][number]),
                "picks": [_told(pick, ("id", "gain", "score")) for pick in choices[number]["picks"]],
                "control": choices[number]["control"],
                "draft": _told(drafts[number], DRAFT),
                "runs": [_told(run, RUN) for run in runs[number]],
            }
            for number in range(ended)
        ],
    }


def _told(row: Mapping[str, Any], keys: Sequence[str]) -> Row:
    return {key: row[key] for key in keys}
