"""Coverage figures with known values, and the whole curation stage on copper cells with planted defects."""

from dataclasses import replace

import numpy as np
import pytest

from pesforge.curation.audit import audit
from pesforge.curation.coverage import coverage, diversity
from pesforge.curation.filters import Decision
from pesforge.curation.whitening import features
from pesforge.errors import DataError
from pesforge.folds import group_folds
from pesforge.io import canonical_json
from pesforge.settings import Crossvalidate, Curate

MODEL = Crossvalidate()


def names(frames):
    return [atoms.info["id"] for atoms in frames]


def test_diversity_of_points_far_apart_and_of_copies():
    apart = np.arange(5.0)[:, None] * 100
    assert diversity(apart, 1.0) == (100.0, pytest.approx(0.0, abs=1e-5))
    smallest, log_det = diversity(np.vstack([apart, apart[:1]]), 1.0)
    assert smallest == 0.0
    assert log_det < -2


def test_hausdorff_distance_is_zero_for_the_pool_and_grows_when_the_hot_ones_go(copper_design):
    values = features(copper_design)
    everything, half = coverage(values, np.arange(28)), coverage(values, np.arange(10, 20))
    assert everything["hausdorff_distance"] == 0.0
    assert half["hausdorff_distance"] > everything["min_distance"]


def planted(frames, describe_cells, make_copper):
    """The frames with a copy of the first one behind, and an energy wrong by 0.4 eV in the fifth."""
    copy = make_copper(0.06, 0, name="copy")
    frames = [*frames, copy]
    design = describe_cells(frames)
    energies = design.y_energy.copy()
    energies[4] += 0.4
    return frames, replace(design, y_energy=energies)


def run(frames, design, **changes):
    settings = Curate(**changes)
    return audit(names(frames), design, settings, model=MODEL, n_folds=4, seed=7)


def test_audit_drops_copies_reports_influence_and_flags_leaks(copper_frames, describe_cells, make_copper):
    frames, design = planted(copper_frames, describe_cells, make_copper)
    kept, evidence = run(frames, design)
    np.testing.assert_array_equal(kept, np.arange(28))
    assert evidence["kept"] == 28
    assert [(row["id"], row["filter"]) for row in evidence["dropped"]] == [("copy", "duplicate")]
    top = evidence["influence"]["top"]
    assert len(top) == 5
    assert top[0]["id"] == "t4"
    assert not any(row["removed"] for row in top)
    assert [row["quantity"].split()[0] for row in evidence["influence"]["refit"]] == ["energy", "force", "stress"]
    assert evidence["coverage"]["before"]["min_distance"] < 1e-6 < evidence["coverage"]["after"]["min_distance"]
    canonical_json(evidence)


def test_audit_removes_influential_labels_only_when_told(copper_frames, describe_cells, make_copper):
    frames, design = planted(copper_frames, describe_cells, make_copper)
    _, reported = run(frames, design)
    limit = 0.99 * reported["influence"]["top"][0]["cook"]
    kept, evidence = run(frames, design, cook_remove=True, cook_threshold=limit)
    np.testing.assert_array_equal(kept, np.delete(np.arange(28), 4))
    assert [row["filter"] for row in evidence["dropped"]] == ["duplicate", "influence"]
    assert evidence["influence"]["top"][0]["removed"]


def test_leakage_is_measured_for_the_folds_of_the_kept_structures(copper_frames, describe_cells, label_copper):
    leak = copper_frames[2].copy()
    leak.positions += 0.001 * np.random.default_rng(0).normal(size=leak.positions.shape)
    leak.info.update(id="leak", group="leak")
    frames = [*copper_frames, label_copper(leak)]
    design = describe_cells(frames)
    _, evidence = run(frames, design)
    folds = group_folds(design.groups, 4, 7, families=design.families)
    separated = not any({2, 28} <= set(fold.tolist()) for fold in folds)
    assert separated
    pairs = {(row["id"], row["nearest_id"]) for row in evidence["leakage"]["flagged"]}
    assert {("leak", "t2"), ("t2", "leak")} <= pairs
    assert [fold["n_test"] for fold in evidence["leakage"]["folds"]] == [len(fold) for fold in folds]


def test_copies_kept_in_one_group_are_never_test_and_training(copper_frames, copper_design):
    grouped = replace(copper_design, groups=tuple(f"g{index // 7}" for index in range(28)))
    _, evidence = audit(names(copper_frames), grouped, Curate(), model=MODEL, n_folds=4, seed=1)
    assert [fold["n_test"] for fold in evidence["leakage"]["folds"]] == [7, 7, 7, 7]


def test_decisions_of_the_filters_are_passed_on(copper_frames, copper_design):
    before = Decision("lost", "too_short", "planted")
    _, evidence = audit(names(copper_frames), copper_design, Curate(), model=MODEL, n_folds=4, seed=1, dropped=[before])
    assert evidence["dropped"] == [{"id": "lost", "filter": "too_short", "reason": "planted"}]


def test_frames_and_design_must_match(copper_frames, copper_design):
    with pytest.raises(DataError, match="different structures"):
        run(copper_frames[:-1], copper_design)
