"""Invariances, derivatives and limits of the atomic cluster expansion."""

from itertools import pairwise

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from scipy.spatial.transform import Rotation
from scipy.special import eval_legendre

from pesforge.representations.ace import AceBasis
from pesforge.representations.radial import spherical_bessel

CUTOFF = 4.2
STRAINS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def basis_of(*species):
    return AceBasis(species, CUTOFF, (5, 5, 5, 4), (0, 3, 3, 2), 1.0)


def crystal(seed, *species, repeat=(1, 1, 1), skew=True):
    """A distorted diamond-like crystal whose smallest cells are narrower than the cutoff."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Si", "diamond", 5.0).repeat(repeat)
    atoms.symbols = rng.permutation(np.resize(species, len(atoms)))
    if skew:
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(0, 0.06, (3, 3))), scale_atoms=True)
    atoms.positions += rng.normal(0, 0.15, atoms.positions.shape)
    return atoms


def cluster(seed, *species):
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(2)] * 3), axis=-1).reshape(-1, 3)[:7]
    return Atoms(np.resize(species, 7), positions=2.1 * grid + rng.normal(0, 0.2, (7, 3)))


def slab(seed, *species):
    atoms = crystal(seed, *species, repeat=(2, 2, 1))
    atoms.pbc = (True, True, False)
    return atoms


CASES = {
    "one species, cell smaller than the cutoff": (crystal(1, "Si"), ("Si",)),
    "two species, skewed": (crystal(2, "Na", "Cl", repeat=(2, 1, 1)), ("Na", "Cl")),
    "three species, one absent": (crystal(3, "Na", "Cl", repeat=(2, 2, 1)), ("Cl", "H", "Na")),
    "slab": (slab(4, "Na", "Cl"), ("Na", "Cl")),
    "molecule": (cluster(5, "Na", "Cl"), ("Na", "Cl")),
}
case = pytest.mark.parametrize(("atoms", "species"), CASES.values(), ids=CASES)


def scaled_coefficients(basis, atoms, seed=0):
    """Random coefficients that give every function that occurs the same share of the energy."""
    size = np.abs(basis.invariants(atoms)).max(axis=0)
    return np.random.default_rng(seed).normal(size=basis.n_functions) / np.where(size > 0, size, 1.0)


def strained(atoms, a, b, amount):
    deformation = np.eye(3)
    deformation[a, b] += amount / 2
    deformation[b, a] += amount / 2
    result = atoms.copy()
    result.set_cell(atoms.cell.array @ deformation, scale_atoms=False)
    result.positions = atoms.positions @ deformation
    return result


def moved(atoms, atom, axis, amount):
    result = atoms.copy()
    result.positions[atom, axis] += amount
    return result


def central_difference(function, step):
    """Derivative of a function of one number at 0, error of fourth order in the step."""
    near, far = function(step) - function(-step), function(2 * step) - function(-2 * step)
    return (8 * near - far) / (12 * step)


@case
def test_force_rows_are_negative_derivatives_of_energy_rows(atoms, species):
    basis = basis_of(*species)
    forces = basis.rows(atoms)[1].reshape(len(atoms), 3, -1)
    scale = np.abs(forces).max(axis=(0, 1))
    for atom, axis in ((0, 0), (1, 1), (len(atoms) - 1, 2)):
        slope = central_difference(lambda h, a=atom, x=axis: basis.invariants(moved(atoms, a, x, h)).sum(axis=0), 1e-3)
        assert np.abs(forces[atom, axis] + slope).max() < 1e-8 * scale.max()
        assert np.all(np.abs(forces[atom, axis] + slope) <= 1e-6 * scale + 1e-12)


@case
def test_stress_rows_are_strain_derivatives_in_voigt_order(atoms, species):
    basis = basis_of(*species)
    stress = basis.rows(atoms)[2]
    if not atoms.pbc.all():
        assert np.isnan(stress).all()
        return
    for row, (a, b) in enumerate(STRAINS):
        slope = central_difference(lambda h, a=a, b=b: basis.invariants(strained(atoms, a, b, h)).sum(axis=0), 1e-4)
        assert np.abs(stress[row] - slope / atoms.get_volume()).max() < 1e-8 * np.abs(stress).max()


@case
def test_energy_row_is_the_sum_of_invariants_and_net_force_vanishes(atoms, species):
    energy, forces, _ = basis_of(*species).rows(atoms)
    np.testing.assert_allclose(energy, basis_of(*species).invariants(atoms).sum(axis=0), rtol=1e-12, atol=1e-14)
    assert np.abs(forces.reshape(len(atoms), 3, -1).sum(axis=0)).max() < 1e-12 * np.abs(forces).max()


@case
def test_evaluate_of_a_linear_model_equals_rows_times_coefficients(atoms, species):
    basis = basis_of(*species)
    coefficients = scaled_coefficients(basis, atoms)
    energies, forces, stress = basis.evaluate(
        atoms, lambda invariants: (invariants @ coefficients, np.tile(coefficients, (len(invariants), 1)))
    )
    rows = [row @ coefficients for row in basis.rows(atoms)]
    np.testing.assert_allclose(energies.sum(), rows[0], rtol=1e-10)
    np.testing.assert_allclose(forces.ravel(), rows[1], atol=1e-10 * np.abs(rows[1]).max())
    np.testing.assert_allclose(stress, rows[2], atol=1e-10 * np.abs(rows[2]).max() if atoms.pbc.all() else 0)


def test_evaluate_of_a_nonlinear_model_has_the_derivatives_of_its_energy():
    atoms, species = CASES["two species, skewed"]
    basis = basis_of(*species)
    coefficients = scaled_coefficients(basis, atoms)

    def head(invariants):
        value = np.tanh(invariants @ coefficients / 20)
        return value, (1 - value**2)[:, None] * coefficients / 20

    def energy(structure):
        return basis.evaluate(structure, head)[0].sum()

    _, forces, stress = basis.evaluate(atoms, head)
    for atom, axis in ((0, 0), (3, 2)):
        slope = central_difference(lambda h, a=atom, x=axis: energy(moved(atoms, a, x, h)), 1e-3)
        assert forces[atom, axis] == pytest.approx(-slope, abs=1e-7 * np.abs(forces).max())
    for row, (a, b) in enumerate(STRAINS):
        slope = central_difference(lambda h, a=a, b=b: energy(strained(atoms, a, b, h)), 1e-4)
        assert stress[row] == pytest.approx(slope / atoms.get_volume(), abs=1e-7 * np.abs(stress).max())


@case
def test_projections_are_combinations_of_invariants_with_their_derivatives(atoms, species):
    basis = basis_of(*species)
    matrix = np.stack([scaled_coefficients(basis, atoms, seed) for seed in range(3)], axis=1)
    projection = basis.project(atoms, matrix)
    np.testing.assert_allclose(projection.rho, basis.invariants(atoms) @ matrix, rtol=1e-10, atol=1e-10)

    dense = np.zeros((len(atoms), len(atoms), 3, 3))
    dense[projection.centre, projection.neighbour] = projection.gradient
    assert len(set(zip(projection.centre, projection.neighbour, strict=True))) == len(projection.centre)
    scale = np.abs(dense).max()
    for atom, axis in ((0, 0), (1, 2)):
        slope = central_difference(lambda h, a=atom, x=axis: basis.invariants(moved(atoms, a, x, h)) @ matrix, 1e-3)
        assert np.abs(dense[:, atom, axis] - slope).max() < 1e-7 * scale
    for row, (a, b) in enumerate(STRAINS):
        slope = central_difference(lambda h, a=a, b=b: basis.invariants(strained(atoms, a, b, h)) @ matrix, 1e-4)
        assert np.abs(projection.strain[:, row] - slope).max() < 1e-7 * np.abs(projection.strain).max()
    assert np.isnan(projection.volume) != atoms.pbc.all()


@case
def test_edges_of_a_centre_start_with_its_own_and_their_gradients_sum_to_zero(atoms, species):
    basis = basis_of(*species)
    projection = basis.project(atoms, np.ones((basis.n_functions, 1)))
    starts = np.searchsorted(projection.centre, np.arange(len(atoms)))
    assert np.all(np.diff(projection.centre) >= 0)
    np.testing.assert_array_equal(projection.neighbour[starts], np.arange(len(atoms)))
    totals = np.add.reduceat(projection.gradient, starts, axis=0)
    assert np.abs(totals).max() < 1e-11 * np.abs(projection.gradient).max()


@case
@pytest.mark.parametrize("handedness", [1, -1], ids=["rotation", "reflection"])
def test_invariants_do_not_change_and_forces_turn_with_the_structure(atoms, species, handedness):
    basis = basis_of(*species)
    turn = handedness * Rotation.random(random_state=7).as_matrix()
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ turn.T)
    turned.positions = atoms.positions @ turn.T
    reference = basis.invariants(atoms)
    np.testing.assert_allclose(basis.invariants(turned), reference, atol=1e-12 * np.abs(reference).max())
    forces = basis.rows(atoms)[1].reshape(len(atoms), 3, -1)
    expected = np.einsum("ab,nbk->nak", turn, forces)
    np.testing.assert_allclose(
        basis.rows(turned)[1].reshape(expected.shape), expected, atol=1e-12 * np.abs(forces).max()
    )


@case
def test_invariants_follow_a_permutation_and_ignore_translations_and_wrapping(atoms, species):
    basis = basis_of(*species)
    reference = basis.invariants(atoms)
    tolerance = 1e-12 * np.abs(reference).max()
    order = np.random.default_rng(3).permutation(len(atoms))
    np.testing.assert_allclose(basis.invariants(atoms[order]), reference[order], atol=tolerance)
    shifted = atoms.copy()
    shifts = np.random.default_rng(4).integers(-3, 4, (len(atoms), 3)) * atoms.pbc
    shifted.positions += np.array([0.3, -11.0, 5.2]) + shifts @ atoms.cell.array
    np.testing.assert_allclose(basis.invariants(shifted), reference, atol=tolerance)


def test_rows_of_a_supercell_and_of_other_lattice_vectors_agree():
    atoms, species = CASES["two species, skewed"]
    basis = basis_of(*species)
    energy, forces, stress = basis.rows(atoms)
    energy_2, forces_2, stress_2 = basis.rows(make_supercell(atoms, [[1, 1, 0], [0, 1, 0], [0, 0, 2]]))
    np.testing.assert_allclose(energy_2, 2 * energy, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(stress_2, stress, atol=1e-12 * np.abs(stress).max())
    for atom in range(len(atoms)):
        distance = np.abs(forces_2.reshape(-1, 3, basis.n_functions) - forces[3 * atom : 3 * atom + 3]).max(axis=(1, 2))
        assert np.sum(distance < 1e-11 * np.abs(forces).max()) == 2


def test_pair_functions_equal_a_legendre_sum_over_pairs_of_neighbours():
    """Order 2 by the addition theorem: Σ_m Y_lm Y_lm' = (2l + 1) P_l(cos θ) / 4π, no harmonics involved."""
    atoms = cluster(6, "Na", "Cl")
    basis = AceBasis(("Na", "Cl"), CUTOFF, (0, 5), (0, 4), 1.0)
    invariants = basis.invariants(atoms).reshape(len(atoms), 2, -1)
    for i in (0, 3):
        vectors = np.delete(atoms.positions - atoms.positions[i], i, axis=0)
        species = np.delete(basis.species_index(atoms), i)
        distance = np.linalg.norm(vectors, axis=1)
        inside = distance < CUTOFF
        vectors, species, distance = vectors[inside], species[inside], distance[inside]
        radial = spherical_bessel(distance, basis.n_radial, CUTOFF)[0]
        cosine = np.clip(vectors @ vectors.T / np.outer(distance, distance), -1, 1)
        for k, function in enumerate(basis.functions):
            if function.order != 2:
                continue
            (za, na, momentum), (zb, nb, _) = function.channels
            weight = np.outer(radial[na] * (species == za), radial[nb] * (species == zb))
            expected = np.sqrt(2 * momentum + 1) / (4 * np.pi) * np.sum(weight * eval_legendre(momentum, cosine))
            own = basis.species_index(atoms)[i]
            assert invariants[i, own, k] == pytest.approx(expected, rel=1e-10, abs=1e-13)
            assert invariants[i, 1 - own, k] == 0.0


