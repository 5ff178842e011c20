"""Members of an ensemble: samples over groups, seeds by name, and nothing of what judges them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pesforge.errors import DataError
from pesforge.folds import group_folds
from pesforge.provenance import derive_seed
from pesforge.representations.ace import AceBasis
from pesforge.representations.projections import project_all
from pesforge.settings import Crossvalidate
from pesforge.training.compose import compose
from pesforge.training.members import WHOLE, bootstrap, seen_and_held, train_member

TRAIN = Path(__file__).parents[3] / "config" / "train"
BASIS = AceBasis(species=("Cu",), cutoff_ang=4.5, max_degree=(6, 6), l_max=(0, 3))
COLUMNS = BASIS.subset_mask(4)
STUDY = {"folds": 4, "study_seed": 3}


def test_a_bootstrap_sample_is_over_groups_and_misses_a_third_of_them():
    groups = [f"g{number // 3}" for number in range(60)]
    rng, shares = np.random.default_rng(0), []
    for _ in range(200):
        drawn, missed = bootstrap(groups, rng)
        assert len(drawn) == 60, "as many groups as there are, all of one size"
        counts = np.bincount(drawn, minlength=60).reshape(20, 3)
        assert (counts == counts[:, :1]).all(), "structures of a group come together, as often as the group"
        assert sorted(missed) == np.flatnonzero(np.repeat(counts[:, 0] == 0, 3)).tolist()
        shares.append(len(missed) / 60)
    assert np.mean(shares) == pytest.approx((1 - 1 / 20) ** 20, abs=0.02)


def test_a_bootstrap_sample_always_misses_a_group_and_needs_two():
    rng = np.random.default_rng(0)
    assert all(len(bootstrap("ab", rng)[1]) == 1 for _ in range(20))
    with pytest.raises(DataError, match="two groups"):
        bootstrap("aa", rng)


def test_parts_are_the_folds_of_the_sweep_and_the_whole(make_design):
    design = make_design(structures=24, per_group=2)
    folds = group_folds(design.groups, 4, derive_seed(3, "folds"), families=design.families)
    for number, fold in enumerate(folds):
        seen, held = seen_and_held(design, str(number), **STUDY)
        assert held.tolist() == fold.tolist()
        assert sorted([*seen, *held]) == list(range(24))
    seen, held = seen_and_held(design, WHOLE, **STUDY)
    assert (len(seen), len(held)) == (24, 0)


@pytest.fixture(scope="module")
def train(copper_design, copper_frames, tmp_path_factory):
    """The function that trains a member for some epochs on copper."""
    config = compose(TRAIN, ["trainer=quick", "trainer.max_epochs=5", "model.width=4", "model.linear=false"])
    rng = np.random.default_rng(1)
    projections = project_all(copper_frames, BASIS, rng.normal(size=(BASIS.n_functions, 3)))

    def trained(part: str, member: str, design=copper_design):
        return train_member(
            config, design, projections, part=part, member=member, model=Crossvalidate(), chosen={"alpha": 1.0},
            columns=COLUMNS, folder=tmp_path_factory.mktemp("member"), **STUDY,
        )  # fmt: skip

    return trained


def test_a_member_depends_on_its_name_and_not_on_what_judges_it(train, copper_design):
    metrics, head, held, found = train("1", "0")
    assert held.tolist() == seen_and_held(copper_design, "1", **STUDY)[1].tolist()
    assert metrics["n_groups_drawn"] < metrics["n_groups"] == len(copper_design.ids) - len(held)
    other = train("1", "1")
    assert other[0]["seed"] != metrics["seed"]
    assert not np.array_equal(other[1].mean, head.mean), "another sample"
    spoiled = copper_design.y_energy.copy()
    spoiled[held] += 7.0
    again = train("1", "0", replace(copper_design, y_energy=spoiled))
    np.testing.assert_array_equal(again[1].weights[0], head.weights[0])
    np.testing.assert_array_equal(again[1].output, head.output)
    np.testing.assert_allclose(again[3].energy - found.energy, -7.0 / copper_design.n_atoms[held])


def test_the_member_that_is_shipped_sees_every_group_it_draws(train, copper_design):
    metrics, _, held, found = train(WHOLE, "0")
    assert (len(held), metrics["n_held_out"], len(found.energy)) == (0, 0, 0)
    assert metrics["n_groups"] == len(set(copper_design.groups))
    assert metrics["errors"]["test"]["energy_rmse_mev_per_atom"] is None
