from itertools import permutations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pesforge.representations.coupling import (
    clebsch_gordan,
    independent_paths,
    invariant_coupling,
    real_coupling,
    real_from_complex,
)
from pesforge.representations.harmonics import spherical_harmonics


def rotation_matrices(l_max, seed=0):
    """Matrices D_l with Y_l(R v) = D_l Y_l(v), by least squares over random directions."""
    rotation = Rotation.random(random_state=seed).as_matrix()
    vectors = np.random.default_rng(seed).normal(size=(200, 3))
    before, after = (spherical_harmonics(v, l_max)[0] for v in (vectors, vectors @ rotation.T))
    blocks = [slice(l * l, (l + 1) ** 2) for l in range(l_max + 1)]  # noqa: E741
    return [np.linalg.lstsq(before[block].T, after[block].T, rcond=None)[0].T for block in blocks]


def test_clebsch_gordan_known_values():
    assert clebsch_gordan(1, 1, 1, -1, 0, 0) == pytest.approx(1 / np.sqrt(3))
    assert clebsch_gordan(1, 0, 1, 0, 2, 0) == pytest.approx(np.sqrt(2 / 3))
    assert clebsch_gordan(2, 1, 1, 0, 2, 1) == pytest.approx(np.sqrt(1 / 6))
    assert clebsch_gordan(1, 0, 1, 0, 1, 0) == 0
    assert clebsch_gordan(1, 1, 1, 1, 2, 1) == 0


def test_basis_change_is_unitary():
    for l in range(5):  # noqa: E741
        np.testing.assert_allclose(real_from_complex(l) @ real_from_complex(l).conj().T, np.eye(2 * l + 1), atol=1e-14)


@pytest.mark.parametrize("momenta", [(1, 1, 1), (1, 2, 3), (2, 2, 2), (3, 2, 2), (4, 3, 1), (2, 0, 2)])
def test_coupled_quantities_rotate_like_their_angular_momentum(momenta):
    """Covers pseudo-tensors (odd sums) too; a lost real or imaginary part would break it."""
    l1, l2, l3 = momenta
    coupling, turns = real_coupling(*momenta), rotation_matrices(4)
    turned = np.einsum("abc,ai,bj->ijc", coupling, turns[l1], turns[l2])
    np.testing.assert_allclose(turned, np.einsum("ijk,ck->ijc", coupling, turns[l3]), atol=1e-10)
    gram = np.einsum("abc,abd->cd", coupling, coupling)
    np.testing.assert_allclose(gram, np.eye(2 * l3 + 1), atol=1e-12)


@pytest.mark.parametrize(
    ("momenta", "path"), [((0,), 0), ((2, 2), 0), ((1, 2, 3), 3), ((1, 2, 2, 3), 2), ((2, 1, 2, 1), 3)]
)
def test_invariant_couplings_are_unit_tensors_that_rotations_leave_alone(momenta, path):
    coupling, turns = invariant_coupling(momenta, path), rotation_matrices(3, seed=4)
    turned = coupling
    for axis, momentum in enumerate(momenta):
        turned = np.moveaxis(np.tensordot(turns[momentum], turned, axes=(0, axis)), 0, axis)
    np.testing.assert_allclose(turned, coupling, atol=1e-10)
    assert np.linalg.norm(coupling) == pytest.approx(1)


def count_by_characters(momenta, pattern):
    """Number of symmetric invariants: the character of rotations and exchanges, averaged over both groups."""
    angle = (np.arange(64) + 0.5) * np.pi / 64
    measure = (1 - np.cos(angle)) / 64

    def character(l, multiple):  # noqa: E741
        return sum(np.cos(m * multiple * angle) for m in range(-l, l + 1))

    total, exchanges = 0.0, 0
    for permutation in permutations(range(4)):
        if any(pattern[permutation[i]] != pattern[i] for i in range(4)):
            continue
        exchanges += 1
        trace, seen = np.ones(64), set()
        for start in range(4):
            if start in seen:
                continue
            cycle, at = 0, start
            while at not in seen:
                seen.add(at)
                cycle, at = cycle + 1, permutation[at]
            trace = trace * character(momenta[start], cycle)
        total += np.sum(measure * trace)
    return total / exchanges


@pytest.mark.parametrize(
    ("momenta", "pattern"),
    [
        ((0, 0, 0, 0), (0, 0, 0, 0)),
        ((1, 1, 1, 1), (0, 0, 0, 0)),
        ((1, 1, 1, 1), (0, 0, 2, 3)),
        ((2, 2, 2, 2), (0, 0, 0, 0)),
        ((2, 2, 2, 2), (0, 1, 2, 3)),
        ((2, 2, 3, 3), (0, 0, 2, 2)),
        ((3, 3, 3, 3), (0, 0, 0, 3)),
        ((4, 4, 4, 4), (0, 0, 0, 0)),
        ((1, 1, 2, 2), (0, 1, 2, 2)),
        ((0, 1, 2, 3), (0, 1, 2, 3)),
    ],
)
def test_number_of_independent_paths_is_that_of_group_theory(momenta, pattern):
    assert len(independent_paths(momenta, pattern)) == pytest.approx(count_by_characters(momenta, pattern), abs=1e-9)
