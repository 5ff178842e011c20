"""What the evidence of the rounds says, counted by hand."""

from pesforge.learn_settings import Learn, Stop
from pesforge.learning.evidence import RUN as RUN_KEYS
from pesforge.learning.evidence import learn_evidence
from pesforge.learning.state import State

FIGURES = {
    "energy_mae_mev_per_atom": 1.0,
    "force_rmse_ev_per_ang": 0.01,
    "force_calibration_error_percent": 5.0,
    "energy_standardised_largest": 2.0,
    "force_standardised_largest": 3.0,
}
RUN = dict.fromkeys(RUN_KEYS, 1)
BAD = FIGURES | {"energy_mae_mev_per_atom": 9.0}
DRAFT = {"functions": 30, "energy_mae_mev_per_atom": 3.0, "force_rmse_ev_per_ang": 0.1, "labels": 15}


def choice(*names: str, control: tuple[tuple[str, ...], ...] = ((), ())):
    picks = [{"id": name, "index": 7, "gain": 0.5, "score": 0.25} for name in names]
    return {"candidates": 40, "picks": picks, "control": [list(draw) for draw in control]}


def test_seconds_grow_with_the_rounds_and_nothing_is_told_of_rounds_after_the_stop():
    state = State.begin(Stop()).after(None, ["hot"]).after(BAD, ["hot"]).after(FIGURES)
    choices = [choice("a", "b", control=(("b", "c"), ("a", "c"))), choice("d", "e", control=(("f", "g"), ())), choice()]
    evidence = learn_evidence(
        Learn(rounds=3, per_round=2, controls=2),
        state,
        choices,
        curve=[{"round": number} for number in range(3)],
        drafts=[DRAFT, DRAFT, None],
        runs=[[], [], []],
        exam_runs=[[RUN], [], []],
        exam=["x", "y"],
        seconds={"a": 1.0, "b": 2.0, "c": 4.0, "d": 8.0, "f": 16.0, "g": 32.0},
    )
    assert [(row["round"], row["active_seconds"], row["random_seconds"]) for row in evidence["curve"]] == [
        (0, 0.0, [0.0, 0.0]),
        (1, 3.0, [6.0, 5.0]),
        (2, 11.0, [54.0, 5.0]),
    ]
    assert [row["missing"] for row in evidence["exams"]] == [["hot"], ["hot"], []]
    assert evidence["exam"]["runs"] == [{"round": 0, **RUN}]
    assert [(row["round"], row["labelled"], row["candidates"]) for row in evidence["rounds"]] == [
        (0, 2, 40),
        (1, 1, 40),
    ]
    assert evidence["rounds"][0]["picks"] == [{"id": name, "gain": 0.5, "score": 0.25} for name in "ab"]
    assert (evidence["stopped"], evidence["exam"]["labelled"]) == (True, 2)
    assert evidence["why"] == "after 2 of 3 rounds every tolerance is met"
