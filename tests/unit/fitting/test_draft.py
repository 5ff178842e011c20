"""The draft potential: its evidence, its leverage, and a melt that leaves its training data."""

import numpy as np
import pytest
from ase.build import bulk

from pesforge.driven_settings import Md
from pesforge.errors import DataError
from pesforge.export import save_model
from pesforge.fitting.draft import draft_driver, fit_draft, leverage_of
from pesforge.sampling import md
from pesforge.sampling.drive import Drive, Guard


def quiet(_):
    pass


@pytest.fixture(scope="module")
def draft(copper_frames, tmp_path_factory):
    result, evidence = fit_draft(copper_frames, 40, quiet)
    folder = tmp_path_factory.mktemp("draft")
    save_model(folder, result.potential, result.metadata)
    return result.potential, evidence, folder


def test_a_draft_says_how_good_it_is_and_what_it_knows(draft, copper_frames):
    potential, evidence, folder = draft
    assert potential.baseline is not None, "the repulsion of nuclei belongs to it"
    assert evidence["labels"] == 28
    assert evidence["groups"] == 28
    assert evidence["functions"] <= 40
    assert 0 < evidence["force_rmse_ev_per_ang"] < 0.3
    leverage = leverage_of(potential)
    largest = max(leverage(atoms) for atoms in copper_frames)
    assert largest == pytest.approx(evidence["max_training_leverage"], rel=1e-8)
    crushed = bulk("Cu", a=2.9, cubic=True)
    assert leverage(crushed) > 4 * evidence["max_training_leverage"]
    calculator, stored = draft_driver(folder)
    assert stored(crushed) == pytest.approx(leverage(crushed), rel=1e-4)
    assert calculator() is not calculator()


def test_the_leverage_of_the_draft_stops_a_run_beyond_its_training_but_not_one_within(draft):
    _, evidence, folder = draft
    calculator, leverage = draft_driver(folder)
    parent = bulk("Cu", a=3.6, cubic=True)
    guard = Guard(0.5, 1e4, leverage, 4 * evidence["max_training_leverage"])
    settings = Md(supercell=(1, 1, 1), temperatures_k=(200.0, 9000.0), count=2, max_ps=1.0, equilibration_ps=0.2)
    made = md.sample(parent, settings, Drive(calculator, guard), 1)
    cold, hot = made.runs
    assert (cold["stopped"], cold["given"]) == (None, 2)
    assert hot["stopped"].startswith("leverage of")
    assert hot["given"] == 0
    assert all(np.isfinite(frame.positions).all() for frame in made.frames)


def test_too_few_labels_are_refused_with_the_way_out(copper_frames):
    with pytest.raises(DataError, match=r"no draft potential can be fitted to 1 labels .* `sample.driver.kind: dft`"):
        fit_draft(copper_frames[:1], 40, quiet)
