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
    curve: Sequence[Row],
    drafts: Sequence[Any],
    runs: Sequence[Sequence[Row]],
    exam_runs: Sequence[Sequence[Row]],
    exam: Sequence[str],
    seconds: Mapping[str, float],
) -> Row:
    """Evidence of the stage `learn`.

    Args:
        learn: settings.
        state: after the last round.
        choices: per round `candidates`, `picks` and `control`.
        curve: of `pesforge.learning.curve.learning_curve`.
        drafts: per round evidence of the draft that moved the atoms; None after a stop.
        runs: per round evidence of its runs.
        exam_runs: per round evidence of the runs of the exam.
        exam: ids of its labels.
        seconds: seconds of the reference method by id, of every label of picks and controls.

    Returns:
        `rule`, `diverse`, `cost`, `most_rounds`, `per_round`, `controls`, `tolerances`, `stopped`, `why`;
        `exam`: `requested`, `labelled`, `missing` (runs that were stopped in every round) and `runs` (with the `round`
        of their draft); `exams`: rows of the state; `curve`: its rows with `active_seconds` and `random_seconds` (by
        draw), spent on the labels of the rounds so far; `rounds`: of those before the stop `round`, `candidates`,
        `labelled`, `picks` (with gains), `control` (ids by draw), `draft` and `runs`.
    """
    ended = len(state.rows) - 1
    picks = [[pick["id"] for pick in choice["picks"]] for choice in choices]
    draws = [[choice["control"][draw] for choice in choices] for draw in range(learn.controls)]

    def spent(arm: Sequence[Sequence[str]], rounds: int) -> float:
        return sum(seconds.get(name, 0.0) for names in arm[:rounds] for name in names)

    return {
        "rule": learn.rule,
        "diverse": learn.diverse,
        "cost": learn.cost,
        "most_rounds": learn.rounds,
        "per_round": learn.per_round,
        "controls": learn.controls,
        "tolerances": dict(state.tolerances),
        "stopped": state.stopped,
        "why": state.why(learn.rounds),
        "exam": {
            "requested": learn.test,
            "labelled": len(exam),
            "missing": state.rows[-1]["missing"],
            "runs": [{"round": number, **_told(run, RUN)} for number, made in enumerate(exam_runs) for run in made],
        },
        "exams": list(state.rows),
        "curve": [
            {
                **row,
                "active_seconds": spent(picks, row["round"]),
                "random_seconds": [spent(draw, row["round"]) for draw in draws],
            }
            for row in curve
        ],
        "rounds": [
            {
                "round": number,
                "candidates": choices[number]["candidates"],
                "labelled": sum(name in seconds for name in picks[number]),
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
