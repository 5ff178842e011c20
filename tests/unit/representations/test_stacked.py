"""Stacked and mixed bases: columns, rows against finite differences, projections, and the plain description."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from pesforge.errors import DataError, SettingsError
from pesforge.io import canonical_json
from pesforge.representations.ace import AceBasis
from pesforge.representations.stacked import StackedBasis, basis_from_dict, stacked

SPECIES = ("Na", "Cl")
NEAR = AceBasis(SPECIES, 4.0, (-1, 4, 4, 3), (0, 3, 2, 1), 0.9, ((0.7, 0.7), (0.7, -0.7)), (0.0, 1.0))
FAR = AceBasis(SPECIES, 5.0, (5, 4), (0, 3))
BASES = {"stacked": StackedBasis((NEAR, FAR)), "mixed": NEAR}


def salt() -> Atoms:
    atoms = bulk("NaCl", "rocksalt", 5.4) * (2, 1, 1)
    atoms.rattle(0.15, seed=3)
    return atoms


@pytest.mark.parametrize("name", BASES)
def test_rows_are_derivatives_of_the_summed_invariants(name):
    basis, atoms, step = BASES[name], salt(), 1e-4
    energy, forces, stress = basis.rows(atoms)
    np.testing.assert_allclose(energy, basis.invariants(atoms).sum(axis=0), rtol=1e-12, atol=1e-12)
    scale = np.abs(forces).max()
    for row in (0, 4, 11):
        values = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions.ravel()[row] += sign * step
            values.append(basis.invariants(moved).sum(axis=0))
        np.testing.assert_allclose(forces[row], (values[1] - values[0]) / (2 * step), atol=1e-6 * scale)
    strained = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.set_cell(atoms.cell.array @ (np.eye(3) + sign * step * np.diag([0, 1, 0])), scale_atoms=True)
        strained.append(basis.invariants(moved).sum(axis=0))
    expected = (strained[0] - strained[1]) / (2 * step) / atoms.get_volume()
    np.testing.assert_allclose(stress[1], expected, atol=1e-6 * np.abs(stress).max())


@pytest.mark.parametrize("name", BASES)
def test_projections_carry_the_derivatives_of_rows(name):
    basis, atoms = BASES[name], salt()
    matrix = np.random.default_rng(0).normal(size=(basis.n_functions, 3))
    found = basis.project(atoms, matrix)
    np.testing.assert_allclose(found.rho, basis.invariants(atoms) @ matrix, rtol=1e-10, atol=1e-10)
    forces = np.zeros((len(atoms), 3, 3))
    np.add.at(forces, found.neighbour, -found.gradient)
    _, rows, stress = basis.rows(atoms)
    np.testing.assert_allclose(forces.reshape(-1, 3), rows @ matrix, atol=1e-10 * np.abs(rows @ matrix).max())
    np.testing.assert_allclose(found.strain.sum(axis=0) / found.volume, stress @ matrix, atol=1e-10)


def test_evaluation_adds_what_the_parts_give():
    basis, atoms = BASES["stacked"], salt()
    coefficients = np.random.default_rng(1).normal(size=basis.n_functions)
    energies, forces, stress = basis.evaluate(
        atoms, lambda invariants: (invariants @ coefficients, np.tile(coefficients, (len(invariants), 1)))
    )
    energy_row, force_rows, stress_rows = basis.rows(atoms)
    assert energies.sum() == pytest.approx(energy_row @ coefficients, rel=1e-12)
    np.testing.assert_allclose(forces.ravel(), force_rows @ coefficients, atol=1e-9)
    np.testing.assert_allclose(stress, stress_rows @ coefficients, atol=1e-10)


def test_mixed_channels_are_weighted_sums_of_those_of_each_species():
    """Order 1 is linear in the densities, so a mixed function is the weighted sum of the resolved ones."""
    atoms, mixing = salt(), ((0.3, -1.2), (2.0, 0.5))
    mixed = AceBasis(SPECIES, 4.0, (3,), (0,), 1.0, mixing).invariants(atoms).reshape(4, 2, 4, 2)
    plain = AceBasis(SPECIES, 4.0, (3,), (0,)).invariants(atoms).reshape(4, 2, 4, 2)
    np.testing.assert_allclose(mixed, np.einsum("qz,icnz->icnq", mixing, plain), atol=1e-12)


def test_a_channel_of_higher_degree_takes_part_in_fewer_functions():
    counts = []
    for degree in (0.0, 2.0, 9.0):
        functions = AceBasis(SPECIES, 4.0, (4, 4), (0, 2), 1.0, ((1.0, 1.0), (1.0, -1.0)), (0.0, degree)).functions
        counts.append(len(functions))
        assert all(function.degree <= 4 for function in functions)
    assert counts[0] > counts[1] > counts[2] == len(AceBasis(("Na",), 4.0, (4, 4), (0, 2)).functions)


@pytest.mark.parametrize("name", BASES)
def test_a_dictionary_gives_an_equal_basis(name):
    basis = BASES[name]
    again = basis_from_dict(basis.to_dict())
    assert again == basis
    assert canonical_json(again.to_dict()) == canonical_json(basis.to_dict())


def test_one_part_alone_is_not_stacked():
    assert stacked((NEAR,)) is NEAR
    assert stacked((NEAR, FAR)) == StackedBasis((NEAR, FAR))


def test_parts_that_do_not_belong_together_are_refused():
    with pytest.raises(SettingsError, match="same species"):
        StackedBasis((FAR, AceBasis(("Si",), 4.0, (3,), (0,))))
    with pytest.raises(SettingsError, match="two parts"):
        StackedBasis((FAR,))
    with pytest.raises(DataError, match="shape"):
        BASES["stacked"].project(salt(), np.ones((2, 2)))


@pytest.mark.parametrize(
    "changes",
    [
        {"mixing": ()},
        {"mixing": ((1.0,),)},
        {"mixing": ((1.0, float("nan")),)},
        {"channel_degrees": (1.0,)},
        {"channel_degrees": (1.0, -1.0)},
    ],
)
def test_mixings_that_do_not_fit_the_species_are_refused(changes):
    with pytest.raises(SettingsError):
        AceBasis(SPECIES, 4.0, (3,), (0,), **changes)
