from dataclasses import fields

import numpy as np
import pytest
from ase.build import bulk, molecule

from pesforge.errors import DataError
from pesforge.representations.ace import AceBasis
from pesforge.representations.projections import ProjectionSet, project_all

BASIS = AceBasis(("C", "H"), 3.0, (3, 3, 3), (0, 2, 2), 1.0)
MATRIX = np.random.default_rng(1).normal(size=(BASIS.n_functions, 3))


def frames():
    result = [bulk("C", "diamond", 3.6, cubic=True), molecule("CH4"), bulk("C", "diamond", 3.5)]
    for s, atoms in enumerate(result):
        atoms.rattle(0.05, seed=s)
    return result


def assert_equal(first, second):
    for field in fields(ProjectionSet):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name))


def test_linear_column_gives_the_forces_and_stress_of_the_rows():
    structures = frames()
    projections = project_all(structures, BASIS, MATRIX)
    forces = np.zeros((len(projections.rho), 3))
    np.add.at(forces, projections.neighbour, -projections.gradient[:, :, 0])
    for s, atoms in enumerate(structures):
        inside = projections.structure == s
        energy, force_rows, stress_rows = BASIS.rows(atoms)
        coefficients = MATRIX[:, 0]
        assert projections.rho[inside, 0].sum() == pytest.approx(energy @ coefficients, rel=1e-11)
        np.testing.assert_allclose(forces[inside].ravel(), force_rows @ coefficients, atol=1e-11)
        stress = projections.strain[inside, :, 0].sum(axis=0) / projections.volumes[s]
        np.testing.assert_allclose(stress, stress_rows @ coefficients, atol=1e-12)
        np.testing.assert_array_equal(projections.species[inside], BASIS.species_index(atoms))
    assert np.all(projections.structure[projections.centre] == projections.structure[projections.neighbour])


@pytest.mark.parametrize("chosen", [[2, 0], [1]])
def test_selecting_structures_equals_projecting_them_alone(chosen):
    structures = frames()
    selected = project_all(structures, BASIS, MATRIX).select(np.array(chosen))
    assert_equal(selected, project_all([structures[s] for s in chosen], BASIS, MATRIX))


def test_saved_projections_come_back_and_have_equal_bytes(tmp_path):
    projections = project_all(frames(), BASIS, MATRIX)
    projections.save(tmp_path / "a.npz")
    ProjectionSet.load(tmp_path / "a.npz").save(tmp_path / "b.npz")
    assert_equal(ProjectionSet.load(tmp_path / "b.npz"), projections)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_progress_counts_and_errors_name_the_structure():
    calls = []
    project_all(frames(), BASIS, MATRIX, lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(DataError, match="Structure 1 of 3"):
        project_all(frames(), AceBasis(("C",), 3.0, (3,), (0,), 1.0), np.ones((4, 1)))
    with pytest.raises(DataError, match="at least one"):
        project_all([], BASIS, MATRIX)
