"""The exam: its structures, its figures, and the learning curve of all fits on it."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from pesforge.errors import DataError
from pesforge.learning.curve import learning_curve
from pesforge.learning.exam import examine, shares, sit
from pesforge.metrics import errors
from pesforge.potentials.linear import LinearProblem, residuals
from pesforge.potentials.normal import Weights
from pesforge.settings import Crossvalidate

MODEL = Crossvalidate(w_energy=400.0, w_stress=0.0)
LAW = np.linspace(1.0, 0.1, 7)


def test_the_exam_gives_the_errors_of_the_fit_of_the_evidence_and_never_sees_its_labels(make_design):
    design = make_design(structures=60, coefficients=LAW)
    known, exam = design.select(np.arange(40)), design.select(np.arange(40, 60))
    row = examine(known, exam, MODEL)
    problem, weights = LinearProblem(known, prior_power=MODEL.prior_power), Weights.of(MODEL)
    alpha = problem.evidence(weights).alpha
    expected = errors(residuals(exam, problem.fit(weights, alpha)))
    assert row["energy_mae_mev_per_atom"] == pytest.approx(expected["energy_mae_mev_per_atom"])
    assert row["force_rmse_ev_per_ang"] == pytest.approx(expected["force_rmse_ev_per_ang"])
    assert (row["labels"], row["functions"], row["alpha"]) == (40, 7, alpha)
    assert row["force_calibration_error_percent"] < 10, "labels of the law that the fit assumes are foreseen"
    assert 2 < row["force_standardised_largest"] < 6


def test_labels_worse_than_promised_show_in_the_calibration_alone(make_design):
    design = make_design(structures=60, coefficients=LAW)
    known, exam = design.select(np.arange(40)), design.select(np.arange(40, 60))
    noise = np.random.default_rng(5).normal(size=len(exam.y_forces))
    shifted = replace(exam, y_forces=exam.y_forces + 0.5 * noise)
    fair, spoiled = examine(known, exam, MODEL), examine(known, shifted, MODEL)
    assert spoiled["alpha"] == fair["alpha"]
    assert spoiled["force_calibration_error_percent"] > 30
    assert spoiled["force_standardised_largest"] > 10
    assert spoiled["energy_mae_mev_per_atom"] == fair["energy_mae_mev_per_atom"]


def test_an_exam_that_the_fit_has_seen_is_refused(make_design):
    design = make_design(structures=20, per_group=2)
    with pytest.raises(DataError, match="shared groups: g4"):
        examine(design.select(np.arange(9)), design.select(np.arange(9, 20)), MODEL)
    with pytest.raises(DataError, match="found 0"):
        examine(design, design.select(np.arange(0)), MODEL)


def states(group: str, count: int) -> list[Atoms]:
    return [Atoms("Si", info={"id": f"{group}-{n}", "group": group}) for n in range(count)]


def ran(group: str, given: int, stopped: str | None = None) -> dict[str, object]:
    return {"group": group, "requested": 7, "given": given, "stopped": stopped}


def test_every_run_has_its_share_of_the_exam_and_the_first_ones_more():
    assert shares(["a", "b", "c"], 8) == {"a": 3, "b": 3, "c": 2}
    assert shares(["a", "b"], 2) == {"a": 1, "b": 1}


def test_runs_that_were_stopped_or_gave_too_few_are_missing_and_the_others_are_drawn_from_at_random():
    frames = [*states("cold", 7), *states("hot", 5), *states("short", 5), *states("late", 7), *states("few", 2)]
    runs = [ran("cold", 7), ran("hot", 5, "leverage"), ran("short", 5), ran("late", 7, "leverage"), ran("few", 2)]
    share = dict.fromkeys(("cold", "hot", "short", "late", "few"), 3)
    first, other = (sit(frames, runs, share, seed) for seed in (1, 2))
    assert first.missing == other.missing == ["hot", "few"]
    groups = [frame.info["group"] for frame in first.frames]
    assert groups == ["cold"] * 3 + ["short"] * 3 + ["late"] * 3
    names = [[frame.info["id"] for frame in found.frames] for found in (first, other)]
    assert names[0] != names[1]
    assert names[0] == sorted(names[0], key=[frame.info["id"] for frame in frames].index)
    again = sit([*states("hot", 7)], [ran("hot", 7)], share, 1)
    assert (len(again.frames), again.missing) == (3, [])


def test_the_curve_is_the_exam_of_each_fit_and_all_arms_begin_alike(make_design):
    design = make_design(structures=40)
    labelled, exam = design.select(np.arange(24)), design.select(np.arange(24, 40))
    names = labelled.ids
    picks = [[names[10], names[11]], [names[12], "without a label"]]
    controls = [[[names[20], names[21]], [names[22], names[23]]], [[names[10], names[11]], [names[13], names[14]]]]
    curve = learning_curve(labelled, exam, names[:10], picks, controls, MODEL)
    assert [row["round"] for row in curve] == [0, 1, 2]
    assert curve[0]["active"] == curve[0]["random"][0] == curve[0]["random"][1]
    assert curve[1]["active"] == curve[1]["random"][1] != curve[1]["random"][0]
    expected = examine(labelled.select(np.array([*range(10), 20, 21, 22, 23])), exam, MODEL)
    assert curve[2]["random"][0] == expected
    assert curve[2]["active"]["labels"] == 13
    assert learning_curve(labelled, exam, names[:10], [], [], MODEL) == [{**curve[0], "random": []}]
    with pytest.raises(DataError, match="no rows of the labels gone"):
        learning_curve(labelled, exam, ["gone"], picks, controls, MODEL)
