"""Gains of the rules against refactorised normal matrices and fresh solves."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg

from pesforge.acquisition.blocks import blocks_of, damping, energy_rows
from pesforge.acquisition.posterior import Posterior
from pesforge.acquisition.rules import CRITERIA, Reference, log_det, variance_removed
from pesforge.errors import DataError
from pesforge.potentials.normal import Weights

NONE = np.empty((0, 0))


def log_det_of(matrix):
    return np.linalg.slogdet(matrix)[1]


def force_rows(case, structure):
    return case.rows(structure)[1:].reshape(-1, 3, len(case.factor.scale))


def test_a_block_adds_what_the_labels_of_the_structure_add_to_the_normal_matrix(make_case):
    case = make_case()
    for structure, block in enumerate(case.blocks.rows):
        rows = case.rows(structure)
        np.testing.assert_allclose(block.T @ block, rows.T @ rows, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(case.blocks.atoms[structure], force_rows(case, structure), rtol=1e-12)
    np.testing.assert_allclose(case.blocks.energy[3] * np.sqrt(400.0), case.rows(3)[0], rtol=1e-12)


def test_stress_counts_where_it_has_a_weight_and_the_cell_is_periodic(make_case, make_design):
    case = make_case()
    factor = replace(case.factor, weights=Weights(400.0, 1.0, 2500.0))
    labelled = make_design(structures=5, functions=9)
    for structure, block in enumerate(blocks_of(factor, labelled).rows[:5]):
        rows = factor.rows(labelled.select(np.array([structure])))[0]
        assert len(rows) == 1 + 3 * labelled.n_atoms[structure] + (0 if structure == 0 else 6)
        np.testing.assert_allclose(block.T @ block, rows.T @ rows, rtol=1e-8, atol=1e-8)


def test_directions_below_the_prior_are_left_out_without_a_change_of_the_determinant(make_case):
    case = make_case()
    twice = np.concatenate([case.rows(2)] * 2)
    pair = replace(case.pool.select(np.array([2])), energy=np.zeros((1, 9)))
    assert len(blocks_of(case.factor, pair).rows[0]) <= len(twice)
    posterior = Posterior.of(case.factor)
    for structure, block in enumerate(case.blocks.rows):
        full = log_det(posterior.whiten(case.rows(structure)))
        assert log_det(posterior.whiten(block)) == pytest.approx(full, rel=1e-10)


def test_the_determinant_lemma_is_the_ratio_of_refactorised_determinants(make_case):
    case = make_case()
    posterior = Posterior.of(case.factor)
    gains = CRITERIA["d_optimal"].structures(posterior, case.blocks, NONE)
    for structure, gain in enumerate(gains):
        rows = case.rows(structure)
        expected = log_det_of(case.factor.normal + rows.T @ rows) - log_det_of(case.factor.normal)
        assert gain == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(CRITERIA["bald_block"].structures(posterior, case.blocks, NONE), gains / 2, rtol=1e-14)


def test_the_updated_posterior_is_that_of_the_refactorised_matrix(make_case):
    case = make_case()
    posterior, normal = Posterior.of(case.factor), case.factor.normal
    for structure in (1, 5, 2):
        posterior = posterior.after(case.blocks.rows[structure])
        normal = normal + case.rows(structure).T @ case.rows(structure)
    inverse = np.linalg.inv(normal)
    np.testing.assert_allclose(posterior.root @ posterior.root.T, inverse, atol=1e-10 * np.abs(inverse).max())


def test_maximum_variance_and_bald_are_those_of_the_energy_per_atom(make_case):
    case = make_case()
    posterior, rows = Posterior.of(case.factor), energy_rows(case.factor, case.pool)
    variance = np.einsum("sp,pq,sq->s", rows, np.linalg.inv(case.factor.normal), rows)
    np.testing.assert_allclose(CRITERIA["max_variance"].structures(posterior, case.blocks, NONE), variance, rtol=1e-8)
    bald = CRITERIA["bald"].structures(posterior, case.blocks, NONE)
    np.testing.assert_allclose(bald, 0.5 * np.log(1 + variance / (1 / 400.0)), rtol=1e-8)


@pytest.mark.parametrize("kind", ["energy", "both"])
def test_i_optimality_is_the_mean_variance_that_a_fresh_solve_removes(make_case, kind):
    case = make_case()
    posterior, reference = Posterior.of(case.factor), Reference.of(case.factor, case.pool)
    name = "i_optimal" if kind == "energy" else "i_optimal_both"
    gains = CRITERIA[name].structures(posterior, case.blocks, CRITERIA[name].target(reference, posterior))
    parts = case.factor.rows(case.pool.select(np.arange(len(case.pool.ids))))[0]
    count = len(case.pool.ids)
    rows = {"energy": parts[:count] / 20.0, "force": parts[count:]}

    def variance(matrix, which):
        return np.mean(np.einsum("sp,ps->s", rows[which], np.linalg.solve(matrix, rows[which].T)))

    before = case.factor.normal
    for structure, gain in enumerate(gains):
        after = before + case.rows(structure).T @ case.rows(structure)
        expected = variance(before, "energy") - variance(after, "energy")
        if kind == "both":
            expected /= variance(before, "energy")
            expected += 1 - variance(after, "force") / variance(before, "force")
        assert gain == pytest.approx(expected, rel=1e-7)


def test_an_atom_counts_by_its_three_force_components(make_case):
    case = make_case()
    posterior, normal = Posterior.of(case.factor), case.factor.normal
    target = CRITERIA["i_optimal"].target(case.problem.reference, posterior)
    whitened = posterior.whiten(case.blocks.atoms[4])
    found = {
        name: CRITERIA[name].atoms(whitened, target) for name in ("max_variance", "bald", "d_optimal", "i_optimal")
    }
    gram, inverse = case.problem.reference.energy, np.linalg.inv(normal)
    for atom, rows in enumerate(force_rows(case, 4)):
        information = log_det_of(normal + rows.T @ rows) - log_det_of(normal)
        after = np.linalg.inv(normal + rows.T @ rows)
        assert found["d_optimal"][atom] == pytest.approx(information, rel=1e-9)
        assert found["bald"][atom] == pytest.approx(information / 2, rel=1e-9)
        assert found["max_variance"][atom] == pytest.approx(np.trace(rows @ inverse @ rows.T) / 3, rel=1e-9)
        assert found["i_optimal"][atom] == pytest.approx(np.trace((inverse - after) @ gram), rel=1e-7)


def test_variance_removed_of_one_row_is_sherman_and_morrison():
    rng = np.random.default_rng(0)
    row, target = rng.normal(size=(1, 5)), rng.normal(size=(5, 4))
    expected = np.sum((row @ target) ** 2) / (1 + row @ row.T).item()
    assert variance_removed(row, target) == pytest.approx(expected, rel=1e-12)


def test_damping_doubles_the_variance_where_noise_and_misfit_are_equal(make_case):
    forces = np.concatenate([np.full(6, 0.5), np.zeros(3), np.full(3, 1.0)])
    factors = damping(forces, np.array([2, 1, 1]), 0.5)
    np.testing.assert_allclose(factors, [0.5, 1.0, 0.2], rtol=1e-14)
    case = make_case()
    damped = case.blocks.damped(np.full(8, 0.25))
    np.testing.assert_allclose(damped.rows[3], case.blocks.rows[3] / 2, rtol=1e-14)
    np.testing.assert_allclose(damped.atoms[3], case.blocks.atoms[3] / 2, rtol=1e-14)
    posterior = Posterior.of(case.factor)
    plain, less = (CRITERIA["bald"].structures(posterior, blocks, NONE) for blocks in (case.blocks, damped))
    np.testing.assert_allclose(np.expm1(2 * less), np.expm1(2 * plain) / 4, rtol=1e-10)
    with pytest.raises(DataError, match="above 0"):
        damping(forces, np.array([4]), 0.0)


def test_two_candidates_of_one_name_and_broken_descriptors_are_refused(make_case):
    case = make_case()
    with pytest.raises(DataError, match="two candidates are named 's3'"):
        blocks_of(case.factor, replace(case.pool, ids=("s3", *case.pool.ids[1:-1], "s3")))
    broken = case.pool.forces.copy()
    broken[0, 0] = np.nan
    with pytest.raises(DataError, match="not finite"):
        blocks_of(case.factor, replace(case.pool, forces=broken))


def test_the_root_of_a_posterior_is_a_root_of_the_inverse(make_case):
    case = make_case()
    root = Posterior.of(case.factor).root
    np.testing.assert_allclose(root @ root.T @ case.factor.normal, np.eye(len(root)), atol=1e-7)
    assert scipy.linalg.norm(root - np.triu(root)) == 0.0
