"""Streamed normal equations against rows held in memory and against refits done the long way."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge.errors import DataError
from pesforge.folds import group_folds
from pesforge.potentials import grams
from pesforge.potentials.grams import GramProblem
from pesforge.potentials.linear import LinearProblem, residuals
from pesforge.potentials.normal import Weights
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import describe
from pesforge.representations.stacked import StackedBasis

NEAR = AceBasis(("Au", "Cu"), 4.0, (3, 3, 2), (0, 2, 2), 1.0, ((0.7, 0.7), (0.7, -0.7)), (0.0, 1.0))
FAR = AceBasis(("Au", "Cu"), 5.0, (4, 3), (0, 1))
BASIS = StackedBasis((NEAR, FAR))
WEIGHTS = Weights(1e4, 1.0, 50.0)
ALPHA = 1.0


def frames_of(n: int) -> list[Atoms]:
    """Copper, gold and alloys; every fourth structure has no stress."""
    found = []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        atoms = bulk("Cu", a=3.7, cubic=True)
        atoms.symbols[: (0, 4, 2)[seed % 3]] = "Au"
        atoms.positions += 0.1 * rng.normal(size=(4, 3))
        atoms.calc = EMT()
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        if seed % 4 == 3:
            del labels["stress"]
        atoms.calc = SinglePointCalculator(atoms, **labels)
        atoms.info.update(id=str(seed), group=str(seed // 2), family=("copper", "gold", "alloy")[seed % 3])
        found.append(atoms)
    return found


@pytest.fixture(scope="module")
def frames() -> list[Atoms]:
    return frames_of(20)


@pytest.fixture(scope="module", params=[1, 1536], ids=["row by row", "in one piece"])
def problem(frames: list[Atoms], request: pytest.FixtureRequest) -> GramProblem:
    folds = group_folds([atoms.info["group"] for atoms in frames], 4, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grams, "CHUNK_ROWS", request.param)
        return GramProblem(frames, BASIS, folds, prior_power=2.0, keep_bytes=1e9)


MASK = BASIS.degree <= 3


@pytest.mark.parametrize("mask", [MASK, np.ones(BASIS.n_functions, dtype=bool)], ids=["some", "all"])
def test_the_fit_is_that_of_rows_in_memory(problem, frames, mask):
    expected = LinearProblem(describe(frames, BASIS), prior_power=2.0).factorise(WEIGHTS, ALPHA, mask)
    found = problem.factorise(WEIGHTS, ALPHA, mask)
    np.testing.assert_allclose(found.normal, expected.normal, atol=1e-9 * np.abs(expected.normal).max())
    design = describe(frames, BASIS)
    pair = [residuals(design, fit.fit()) for fit in (found, expected)]
    np.testing.assert_allclose(pair[0].forces, pair[1].forces, atol=1e-7)
    np.testing.assert_allclose(pair[0].energy, pair[1].energy, atol=1e-8)
    assert (found.n_rows, found.weighted_squares) == pytest.approx((expected.n_rows, expected.weighted_squares))


def test_residuals_of_folds_are_those_of_refits(problem, frames):
    design = describe(frames, BASIS)
    whole = LinearProblem(design, prior_power=2.0).factorise(WEIGHTS, ALPHA, MASK)
    rows, targets = whole.rows(design)
    own = np.concatenate(
        [np.arange(len(frames)), np.repeat(np.arange(len(frames)), 12), np.repeat(np.arange(len(frames)), 6)]
    )
    present = np.concatenate([np.ones(13 * len(frames), dtype=bool), np.isfinite(design.y_stress)])
    own, found = own[present], problem.held_out(WEIGHTS, ALPHA, MASK)
    squares, stress_squares = 0.0, []
    for number, fold in enumerate(problem.folds):
        seen = ~np.isin(own, fold)
        normal = rows[seen].T @ rows[seen] + ALPHA * np.eye(rows.shape[1])
        vector = np.linalg.solve(normal, rows[seen].T @ targets[seen])
        held_out = residuals(design.select(fold), whole.fit(vector))
        np.testing.assert_allclose(found.energy[fold], held_out.energy, atol=1e-8)
        squares += np.sum(held_out.forces**2)
        stress_squares += (held_out.stress[np.isfinite(held_out.stress)] ** 2).tolist()
        fit = problem.factorise(WEIGHTS, ALPHA, MASK, number).fit()
        np.testing.assert_allclose(residuals(design.select(fold), fit).forces, held_out.forces, atol=1e-7)
    assert found.force_rms == pytest.approx(np.sqrt(squares / (12 * len(frames))), rel=1e-7)
    assert found.stress_rms == pytest.approx(np.sqrt(np.mean(stress_squares)), rel=1e-7)


def test_a_family_is_left_out_like_a_refit(problem, frames):
    design = describe(frames, BASIS)
    whole = LinearProblem(design, prior_power=2.0).factorise(WEIGHTS, ALPHA, MASK)
    members = np.array([s for s, atoms in enumerate(frames) if atoms.info["family"] == "gold"])
    expected = residuals(design.select(members), whole.fit(whole.without(design.select(members))))
    found = residuals(design.select(members), problem.factorise(WEIGHTS, ALPHA, MASK, "gold").fit())
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-7)


def test_rows_are_kept_only_if_there_is_room(frames):
    folds = group_folds([atoms.info["group"] for atoms in frames], 2, 0)
    assert GramProblem(frames, FAR, folds, prior_power=2.0, keep_bytes=100.0).kept is None
    kept = GramProblem(frames, FAR, folds, prior_power=2.0, keep_bytes=1e9).kept
    np.testing.assert_array_equal(kept[3][1], FAR.rows(frames[3])[1])


def test_progress_is_told_after_every_structure(frames):
    told = []
    folds = group_folds([atoms.info["group"] for atoms in frames], 2, 0)
    GramProblem(frames, FAR, folds, prior_power=2.0, progress=lambda done, total: told.append((done, total)))
    assert told == [(number, len(frames)) for number in range(1, len(frames) + 1)]


def test_what_cannot_be_fitted_is_refused(frames, problem):
    folds = [np.array([0]), np.array([1])]
    bare = frames[0].copy()
    with pytest.raises(DataError, match="no energy or forces"):
        GramProblem([bare, frames[1]], FAR, folds, prior_power=2.0)
    atom = Atoms("Cu", info={"family": "atom"})
    atom.calc = SinglePointCalculator(atom, energy=0.0, forces=np.zeros((1, 3)))
    with pytest.raises(DataError, match="no basis function"):
        GramProblem([atom, atom], FAR, folds, prior_power=2.0)
    with pytest.raises(DataError, match="mask"):
        problem.held_out(WEIGHTS, ALPHA, np.zeros(BASIS.n_functions, dtype=bool))


def test_stretched_prior_scales_are_those_of_scaled_rows(frames):
    """Some functions get a wider prior: the minimum of the loss with |v|² over columns that are multiplied by it."""
    folds = group_folds([atoms.info["group"] for atoms in frames], 4, 0)
    stretched = GramProblem(frames, BASIS, folds, prior_power=2.0)
    before, design = stretched.factorise(WEIGHTS, ALPHA, MASK), describe(frames, BASIS)
    factor = np.where(np.arange(BASIS.n_functions) % 3, 1.0, 8.0)
    stretched.stretch(factor)
    stretched.held_out(WEIGHTS, ALPHA, MASK)
    found = stretched.factorise(WEIGHTS, ALPHA, MASK)
    rows, targets = before.rows(design)
    wider = np.append(factor[MASK], np.ones(2))
    vector = np.linalg.solve((rows * wider).T @ (rows * wider) + ALPHA * np.eye(len(wider)), (rows * wider).T @ targets)
    np.testing.assert_allclose(found.scale, before.scale * wider)
    np.testing.assert_allclose(found.vector, vector, atol=1e-7 * np.abs(vector).max())
    assert np.abs(found.fit().coefficients - before.fit().coefficients).max() > 1e-6
