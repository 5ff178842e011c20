"""Planted copies are caught in the descriptors of real cells; fresh structures are not."""

from dataclasses import replace

import numpy as np
import pytest

from pesforge.curation import whitening
from pesforge.curation.duplicates import duplicates
from pesforge.curation.leakage import leakage
from pesforge.curation.whitening import Whitening, features, nearest
from pesforge.errors import DataError


def moved_copy(atoms, name, *, rattle=0.0, seed=0):
    """The same crystal rotated, translated, renumbered and rattled."""
    copy = atoms.copy()
    copy.rotate(40, (1, 2, 3), rotate_cell=True)
    copy.positions += [0.7, -1.3, 2.1]
    copy.wrap()
    copy = copy[[2, 0, 3, 1]]
    copy.positions += rattle * np.random.default_rng(seed).normal(size=copy.positions.shape)
    copy.info.update(atoms.info, id=name, group=name)
    return copy


def test_rotated_and_translated_copies_are_duplicates_and_the_first_is_kept(
    copper_frames, describe_cells, label_copper, make_copper
):
    twin = label_copper(moved_copy(copper_frames[3], "twin"))
    supercell = label_copper(copper_frames[7].repeat((1, 1, 2)))
    supercell.info["id"] = "supercell"
    near = label_copper(moved_copy(copper_frames[3], "near", rattle=0.005))
    design = describe_cells([twin, *copper_frames, supercell, near, make_copper(0.08, 999)])
    found = duplicates(design, 1e-4)
    assert [(decision.id, decision.reason.split(";")[0]) for decision in found] == [
        ("t3", "copy of twin"),
        ("supercell", "copy of t7"),
    ]
    assert "0.00 meV/atom" in found[0].reason


def test_identical_structures_alone_are_duplicates(copper_frames, describe_cells):
    assert [d.id for d in duplicates(describe_cells([copper_frames[0]] * 3), 1e-4)] == ["t0", "t0"]


def test_a_structure_near_a_dropped_copy_but_not_near_the_kept_one_stays(make_design):
    design = make_design(structures=4, functions=1, n_atoms=(1,))
    line = np.array([[0.0], [0.8], [1.6], [1000.0]])
    design = replace(design, energy=line)
    assert [decision.id for decision in duplicates(design, 1.0 / line.std())] == ["s1"]


def test_a_rattled_copy_leaks_and_a_fresh_structure_does_not(copper_frames, describe_cells, label_copper, make_copper):
    leaks = [label_copper(moved_copy(copper_frames[k], f"leak{k}", rattle=0.003, seed=k)) for k in (2, 5, 9)]
    fresh = [make_copper(0.09, 500 + k) for k in range(3)]
    design = describe_cells([*copper_frames, *leaks, *fresh])
    count = len(copper_frames)
    report = leakage(features(design), np.arange(count), np.arange(count, count + 6), quantile=0.10)
    np.testing.assert_array_equal(report.flagged, [True] * 3 + [False] * 3)
    np.testing.assert_array_equal(report.nearest[:3], [2, 5, 9])


def test_copies_within_the_training_set_do_not_hide_a_leak(copper_frames, describe_cells, label_copper):
    training = [*copper_frames, *copper_frames[:8]]
    leak = label_copper(moved_copy(copper_frames[12], "leak", rattle=0.003))
    report = leakage(features(describe_cells([*training, leak])), np.arange(36), np.array([36]), quantile=0.10)
    assert report.flagged.all()


def test_whitened_training_data_have_unit_covariance_when_data_abound():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(4, 4))
    values = np.column_stack([rng.normal(size=(20000, 4)) @ mixing, np.full(20000, 3.0)])
    white = Whitening.of(values).apply(values)
    np.testing.assert_allclose(np.cov(white.T), np.eye(4), atol=0.02)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-10)


def test_distances_are_those_of_mahalanobis():
    rng = np.random.default_rng(1)
    mixing = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, -0.6], [0.3, 0.0, 1.0]])
    values = rng.normal(size=(5000, 3)) @ mixing @ np.diag([1.0, 1e3, 1e-4])
    white = Whitening.of(values).apply(values[:2])
    step = values[0] - values[1]
    expected = np.sqrt(step @ np.linalg.inv(np.cov(values.T)) @ step)
    assert np.linalg.norm(white[0] - white[1]) == pytest.approx(expected, rel=0.02)


def test_a_training_set_without_spread_is_refused():
    with pytest.raises(DataError, match="same descriptors"):
        Whitening.of(np.ones((5, 3)))


def test_nearest_neighbours_across_blocks():
    points = np.arange(3000.0)[:, None] ** 1.1
    distance, index = nearest(points, points, same=True)
    np.testing.assert_array_equal(index[1:], np.arange(2999))
    assert index[0] == 1
    np.testing.assert_allclose(distance[1:], np.diff(points[:, 0]))


def test_blocks_of_neighbours_do_not_change_them(monkeypatch):
    points = np.random.default_rng(5).normal(size=(50, 3))
    whole = nearest(points, points, same=True)
    monkeypatch.setattr(whitening, "MOST_DISTANCES", 170)
    parts = nearest(points, points, same=True)
    np.testing.assert_array_equal(whole, parts)
    distances = np.linalg.norm(points[:, None] - points, axis=-1) + np.diag(np.full(50, np.inf))
    np.testing.assert_allclose(parts[0], distances.min(axis=1), rtol=1e-12)


@pytest.mark.parametrize("shift", [0.0, 1e4])
@pytest.mark.parametrize("floor", [0.0, 1e-7, 0.9, 50.0])
@pytest.mark.parametrize("same", [True, False])
def test_neighbours_are_those_of_all_pairs_whatever_rounds(shift, floor, same):
    rng = np.random.default_rng(6)
    points = rng.normal(size=(80, 5)) + shift
    points[40:60] = points[:20]  # copies
    points[60:70] = points[:10] + 1e-7 * rng.normal(size=(10, 5))
    others = points if same else np.concatenate([points[::2], rng.normal(size=(30, 5)) + shift])
    distances = np.linalg.norm(points[:, None] - others, axis=-1)
    distances[distances < floor] = np.inf
    if same:
        np.fill_diagonal(distances, np.inf)
    found, index = nearest(points, others, same=same, floor=floor)
    np.testing.assert_allclose(found, distances.min(axis=1), rtol=1e-14)
    np.testing.assert_array_equal(index, distances.argmin(axis=1))
