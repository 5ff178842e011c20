"""The study of cutoff radii finds the reach of a potential whose reach is known, by errors left out."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones

from pesforge import fields
from pesforge.errors import DataError
from pesforge.metrics import errors
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import Weights
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import describe
from pesforge.settings import Crossvalidate
from pesforge.training.locality import Described, errors_by_cutoff

SETTINGS = Crossvalidate(degree_reductions=(2, 0), alphas=(1e-8, 1e-5), prior_power=1.0)
EMPHASIS = {"hot": (1.0, 1.0, 1.0), "cold": (1.0, 1.0, 1.0)}
REACH_ANG = 6.3
"""Neighbours of the first two shells of the crystal, 3.7 and 5.2 Å."""


def argon(seed: int) -> Atoms:
    family = ("hot", "cold")[seed % 2]
    atoms = bulk("Ar", "fcc", a=5.2, cubic=True)
    atoms.rattle({"hot": 0.12, "cold": 0.05}[family], seed=seed)
    atoms.calc = LennardJones(sigma=3.4, epsilon=1.0, rc=REACH_ANG, smooth=True)
    atoms.get_stress()
    atoms.info = {fields.ID: f"a{seed}", fields.FAMILY: family, fields.GROUP: f"g{seed // 2}"}
    return atoms


def size_of(fit) -> float:
    return float(np.abs(fit.coefficients).sum())


@pytest.fixture(scope="module")
def designs():
    frames = [argon(seed) for seed in range(24)]
    bases = [AceBasis(species=("Ar",), cutoff_ang=r, max_degree=(12, 6), l_max=(0, 2)) for r in (4.6, REACH_ANG, 9.0)]
    return [Described(basis.cutoff_ang, describe(frames, basis), basis.subset_mask, size_of) for basis in bases]


def test_the_reach_of_the_labels_is_found(designs):
    found = errors_by_cutoff(iter(designs), SETTINGS, EMPHASIS, 4.6)
    short, right, long = found["rows"]
    assert found["lowest_ang"] == found["suffices_ang"] == REACH_ANG
    assert short["force_factor"] > 2
    assert right["force_factor"] == 1
    assert long["force_factor"] > 1, "the same functions over more space resolve less"
    assert not found["enough"]
    assert "is below the shortest that suffices, 6.3 Å" in found["sentence"]
    own = errors_by_cutoff(designs, SETTINGS, EMPHASIS, REACH_ANG)
    assert own["enough"]
    assert "no difference is clear from 6.3 Å on" in own["sentence"]
    assert own["rows"] == found["rows"]


def test_errors_are_those_left_out_and_factors_are_means_over_families(designs):
    found = errors_by_cutoff(designs, SETTINGS, EMPHASIS, REACH_ANG)
    cutoff, design, mask_of = designs[0].cutoff_ang, designs[0].design, designs[0].mask_of
    row = found["rows"][0]
    problem = LinearProblem(design, prior_power=1.0)
    left_out = problem.leave_out(Weights.of(SETTINGS), row["alpha"], design.groups, mask_of(row["degree_reduction"]))
    assert row["cutoff_ang"] == cutoff
    fit = problem.fit(Weights.of(SETTINGS), row["alpha"], mask_of(row["degree_reduction"]))
    assert row["missed_ev_per_ang"] == pytest.approx(size_of(fit)), "what is missed is asked of the fit to all labels"
    assert {key: row[key] for key in errors(left_out)} == errors(left_out)
    ratios = [
        one["force_rmse_ev_per_ang"] / other["force_rmse_ev_per_ang"]
        for one, other in zip(row["by_family"], found["rows"][1]["by_family"], strict=True)
    ]
    assert row["force_factor"] == pytest.approx(np.sqrt(ratios[0] * ratios[1]))
    assert 0 < row["force_factor_se"] < row["force_factor"]


def test_a_cutoff_without_a_design_and_a_single_group_are_refused(designs):
    with pytest.raises(DataError, match="no design has the cutoff 5 Å"):
        errors_by_cutoff(designs, SETTINGS, EMPHASIS, 5.0)

    def alone() -> Iterator[Described]:
        frames = [argon(0), argon(1)]
        basis = AceBasis(("Ar",), designs[0].cutoff_ang, (12, 6), (0, 2))
        yield replace(designs[0], design=describe(frames, basis))

    with pytest.raises(DataError, match="one group"):
        errors_by_cutoff(alone(), SETTINGS, EMPHASIS, 4.6)
