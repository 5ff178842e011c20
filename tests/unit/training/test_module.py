"""The trainable head: forces and stresses are derivatives of its energy, and it starts at the linear potential."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from synthetic import VOIGT, Cell, projected, projection_set, random_cells

from pesforge.errors import DataError
from pesforge.representations.ace import AceBasis
from pesforge.representations.projections import project_all
from pesforge.training.config import TrainConfig
from pesforge.training.data import EpochSampler, ProjectedData, Targets
from pesforge.training.loss import predict
from pesforge.training.module import HeadNetwork, PotentialModule

P = 4


def labels(cells: list[Cell], seed: int = 0) -> Targets:
    rng = np.random.default_rng(seed)
    atoms = sum(len(cell.positions) for cell in cells)
    return Targets(rng.normal(size=len(cells)), rng.normal(size=3 * atoms), rng.normal(size=6 * len(cells)))


def counts(cells: list[Cell]) -> np.ndarray:
    return np.array([[len(cell.positions)] for cell in cells], dtype=float)


def random_network(config: dict[str, Any], **changes: Any) -> HeadNetwork:
    torch.manual_seed(0)
    model = TrainConfig.model_validate(config | {"model": config["model"] | changes}).model
    network = HeadNetwork(model, np.linspace(0, 1, P), np.linspace(0.5, 1.5, P))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return network


def total_energy(network: HeadNetwork, cell: Cell) -> float:
    """Head and linear potential together, from the positions alone."""
    rho = projected(cell, P).rho
    with torch.no_grad():
        energies, _ = network(torch.from_numpy(rho[:, :-1]))
    return float(energies.sum()) + float(rho[:, -1].sum())


@pytest.mark.parametrize("activation", ["silu", "tanh"])
def test_forces_and_stress_are_finite_differences(small_config: dict[str, Any], activation: str) -> None:
    cells = [*random_cells(1, 1), *random_cells(1, 2, atoms=27)]
    zero = Targets(np.zeros(2), np.zeros(3 * 35), np.zeros(12))
    data = ProjectedData(projection_set(cells, P), zero, counts(cells))
    network = random_network(small_config, activation=activation)
    batch = data[np.array([1, 0])]
    prediction = predict(network, batch)
    forces = (prediction.forces - batch.forces).detach().numpy()
    stress = (prediction.stress - batch.stress).detach().numpy()
    energy = (prediction.energy - batch.energy).detach().numpy()
    step = 1e-4
    for place, (cell, first) in enumerate([(cells[1], 0), (cells[0], 27)]):
        assert energy[place] == pytest.approx(total_energy(network, cell), abs=1e-10)
        for atom, axis in [(0, 0), (3, 1), (7, 2)]:
            moved = []
            for sign in (1, -1):
                positions = cell.positions.copy()
                positions[atom, axis] += sign * step
                moved.append(total_energy(network, Cell(positions, cell.cell)))
            assert forces[first + atom, axis] == pytest.approx(-(moved[0] - moved[1]) / (2 * step), abs=2e-6)
        volume = abs(np.linalg.det(cell.cell))
        for component, (a, b) in enumerate(VOIGT):
            moved = []
            for sign in (1, -1):
                strain = np.eye(3)
                strain[a, b] += sign * step / 2
                strain[b, a] += sign * step / 2
                moved.append(total_energy(network, Cell(cell.positions @ strain, cell.cell @ strain)))
            expected = (moved[0] - moved[1]) / (2 * step) / volume
            assert stress[place, component] == pytest.approx(expected, abs=2e-6)


def test_forces_with_the_invariants_of_a_compound_are_finite_differences(small_config: dict[str, Any]) -> None:
    atoms = bulk("ZnS", "zincblende", a=5.4)
    atoms.rattle(0.1, seed=1)
    basis = AceBasis(species=("S", "Zn"), cutoff_ang=4.0, max_degree=(6, 4), l_max=(0, 2), l_weight=1.0)
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(basis.n_functions, P + 1)) / basis.n_functions
    network = random_network(small_config)

    def energy(frame: Atoms) -> float:
        data = ProjectedData(project_all([frame], basis, matrix), zero, np.array([[1.0, 1.0]]))
        batch = data[np.array([0])]
        return float((predict(network, batch).energy - batch.energy).detach()[0])

    zero = Targets(np.zeros(1), np.zeros(6), np.zeros(6))
    batch = ProjectedData(project_all([atoms], basis, matrix), zero, np.array([[1.0, 1.0]]))[np.array([0])]
    forces = (predict(network, batch).forces - batch.forces).detach().numpy()
    assert np.abs(forces).max() > 0.01
    for axis in range(3):
        moved = []
        for sign in (1, -1):
            frame = atoms.copy()
            frame.positions[1, axis] += sign * 1e-4
            moved.append(energy(frame))
        assert forces[1, axis] == pytest.approx(-(moved[0] - moved[1]) / 2e-4, abs=1e-6)


def test_net_force_vanishes(small_config: dict[str, Any]) -> None:
    cells = random_cells(1, 3)
    data = ProjectedData(projection_set(cells, P), labels(cells), counts(cells))
    forces = predict(random_network(small_config), data[np.array([0])]).forces
    assert float(forces.detach().abs().max()) > 0.1
    np.testing.assert_allclose(forces.detach().numpy().sum(axis=0), 0, atol=1e-11)


def test_exported_head_equals_the_network(small_config: dict[str, Any]) -> None:
    rho = np.random.default_rng(0).normal(size=(9, P))
    for changes in ({}, {"activation": "tanh"}, {"depth": 0}, {"linear": False, "depth": 3}):
        network = random_network(small_config, **changes)
        expected = network(torch.from_numpy(rho))
        found = network.export(torch.zeros(1, dtype=torch.float64)).energies_and_gradient(rho)
        for torch_value, value in zip(expected, found, strict=True):
            np.testing.assert_allclose(value, torch_value.detach().numpy(), rtol=0, atol=1e-10)


def test_written_out_derivative_equals_autograd(small_config: dict[str, Any]) -> None:
    network = random_network(small_config)
    rho = torch.randn(5, P, dtype=torch.float64, requires_grad=True)
    energies, gradient = network(rho)
    (expected,) = torch.autograd.grad(energies.sum(), rho)
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-12)


def test_training_starts_exactly_at_the_linear_potential(small_config: dict[str, Any]) -> None:
    cells = random_cells(3, 1)
    p = projection_set(cells, P)
    data = ProjectedData(p, labels(cells), counts(cells))
    config = TrainConfig.model_validate(small_config)
    every = np.arange(3)
    module = PotentialModule(HeadNetwork(config.model, *data.scaling(every)), config, data[every], 0, "run")
    prediction = predict(module.network, data[every])
    assert all(float(part.detach().abs().max()) == 0.0 for part in prediction)
    linear = np.bincount(p.structure, weights=p.rho[:, -1])
    mean_residual = np.mean((labels(cells).energy - linear) / 8)
    assert float(module.zeros[0]) == pytest.approx(mean_residual, abs=1e-13)


def test_energy_zeros_recover_planted_ones(small_config: dict[str, Any]) -> None:
    cells = random_cells(4, 1)
    p = projection_set(cells, P)
    species = np.array([[8.0, 0.0], [6.0, 2.0], [4.0, 4.0], [5.0, 3.0]])
    energy = np.bincount(p.structure, weights=p.rho[:, -1]) + species @ [-3.0, 2.0]
    data = ProjectedData(p, Targets(energy, np.zeros(96), np.zeros(24)), species)
    config = TrainConfig.model_validate(small_config)
    every = np.arange(4)
    module = PotentialModule(HeadNetwork(config.model, *data.scaling(every)), config, data[every], 0, "run")
    np.testing.assert_allclose(module.zeros.numpy(), [-3.0, 2.0], atol=1e-10)


def test_a_structure_does_not_depend_on_the_others_in_its_batch(small_config: dict[str, Any]) -> None:
    cells = [*random_cells(2, 1), *random_cells(1, 2, atoms=27)]
    data = ProjectedData(projection_set(cells, P), labels(cells), counts(cells))
    network = random_network(small_config)
    together, alone = predict(network, data[np.array([2, 0])]), predict(network, data[np.array([2])])
    torch.testing.assert_close(together.energy[:1], alone.energy, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(together.forces[:27], alone.forces, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(together.stress[:1], alone.stress, rtol=1e-12, atol=1e-12)


def test_missing_stress_and_volume_do_not_spoil_the_rest(small_config: dict[str, Any]) -> None:
    cells = random_cells(2, 1)
    p = projection_set(cells, P)
    p.volumes[1] = np.nan
    targets = labels(cells)
    targets.stress[2] = np.nan
    data = ProjectedData(p, targets, counts(cells))
    batch = data[np.arange(2)]
    assert batch.has_stress.sum() == 5
    assert all(bool(torch.isfinite(part).all()) for part in predict(random_network(small_config), batch))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("energy labels are not all finite", {"energy": np.array([1.0, np.nan])}),
        ("forces has shape", {"forces": np.zeros(47)}),
        ("stress has shape", {"stress": np.zeros(6)}),
    ],
)
def test_inconsistent_labels_are_refused(name: str, change: dict[str, np.ndarray]) -> None:
    cells = random_cells(2, 1)
    with pytest.raises(DataError, match=name):
        ProjectedData(projection_set(cells, P), replace(labels(cells), **change), counts(cells))


def test_batches_cover_an_epoch_and_repeat() -> None:
    def epoch(number: int) -> list[list[int]]:
        sampler = EpochSampler(np.arange(10, 20), 4, 7)
        sampler.set_epoch(number)
        return [batch.tolist() for batch in sampler]

    assert sorted(itertools.chain(*epoch(3))) == list(range(10, 20))
    assert [len(batch) for batch in epoch(3)] == [4, 3, 3]
    assert epoch(3) == epoch(3)
    assert epoch(3) != epoch(4)
