"""The stop of the rounds: every tolerance alone holds it back, and a state that is not the study's is refused."""

from dataclasses import replace

import pytest

from pesforge.errors import DataError
from pesforge.learn_settings import Stop
from pesforge.learning.state import State, check_agreement, misses

STOP = Stop(
    energy_mae_mev_per_atom=2.0,
    force_rmse_ev_per_ang=0.05,
    calibration_error_percent=10.0,
    standardised_residual=4.0,
)
GOOD = {
    "energy_mae_mev_per_atom": 2.0,
    "force_rmse_ev_per_ang": 0.05,
    "force_calibration_error_percent": 10.0,
    "energy_standardised_largest": 4.0,
    "force_standardised_largest": 4.0,
}
WORSE = {
    "energy_mae_mev_per_atom": (2.001, "energy MAE 2 meV/atom, at most 2 meV/atom"),
    "force_rmse_ev_per_ang": (0.0612, "force RMSE 0.0612 eV/Å, at most 0.05 eV/Å"),
    "force_calibration_error_percent": (10.7, "calibration error 10.7 %, at most 10 %"),
    "energy_standardised_largest": (4.1, "largest standardised residual 4.1, at most 4"),
    "force_standardised_largest": (4.2, "largest standardised residual 4.2, at most 4"),
}
BAD = GOOD | {"force_rmse_ev_per_ang": 0.3}


def after(*exams, stop=STOP) -> State:
    state = State.begin(stop)
    for figures in exams:
        state = state.after(figures)
    return state


def test_the_rounds_stop_where_every_tolerance_is_met_to_the_digit():
    state = after(BAD, GOOD)
    assert misses(GOOD, STOP) == []
    assert [row["misses"] == [] for row in state.rows] == [False, True]
    assert [row["round"] for row in state.rows] == [0, 1]
    assert state.stopped
    assert state.why(3) == "after 1 of 3 rounds every tolerance is met"


@pytest.mark.parametrize("key", WORSE)
def test_each_figure_alone_holds_the_stop_back(key):
    value, text = WORSE[key]
    state = after(GOOD | {key: value})
    assert not state.stopped
    assert state.rows[0]["misses"] == [text]
    assert text in state.why(0)


@pytest.mark.parametrize("key", GOOD)
@pytest.mark.parametrize("unknown", [None, float("nan")])
def test_what_was_not_measured_meets_no_tolerance(key, unknown):
    assert len(misses(GOOD | {key: unknown}, STOP)) == 1


@pytest.mark.parametrize("figures", [GOOD, None])
def test_an_exam_that_lacks_a_run_holds_the_stop_back(figures):
    state = State.begin(STOP).after(figures, ["exam-900K", "exam-900K-+0.02"])
    assert not state.stopped
    assert state.rows[0]["misses"] == ["exam without exam-900K, exam-900K-+0.02, which the guard stopped"]
    assert state.after(GOOD).stopped
    assert State.begin(STOP).after(None).rows[0]["misses"] == ["no exam"]
    with pytest.raises(DataError, match="stopped: True, though the exams none of all"):
        check_agreement(replace(state, stopped=True), STOP, 3, [2])


def test_a_state_comes_back_from_its_file_and_nothing_is_examined_after_a_stop():
    state = after(BAD, GOOD)
    assert State.of(state.plain()) == state
    with pytest.raises(DataError, match="stopped after round 1"):
        state.after(BAD)


def test_a_state_of_the_study_agrees():
    check_agreement(after(BAD, GOOD), STOP, 3, [2, 0, 0])
    check_agreement(after(BAD, BAD, GOOD), STOP, 2, [2, 2])
    check_agreement(after(BAD, BAD, BAD), STOP, 2, [2, 2])
    check_agreement(after(BAD, BAD), STOP, 1, [0])


TIGHTER = STOP.model_copy(update={"energy_mae_mev_per_atom": 1.0})


@pytest.mark.parametrize(
    ("state", "stop", "rounds", "picks", "message"),
    [
        (after(BAD, GOOD), TIGHTER, 3, [2, 0, 0], "tolerances"),
        (after(BAD, GOOD), STOP.model_copy(update={"force_rmse_ev_per_ang": 0.4}), 3, [2, 0, 0], "tolerances"),
        (after(BAD, BAD), STOP, 2, [2, 2], "1 rounds, the study says 2"),
        (after(BAD, BAD, BAD), STOP, 1, [2], "2 rounds, the study says 1"),
        (replace(after(BAD, BAD), stopped=True), STOP, 3, [2, 0, 0], "stopped: True, though the exams none of all"),
        (replace(after(BAD, GOOD), stopped=False), STOP, 1, [2], "stopped: False, though the exams 1 meet"),
        (after(BAD, GOOD), STOP, 3, [2, 2, 0], "structures chosen in round 1, after the last exam 1"),
        (State.begin(STOP), STOP, 1, [0], "none of all"),
    ],
)
def test_a_state_of_another_study_is_refused(state, stop, rounds, picks, message):
    with pytest.raises(DataError, match=message):
        check_agreement(state, stop, rounds, picks)
