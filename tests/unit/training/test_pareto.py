"""Fronts, knees and choices with known answers."""

import numpy as np
import pytest

from pesforge.errors import DataError
from pesforge.training.pareto import choose, error_table, knee, non_dominated

ERRORS = [
    [1.0, 0.10, 1.0],
    [2.0, 0.05, 1.0],
    [2.0, 0.10, 1.0],
    [4.0, 0.02, 2.0],
    [9.0, 0.09, 0.1],
    [9.0, 0.09, 0.1],
    [np.nan, 0.001, 0.001],
]


def candidates(rows):
    keys = ("energy_typical_mev_per_atom", "force_typical_ev_per_ang", "stress_typical_gpa")
    return [dict(zip(keys, row, strict=True)) for row in rows]


def test_non_dominated_points_of_a_known_set():
    np.testing.assert_array_equal(non_dominated(ERRORS), [True, True, False, True, True, True, False])


def test_non_dominated_agrees_with_the_definition_on_random_points():
    points = np.random.default_rng(0).integers(0, 6, size=(60, 3)).astype(float)
    expected = [not any((q <= p).all() and (q < p).any() for q in points) for p in points]
    np.testing.assert_array_equal(non_dominated(points), expected)


def test_the_knee_is_the_bend_whatever_the_units():
    front = np.array([[1.0, 100.0, 1.0], [2.0, 2.0, 1.0], [100.0, 1.0, 1.0], [50.0, 50.0, 1.0]])
    assert knee(front) == 1
    assert knee(front * [1e-3, 7.0, 160.0]) == 1


def test_an_extreme_point_is_no_knee_even_when_it_is_best_in_one_error():
    assert knee([[1.0, 8.0, 8.0], [2.0, 2.0, 2.0], [8.0, 1.0, 8.0], [8.0, 8.0, 1.0]]) == 1


@pytest.mark.parametrize(("use", "expected"), [("phase_diagram", 0), ("relaxation", 3), ("elastic", 4)])
def test_each_use_takes_its_own_error(use, expected):
    assert choose(candidates(ERRORS), use) == expected


def test_a_dominated_point_is_never_chosen():
    rows = [[1.0, 0.02, 1.0], [2.0, 0.02, 2.0], [3.0, 0.01, 9.0]]
    for use in ("balanced", "phase_diagram", "elastic"):
        assert choose(candidates(rows), use) == 0
    tied = [[2.0, 0.02, 1.0], [1.0, 0.02, 1.0]]
    assert choose(candidates(tied), "relaxation") == 1


def test_without_stress_labels_the_other_two_errors_decide():
    rows = [[2.0, 0.05, None], [1.0, 0.10, None], [3.0, 0.20, None]]
    assert error_table(candidates(rows))[1].shape == (3, 2)
    assert choose(candidates(rows), "phase_diagram") == 1
    assert choose(candidates(rows), "balanced") in (0, 1)
    with pytest.raises(DataError, match="stress_typical_gpa"):
        choose(candidates(rows), "elastic")


def test_no_finite_candidate_is_an_error():
    with pytest.raises(DataError, match="no candidate"):
        choose(candidates([[np.nan, 1.0, 1.0]]), "balanced")
    with pytest.raises(DataError, match="no candidate"):
        choose([], "balanced")
