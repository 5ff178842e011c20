"""The quadratic head: its form from products, its gradient, its zero, its file; a potential that holds one."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from safetensors.numpy import save_file

from pesforge import load_potential
from pesforge.cli import main
from pesforge.errors import DataError
from pesforge.export import Potential, save_model
from pesforge.potentials.head import NeuralHead
from pesforge.potentials.posterior import Posterior
from pesforge.potentials.quadratic_head import TENSORS, QuadraticHead
from pesforge.representations.ace import AceBasis

COUNT = 3


def head(seed=0):
    rng = np.random.default_rng(seed)
    return QuadraticHead.of_products(rng.normal(size=COUNT), rng.normal(size=COUNT * (COUNT + 1) // 2))


def potential(posterior=False):
    rng = np.random.default_rng(1)
    basis = AceBasis(("Cu",), 4.5, (4, 3, 2), (0, 2, 1))
    known = Posterior(rng.normal(size=(basis.n_functions + head().n_products + 1, 5)), 0.3) if posterior else None
    matrix = rng.normal(size=(basis.n_functions, COUNT)) / basis.n_functions
    zeros = {"Cu": -1.0}
    coefficients = rng.normal(size=basis.n_functions)
    return Potential("ace-quadratic", basis, coefficients, zeros, head(), matrix, np.zeros(COUNT), known)


def copper():
    atoms = bulk("Cu", "fcc", a=3.7, cubic=True)
    atoms.rattle(0.1, seed=2)
    return atoms


def test_energies_are_the_products_with_their_coefficients():
    rng = np.random.default_rng(0)
    mean, coefficients = rng.normal(size=COUNT), rng.normal(size=6)
    made, rho = QuadraticHead.of_products(mean, coefficients), rng.normal(size=(7, COUNT))
    energies, _ = made.energies_and_gradient(rho)
    np.testing.assert_allclose(energies + made.shift_ev, made.products(rho) @ coefficients, rtol=1e-12)
    assert made.energies_and_gradient(np.zeros((1, COUNT)))[0] == pytest.approx(0.0, abs=1e-14)


def test_gradient():
    rho, step = np.random.default_rng(3).normal(size=(4, COUNT)), 1e-6
    _, gradient = head().energies_and_gradient(rho)
    for column in range(COUNT):
        moved = np.zeros(COUNT)
        moved[column] = step
        ends = [head().energies_and_gradient(rho + sign * moved)[0] for sign in (1, -1)]
        np.testing.assert_allclose(gradient[:, column], (ends[0] - ends[1]) / (2 * step), atol=1e-8)


def test_the_stored_potential_is_the_same(tmp_path):
    model = potential(posterior=True)
    save_model(tmp_path / "a", model, {})
    again = load_potential(tmp_path / "a").potential
    assert again.kind == "ace-quadratic"
    assert again.facts()["projections"] == COUNT
    for mine, stored in zip(model.evaluate(copper()), again.evaluate(copper()), strict=True):
        np.testing.assert_array_equal(mine, stored)
    assert again.uncertainty(copper()).energy_sigma_ev == pytest.approx(
        model.uncertainty(copper()).energy_sigma_ev, rel=1e-5
    )


def test_uncertainty_counts_the_products():
    model, atoms = potential(posterior=True), copper()
    invariants = model.basis.invariants(atoms)
    rows = np.hstack([invariants, model.head.products(invariants @ model.matrix), np.ones((len(atoms), 1))])
    expected = np.linalg.norm(rows @ model.posterior.whitening, axis=1) ** 2
    np.testing.assert_allclose(model.uncertainty(atoms).leverage, expected, rtol=1e-12)


def test_deviations_of_forces_are_those_of_the_derivatives_of_all_rows():
    """Differences of the whitened sum of invariants and products with moved atoms give the rows of the forces."""
    model, step = potential(posterior=True), 1e-5
    model = replace(model, posterior=replace(model.posterior, force_scale=0.7, stress_scale=0.2))

    def whitened(atoms):
        invariants = model.basis.invariants(atoms)
        rows = np.hstack([invariants, model.head.products(invariants @ model.matrix)])
        return rows.sum(axis=0) @ model.posterior.whitening[:-1]

    atoms = copper()
    found = model.uncertainty(atoms, forces=True)
    for i, axis in ((0, 0), (2, 1), (3, 2)):
        ends = []
        for sign in (1, -1):
            moved = copper()
            moved.positions[i, axis] += sign * step
            ends.append(whitened(moved))
        slope = np.linalg.norm(ends[0] - ends[1]) / (2 * step)
        assert found.force_sigma_ev_per_ang[i, axis] == pytest.approx(0.7 * slope, rel=1e-6)
    ends = []
    for sign in (1, -1):
        strained = copper()
        strained.set_cell(strained.cell.array @ np.diag([1 + sign * step, 1, 1]), scale_atoms=True)
        ends.append(whitened(strained))
    slope = np.linalg.norm(ends[0] - ends[1]) / (2 * step) / atoms.get_volume()
    assert found.stress_sigma_ev_per_ang3[0] == pytest.approx(0.2 * slope, rel=1e-6)


def test_wrong_parts_are_refused(tmp_path):
    with pytest.raises(DataError, match="does not fit to"):
        QuadraticHead(np.zeros(2), np.eye(3))
    with pytest.raises(DataError, match="symmetric"):
        QuadraticHead(np.zeros(2), np.array([[1.0, 0.5], [0.0, 1.0]]))
    with pytest.raises(DataError, match="takes 3 projections"):
        head().energies_and_gradient(np.zeros((2, 4)))
    with pytest.raises(DataError, match="cannot be read"):
        QuadraticHead.load(tmp_path)
    save_file({"mean": np.zeros(2)}, tmp_path / TENSORS)
    with pytest.raises(DataError, match="form"):
        QuadraticHead.load(tmp_path)
    model = potential()
    parts = (model.basis, model.coefficients, model.zeros)
    with pytest.raises(DataError, match="needs a head"):
        Potential("ace-quadratic", *parts)
    with pytest.raises(DataError, match="QuadraticHead does not belong to the kind ace-neural"):
        Potential("ace-neural", *parts, model.head, model.matrix, model.offset)
    neural = NeuralHead(np.zeros(3), np.ones(3), np.zeros(3), (), (), np.zeros(0), np.zeros(1), "silu")
    with pytest.raises(DataError, match="NeuralHead does not belong to the kind ace-quadratic"):
        Potential("ace-quadratic", *parts, neural, model.matrix, model.offset)
    with pytest.raises(DataError, match="6 products"):
        Potential("ace-quadratic", *parts, model.head, model.matrix, model.offset, Posterior(np.zeros((3, 1)), 1.0))


def test_lammps_cannot_run_it(tmp_path, capsys):
    save_model(tmp_path / "a", potential(), {})
    assert main(["lammps", str(tmp_path / "a")]) == 1
    said = capsys.readouterr().err
    assert "runs potentials of the kind ace-linear, not ace-quadratic" in said
    assert "--model ace" in said
    assert not list((tmp_path / "a").glob("**/*.yace"))
