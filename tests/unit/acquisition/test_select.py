"""Greedy choice against exhaustive search, and what no rule may depend on."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from pesforge.acquisition.blocks import blocks_of, energy_rows
from pesforge.acquisition.field import EnergyField
from pesforge.acquisition.rules import CRITERIA, Reference
from pesforge.acquisition.select import RULES, Problem, Rule, select
from pesforge.errors import DataError


def log_det_gain(case, chosen):
    rows = np.concatenate([np.empty((0, len(case.factor.scale))), *(case.rows(s) for s in chosen)])
    return np.linalg.slogdet(case.factor.normal + rows.T @ rows)[1] - np.linalg.slogdet(case.factor.normal)[1]


def names(picks):
    return [pick.id for pick in picks]


def again(case, pool):
    """The same problem with another pool."""
    factor, labelled = case.factor, case.labelled
    field = EnergyField.of(factor, pool, labelled)
    return Problem(factor, blocks_of(factor, pool), Reference.of(factor, pool), field)


def with_copy(pool):
    """The pool, and behind it a copy of each structure under a later name."""
    twice = pool.select(np.tile(np.arange(len(pool.ids)), 2))
    return replace(twice, ids=(*pool.ids, *(f"{name}-copy" for name in pool.ids)))


@pytest.mark.parametrize("count", [2, 3, 4])
def test_greedy_d_optimality_keeps_the_bound_of_submodular_functions(make_case, count):
    case = make_case()
    picks = select(case.problem, Rule("d_optimal"), count)
    greedy = log_det_gain(case, [pick.index for pick in picks])
    best = max(log_det_gain(case, chosen) for chosen in combinations(range(8), count))
    assert (1 - 1 / np.e) * best <= greedy <= best * (1 + 1e-12)
    assert sum(pick.gain for pick in picks) == pytest.approx(greedy, rel=1e-9)


def test_the_bound_of_an_exhaustive_search_is_broken_by_bad_picks(make_case):
    case = make_case(alpha=1e3)
    totals = [log_det_gain(case, chosen) for chosen in combinations(range(8), 3)]
    assert min(totals) < (1 - 1 / np.e) * max(totals)


@pytest.mark.parametrize("name", [name for name in CRITERIA if CRITERIA[name].submodular])
@pytest.mark.parametrize("diverse", [False, True])
@pytest.mark.parametrize("unit", ["structure", "best_atom", "mean_atom"])
def test_lazy_picks_are_those_of_computing_every_gain_anew(make_case, monkeypatch, name, diverse, unit):
    case = make_case(candidates=30, functions=20)
    rule = Rule(name, unit, diverse)
    lazy = select(case.problem, rule, 12)
    eager = dict(CRITERIA) | {name: replace(CRITERIA[name], submodular=False)}
    monkeypatch.setattr("pesforge.acquisition.select.CRITERIA", eager)
    assert names(select(case.problem, rule, 12)) == names(lazy)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("diverse", [False, True])
def test_the_order_of_the_pool_and_its_labels_have_no_say(make_case, make_design, name, diverse):
    case = make_case(candidates=20)
    pool = with_copy(case.pool)
    expected = names(select(again(case, pool), Rule(name, diverse=diverse), 9, seed=4))
    order = np.random.default_rng(1).permutation(len(pool.ids))
    shuffled = replace(pool.select(order), y_energy=np.arange(40.0), y_forces=np.arange(len(pool.y_forces)) * 1.0)
    picks = select(again(case, shuffled), Rule(name, diverse=diverse), 9, seed=4)
    assert names(picks) == expected
    assert [shuffled.ids[pick.index] for pick in picks] == expected


@pytest.mark.parametrize("name", RULES)
def test_with_diversity_a_copy_of_what_is_chosen_waits_for_all_others(make_case, name):
    case = make_case()
    picks = names(select(again(case, with_copy(case.pool)), Rule(name, diverse=True), 16, seed=2))
    assert {name.removesuffix("-copy") for name in picks[:8]} == set(case.pool.ids)


def test_with_diversity_a_copy_of_a_labelled_structure_is_not_chosen(make_case):
    case = make_case()
    labelled = energy_rows(case.factor, case.pool.select(np.array([0, 3])))
    problem = replace(case.problem, labelled=labelled)
    picks = select(problem, Rule("d_optimal", diverse=True), 8)
    assert {pick.index for pick in picks[-2:]} == {0, 3}
    assert [pick.score for pick in picks[-2:]] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert picks[0].score < picks[0].gain


@pytest.mark.parametrize("name", [name for name in RULES if name != "random"])
def test_of_equal_candidates_the_cheap_one_comes_first(make_case, name):
    case = make_case()
    pool = with_copy(case.pool.select(np.array([2])))
    dear_first = replace(again(case, pool), cost_s=np.array([2.0, 1.0]))
    assert names(select(dear_first, Rule(name), 1)) == [pool.ids[0]]
    (cheap,) = select(dear_first, Rule(name, per_cost=True), 1)
    assert cheap.id == pool.ids[1]
    (dear,) = select(replace(dear_first, cost_s=np.array([2.0, 5.0])), Rule(name, per_cost=True), 1)
    assert dear.id == pool.ids[0]
    assert cheap.score == pytest.approx(2 * dear.score, rel=1e-9)


def test_random_is_decided_by_its_seed_and_covers_the_pool(make_case):
    case = make_case(candidates=30)
    first, same, other = (names(select(case.problem, Rule("random"), 10, seed=seed)) for seed in (3, 3, 4))
    assert first == same != other
    counts = np.zeros(30)
    for seed in range(300):
        counts[[pick.index for pick in select(case.problem, Rule("random"), 10, seed=seed)]] += 1
    assert counts.min() > 60
    assert counts.max() < 140


def test_a_batch_is_what_one_pick_after_the_other_gives(make_case):
    case = make_case(candidates=12)
    for name in ("d_optimal", "i_optimal", "i_optimal_misfit"):
        batch = names(select(case.problem, Rule(name), 4))
        chosen: list[int] = []
        for _ in range(4):
            rows = np.concatenate([np.empty((0, 11)), *(case.rows(s) for s in chosen)])
            normal = case.factor.normal + rows.T @ rows
            factor = replace(case.factor, normal=normal, cholesky=np.linalg.cholesky(normal))
            left = np.setdiff1d(np.arange(12), chosen)
            known = case.pool.select(np.array(chosen, dtype=np.int64))
            field = EnergyField.of(factor, case.pool, case.labelled)
            for s in chosen:
                field = field.after(s)
            assert len(known.ids) == len(chosen)
            problem = Problem(factor, case.blocks, case.problem.reference, field)
            gains = {s: select(_only(problem, s), Rule(name), 1)[0].gain for s in left}
            chosen.append(max(gains, key=gains.get))
        assert [case.pool.ids[s] for s in chosen] == batch


def _only(problem, structure):
    """The problem with one candidate; the field keeps all structures, the candidate first."""
    order = np.concatenate([[structure], np.delete(np.arange(len(problem.field.covariance)), structure)])
    field = replace(
        problem.field,
        covariance=problem.field.covariance[np.ix_(order, order)],
        reference=np.argsort(order)[problem.field.reference],
    )
    return replace(problem, blocks=problem.blocks.select(np.array([structure])), field=field)


def test_what_is_missing_is_said(make_case):
    case = make_case()
    bare = Problem(case.factor, case.blocks)
    for rule, text in (
        (Rule("i_optimal"), "needs a reference"),
        (Rule("i_optimal_misfit"), "needs the field"),
        (Rule("d_optimal", per_cost=True), "have none"),
    ):
        with pytest.raises(DataError, match=text):
            select(bare, rule, 1)
    with pytest.raises(DataError, match="9 picks out of 8"):
        select(bare, Rule("d_optimal"), 9)
    with pytest.raises(DataError, match="'best' by 'structure' is not known"):
        Rule("best")
    with pytest.raises(DataError, match="whole structures"):
        Rule("i_optimal_misfit", "best_atom")
    with pytest.raises(DataError, match="as many costs"):
        Problem(case.factor, case.blocks, cost_s=np.zeros(8))
