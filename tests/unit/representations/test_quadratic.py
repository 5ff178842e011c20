"""Products of projections: their rows against finite differences and sums over atoms, their order, their shapes."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from pesforge.errors import DataError
from pesforge.representations.ace import AceBasis
from pesforge.representations.quadratic import QuadraticBasis, product_pairs
from pesforge.representations.stacked import StackedBasis

NEAR = AceBasis(("Au", "Cu"), 4.0, (3, 3, 2), (0, 2, 2), 1.0, ((0.7, 0.7), (0.7, -0.7)), (0.0, 1.0))
BASES = {"one part": NEAR, "two parts": StackedBasis((NEAR, AceBasis(("Au", "Cu"), 5.0, (4, 3), (0, 1))))}
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
COUNT = 3


def crystal() -> Atoms:
    """Shorter than the cutoff, so that atoms meet several images of one another and of themselves."""
    atoms = bulk("Cu", "fcc", a=3.9, cubic=True)
    atoms.symbols[0] = "Au"
    atoms.rattle(0.12, seed=1)
    return atoms


def molecule() -> Atoms:
    """Atoms with different numbers of neighbours, one with none."""
    return Atoms("CuAuCu2", positions=[[0, 0, 0], [2.5, 0.1, 0], [4.9, 0.5, 0.2], [30, 0, 0]])


@pytest.fixture(params=list(BASES))
def basis(request: pytest.FixtureRequest) -> QuadraticBasis:
    linear, rng = BASES[request.param], np.random.default_rng(0)
    return QuadraticBasis(linear, rng.normal(size=(linear.n_functions, COUNT)), rng.normal(size=COUNT))


def test_energy_rows_are_sums_over_atoms(basis: QuadraticBasis) -> None:
    for atoms in (crystal(), molecule()):
        projected = basis.linear.invariants(atoms) @ basis.matrix - basis.mean
        expected = [sum(u[p] * u[q] for u in projected) for q in range(COUNT) for p in range(q + 1)]
        energy = basis.rows(atoms)[0]
        np.testing.assert_allclose(energy[basis.linear.n_functions :], expected, rtol=1e-12)
        np.testing.assert_array_equal(energy[: basis.linear.n_functions], basis.linear.rows(atoms)[0])


@pytest.mark.parametrize("make", [crystal, molecule])
def test_force_rows_are_derivatives(basis: QuadraticBasis, make) -> None:
    atoms, step = make(), 1e-4
    forces = basis.rows(atoms)[1]
    scale = np.abs(forces).max(axis=0) + 1.0
    for row in range(3 * len(atoms)):
        ends = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[row // 3, row % 3] += sign * step
            ends.append(basis.rows(moved)[0])
        np.testing.assert_allclose(forces[row] / scale, (ends[1] - ends[0]) / (2 * step) / scale, atol=2e-7)


def test_stress_rows_are_derivatives_by_strain(basis: QuadraticBasis) -> None:
    atoms, step = crystal(), 1e-5
    stress = basis.rows(atoms)[2]
    for component, (row, column) in enumerate(VOIGT):
        ends = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[row, column] += sign * step / 2
            strain[column, row] += sign * step / 2
            moved = atoms.copy()
            moved.set_cell(atoms.cell.array @ strain, scale_atoms=True)
            ends.append(basis.rows(moved)[0])
        slope = (ends[0] - ends[1]) / (2 * step) / atoms.get_volume()
        np.testing.assert_allclose(stress[component], slope, atol=1e-7 * (1 + np.abs(slope).max()))
    assert np.isnan(basis.rows(molecule())[2]).all()


def test_fewer_projections_come_first() -> None:
    first, second = product_pairs(4)
    assert list(zip(first.tolist(), second.tolist(), strict=True))[:3] == [(0, 0), (0, 1), (1, 1)]
    few = product_pairs(3)
    np.testing.assert_array_equal(first[: len(few[0])], few[0])
    np.testing.assert_array_equal(second[: len(few[1])], few[1])


def test_masks_and_shapes(basis: QuadraticBasis) -> None:
    assert [int(basis.product_mask(count).sum()) for count in range(COUNT + 1)] == [0, 1, 3, 6]
    assert len(basis.degree) == len(basis.order) == basis.n_functions == basis.linear.n_functions + 6
    with pytest.raises(DataError, match="do not project"):
        QuadraticBasis(basis.linear, basis.matrix, basis.mean[1:])
