"""What a round labels, and the exam of what it taught."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from pesforge.acquisition.select import DEFAULT, RULES, Rule
from pesforge.errors import DataError
from pesforge.learn_settings import Learn
from pesforge.learning.choose import choose, drawn, of_ids
from pesforge.learning.exam import examine
from pesforge.metrics import errors
from pesforge.potentials.linear import LinearProblem, residuals
from pesforge.potentials.normal import Weights
from pesforge.settings import Crossvalidate

MODEL = Crossvalidate(w_energy=400.0, w_stress=0.0)
LAW = np.linspace(1.0, 0.1, 7)


def named(choice) -> list[str]:
    return [pick.id for pick in choice.picks]


def test_the_rules_of_the_settings_are_those_of_acquisition_and_so_is_the_default():
    allowed = Learn.model_json_schema()["properties"]["rule"]["enum"]
    assert sorted(allowed) == sorted(RULES)
    assert Rule(Learn().rule, diverse=Learn().diverse) == DEFAULT


@pytest.mark.parametrize("name", RULES)
def test_picks_and_control_come_from_the_pool_and_look_at_no_label_of_it(make_design, name):
    design = make_design(structures=20)
    hidden = replace(
        design,
        y_energy=np.where(np.arange(20) < 6, design.y_energy, np.nan),
        y_forces=np.where(np.arange(len(design.y_forces)) < 3 * design.offsets[6], design.y_forces, np.nan),
    )
    choice, blind = (choose(d, 6, Rule(name), 4, MODEL, control=True, seed=3) for d in (design, hidden))
    assert named(choice) == named(blind)
    assert choice.control == blind.control
    pool = set(design.ids[6:])
    assert set(named(choice)) <= pool
    assert set(choice.control) <= pool
    assert len(set(named(choice))) == len(set(choice.control)) == 4
    assert set(choice.beside) == set(choice.control) - set(named(choice))


def test_the_control_is_another_draw_than_random_picks_and_changes_with_the_seed(make_design):
    design = make_design(structures=40)
    first, other = (choose(design, 6, Rule("random"), 5, MODEL, control=True, seed=seed) for seed in (1, 2))
    assert set(named(first)) != set(first.control) != set(other.control)
    assert choose(design, 6, Rule("random"), 5, MODEL, control=False, seed=1).control == ()


def test_a_pool_that_guards_cut_short_is_taken_whole_and_an_empty_one_gives_nothing(make_design):
    design = make_design(structures=9)
    choice = choose(design, 6, DEFAULT, 5, MODEL, control=True, seed=1)
    assert set(named(choice)) == set(choice.control) == set(design.ids[6:])
    assert choice.beside == ()
    nothing = choose(design, 9, DEFAULT, 5, MODEL, control=True, seed=1)
    assert (nothing.picks, nothing.control) == ((), ())


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


def test_the_structures_of_the_exam_are_drawn_at_random_and_too_few_are_refused():
    frames = [Atoms("Si", info={"id": f"exam-{n}"}) for n in range(10)]
    first, other = ([a.info["id"] for a in drawn(frames, 4, seed)] for seed in (1, 2))
    assert len(set(first)) == 4
    assert first != other
    assert [a.info["id"] for a in of_ids(frames, ["exam-3", "gone", "exam-1"])] == ["exam-3", "exam-1"]
    with pytest.raises(DataError, match=r"gave 10 structures, fewer than the 11 of `learn.test`"):
        drawn(frames, 11, 1)


def test_a_rule_that_weighs_seconds_takes_the_cheap_copy_and_the_control_does_not_look(make_design):
    design = make_design(structures=9)
    twice = design.select(np.array([*range(6), 6, 7, 8, 6, 7, 8]))
    twice = replace(twice, ids=(*design.ids, *(f"{name}-copy" for name in design.ids[6:])))
    rule = Rule(DEFAULT.name, per_cost=True)
    for seconds, end in (([5.0, 5.0, 5.0, 1.0, 1.0, 1.0], True), ([1.0, 1.0, 1.0, 5.0, 5.0, 5.0], False)):
        choice = choose(twice, 6, rule, 2, MODEL, control=True, seed=3, seconds=np.array(seconds))
        assert all(name.endswith("copy") == end for name in named(choice))
        assert choice.control == choose(twice, 6, DEFAULT, 2, MODEL, control=True, seed=3).control
    with pytest.raises(DataError, match="have none"):
        choose(twice, 6, rule, 2, MODEL, control=True, seed=3)


def test_every_supercell_gives_candidates():
    pool = Learn().pool.model_copy(update={"more_supercells": ((2, 1, 1), (2, 2, 1))})
    assert pool.structures() == 3 * Learn().pool.structures()
    assert pool.supercells() == ((1, 1, 1), (2, 1, 1), (2, 2, 1))