def test_order_three_and_four_without_angles_are_products_of_densities():
    basis = AceBasis(("Na", "Cl"), CUTOFF, (3, -1, 3, 3), (0, 0, 0, 0), 1.0)
    atoms = crystal(8, "Na", "Cl", repeat=(2, 1, 1))
    blocks = basis.invariants(atoms).reshape(len(atoms), 2, -1)
    compact = blocks[np.arange(len(atoms)), basis.species_index(atoms)]
    single = {f.channels[0]: compact[:, k] for k, f in enumerate(basis.functions) if f.order == 1}
    assert {f.order for f in basis.functions} == {1, 3, 4}
    for k, function in enumerate(basis.functions):
        expected = np.prod([single[channel] for channel in function.channels], axis=0)
        np.testing.assert_allclose(compact[:, k], expected, rtol=1e-10, atol=1e-14)


def test_energy_force_and_curvature_are_continuous_as_an_atom_crosses_the_cutoff():
    """Near r_c the functions change as (r_c - r)³ and forces as its square, so curvature goes to zero linearly."""
    basis = AceBasis(("Si",), CUTOFF, (6, 6, 5, 4), (0, 3, 2, 2), 1.0)
    direction = np.array([-0.6, -0.64, 0.48])

    def rows(gap):
        crossing = (CUTOFF - gap) * direction
        atoms = Atoms("Si4", positions=[(0, 0, 0), (2.3, 0.1, 0), (0.2, 2.2, 0.3), crossing])
        return basis.invariants(atoms)[0], basis.rows(atoms)[1][-3:]

    gaps = (4e-3, 2e-3, 1e-3)
    outside, no_force = rows(-1e-9)
    assert np.all(no_force == 0.0)
    values = [np.abs(rows(gap)[0] - outside).max() for gap in gaps]
    forces = [np.abs(rows(gap)[1]).max() for gap in gaps]
    assert [large / small for large, small in pairwise(values)] == pytest.approx([8, 8], rel=0.05)
    assert [large / small for large, small in pairwise(forces)] == pytest.approx([4, 4], rel=0.05)
