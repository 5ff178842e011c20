"""Where the rounds stand: what every exam found, whether they have stopped and why. A state passes through a stop."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from pesforge.errors import DataError
from pesforge.learn_settings import Stop

Row = dict[str, Any]
AGAIN = "Run the study again with `--forcerun learn_judge`; no label is computed twice."


def misses(figures: Mapping[str, Any] | None, stop: Stop, missing: Sequence[str] = ()) -> list[str]:
    """What holds the stop back, in words; empty where the potential meets every tolerance at every T and ε.

    A figure that could not be measured meets nothing.

    Args:
        figures: of `pesforge.learning.exam.examine`; None: no run of the exam has come to its end.
        stop: tolerances.
        missing: runs that the exam lacks.
    """
    lacking = [f"exam without {', '.join(missing)}, which the guard stopped"] if missing else []
    if figures is None:
        return lacking or ["no exam"]
    spread = [figures[f"{kind}_standardised_largest"] for kind in ("energy", "force")]
    worst = None if None in spread else float(np.max(spread))
    judged = (
        ("energy MAE", figures["energy_mae_mev_per_atom"], stop.energy_mae_mev_per_atom, " meV/atom"),
        ("force RMSE", figures["force_rmse_ev_per_ang"], stop.force_rmse_ev_per_ang, " eV/Å"),
        ("calibration error", figures["force_calibration_error_percent"], stop.calibration_error_percent, " %"),
        ("largest standardised residual", worst, stop.standardised_residual, ""),
    )
    return lacking + [
        f"{name} {'not measured' if value is None else f'{value:.3g}{unit}'}, at most {most:g}{unit}"
        for name, value, most, unit in judged
        if value is None or not value <= most
    ]


@dataclass(frozen=True)
class State:
    """What is known before a round.

    Args:
        tolerances: of the stop.
        rows: per exam `round` (the number of rounds whose labels the fit has), `figures` (None: nothing could be
            examined), `missing` (runs that the exam lacked) and `misses`.
        stopped: whether the last exam met every tolerance.
    """

    tolerances: Mapping[str, float]
    rows: tuple[Row, ...] = ()
    stopped: bool = False

    @classmethod
    def begin(cls, stop: Stop) -> Self:
        """The state before the first exam."""
        return cls(stop.model_dump())

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """The state that `plain` wrote."""
        return cls(plain["tolerances"], tuple(plain["rows"]), plain["stopped"])

    def plain(self) -> dict[str, Any]:
        """The state as builtin types."""
        return asdict(self)

    def after(self, figures: Row | None, missing: Sequence[str] = ()) -> Self:
        """The state after an exam.

        Args:
            figures: of the fit to the labels so far; None where no run of the exam has come to its end.
            missing: runs that the exam lacks.

        Raises:
            DataError: the rounds had stopped.
        """
        if self.stopped:
            raise DataError(f"the rounds stopped after round {len(self.rows) - 1}; nothing is examined after that.")
        found = misses(figures, Stop.model_validate(self.tolerances), missing)
        row = {"round": len(self.rows), "figures": figures, "missing": list(missing), "misses": found}
        return replace(self, rows=(*self.rows, row), stopped=not found)

    def why(self, rounds: int) -> str:
        """Why there are no more rounds, in words."""
        last = self.rows[-1]
        if self.stopped:
            return f"after {last['round']} of {rounds} rounds every tolerance is met"
        return f"all {rounds} rounds are done; not met: {'; '.join(last['misses'])}"


def check_agreement(state: State, stop: Stop, rounds: int, picks: Sequence[int]) -> None:
    """Refuse a final state that is not that of the configuration.

    Args:
        state: after the last round.
        stop: tolerances of the study.
        rounds: most rounds of the study.
        picks: number of structures that each round chose.

    Raises:
        DataError: tolerances or rounds are others, a stop is not what the figures say, or a round after it labelled.
    """
    wrong = []
    if dict(state.tolerances) != stop.model_dump():
        wrong.append(f"tolerances {dict(state.tolerances)}, the study says {stop.model_dump()}")
    met = [not misses(row["figures"], stop, row["missing"]) for row in state.rows]
    ended = len(met) - 1
    if not met or any(met[:-1]) or met[-1] != state.stopped:
        wrong.append(f"stopped: {state.stopped}, though the exams {_numbers(met)} meet the tolerances")
    if ended > rounds or (ended < rounds and not state.stopped):
        wrong.append(f"{ended} rounds, the study says {rounds}")
    late = [number for number, count in enumerate(picks) if count and number >= ended]
    if late:
        wrong.append(f"structures chosen in round {late[0]}, after the last exam {ended}")
    if wrong:
        raise DataError(f"the rounds of active learning do not agree with the study: {'; '.join(wrong)}. {AGAIN}")


def _numbers(met: Sequence[bool]) -> str:
    return ", ".join(str(number) for number, good in enumerate(met) if good) or "none of all"
