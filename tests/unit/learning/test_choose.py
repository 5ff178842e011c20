"""What a round labels."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from pesforge.acquisition.select import DEFAULT, RULES, Rule
from pesforge.errors import DataError
from pesforge.learn_settings import Learn
from pesforge.learning.choose import choose, of_ids
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
    choice, blind = (choose(d, 6, Rule(name), 4, MODEL, controls=2, seed=3) for d in (design, hidden))
    assert named(choice) == named(blind)
    assert choice.control == blind.control
    pool = set(design.ids[6:])
    assert set(named(choice)) <= pool
    assert [len(set(draw) & pool) for draw in choice.control] == [4, 4]
    assert len(set(named(choice))) == 4
    assert sorted(choice.beside) == sorted({*choice.control[0], *choice.control[1]} - {*named(choice)})


def test_the_control_is_another_draw_than_random_picks_and_changes_with_the_seed(make_design):
    design = make_design(structures=40)
    first, other = (choose(design, 6, Rule("random"), 5, MODEL, controls=2, seed=seed) for seed in (1, 2))
    draws = [set(named(first)), *map(set, first.control), *map(set, other.control)]
    assert all(one != two for place, one in enumerate(draws) for two in draws[:place])
    assert choose(design, 6, Rule("random"), 5, MODEL, controls=0, seed=1).control == ()


def test_a_pool_that_guards_cut_short_is_taken_whole_and_an_empty_one_gives_nothing(make_design):
    design = make_design(structures=9)
    choice = choose(design, 6, DEFAULT, 5, MODEL, controls=2, seed=1)
    assert set(named(choice)) == set(choice.control[0]) == set(choice.control[1]) == set(design.ids[6:])
    assert choice.beside == ()
    nothing = choose(design, 9, DEFAULT, 5, MODEL, controls=2, seed=1)
    assert (nothing.picks, nothing.control) == ((), ((), ()))


def test_structures_are_found_by_their_names():
    frames = [Atoms("Si", info={"id": f"exam-{n}"}) for n in range(10)]
    assert [a.info["id"] for a in of_ids(frames, ["exam-3", "gone", "exam-1"])] == ["exam-3", "exam-1"]


def test_a_rule_that_weighs_seconds_takes_the_cheap_copy_and_the_control_does_not_look(make_design):
    design = make_design(structures=9)
    twice = design.select(np.array([*range(6), 6, 7, 8, 6, 7, 8]))
    twice = replace(twice, ids=(*design.ids, *(f"{name}-copy" for name in design.ids[6:])))
    rule = Rule(DEFAULT.name, per_cost=True)
    for seconds, end in (([5.0, 5.0, 5.0, 1.0, 1.0, 1.0], True), ([1.0, 1.0, 1.0, 5.0, 5.0, 5.0], False)):
        choice = choose(twice, 6, rule, 2, MODEL, controls=1, seed=3, seconds=np.array(seconds))
        assert all(name.endswith("copy") == end for name in named(choice))
        assert choice.control == choose(twice, 6, DEFAULT, 2, MODEL, controls=1, seed=3).control
    with pytest.raises(DataError, match="have none"):
        choose(twice, 6, rule, 2, MODEL, controls=1, seed=3)


def test_every_supercell_gives_candidates():
    pool = Learn().pool.model_copy(update={"more_supercells": ((2, 1, 1), (2, 2, 1))})
    assert pool.structures() == 3 * Learn().pool.structures()
    assert pool.supercells() == ((1, 1, 1), (2, 1, 1), (2, 2, 1))
