"""The loss against numbers made by hand, and Reg-M against quadrature."""

from typing import Any

import numpy as np
import pytest
import torch
from synthetic import projection_set, random_cells

from pesforge.training.config import TrainConfig
from pesforge.training.data import ProjectedData, Targets
from pesforge.training.loss import (
    Prediction,
    data_loss,
    mollified_gradient,
    mollifier_samples,
    predict,
    weighted_residuals,
    zero_solver,
)
from pesforge.training.module import HeadNetwork

P = 3


@pytest.fixture
def data() -> ProjectedData:
    cells = random_cells(3, 5)
    rng = np.random.default_rng(0)
    stress = rng.normal(size=18)
    stress[:7] = np.nan
    targets = Targets(rng.normal(size=3), rng.normal(size=72), stress)
    return ProjectedData(projection_set(cells, P), targets, np.full((3, 1), 8.0))


def network_with(config: dict[str, Any], **changes: Any) -> HeadNetwork:
    torch.manual_seed(1)
    model = TrainConfig.model_validate(config | {"model": config["model"] | changes}).model
    network = HeadNetwork(model, np.zeros(P), np.ones(P))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.5 * torch.randn_like(parameter))
    return network


def test_loss_is_the_weighted_mean_of_squares(data: ProjectedData, small_config: dict[str, Any]) -> None:
    batch = data[np.arange(3)]
    rng = np.random.default_rng(1)
    prediction = Prediction(*(torch.from_numpy(rng.normal(size=shape)) for shape in [(3,), (24, 3), (3, 6)]))
    weights = {"w_energy": 3.0, "w_force": 5.0, "w_stress": 7.0}
    loss_config = TrainConfig.model_validate(small_config | {"loss": small_config["loss"] | weights}).loss
    found = data_loss(prediction, batch, torch.tensor([0.25], dtype=torch.float64), loss_config)
    energy = (prediction.energy.numpy() - batch.energy.numpy()) / 8 + 0.25
    force = prediction.forces.numpy() - batch.forces.numpy()
    stress = (prediction.stress.numpy() - batch.stress.numpy()).ravel()[7:]
    expected = 3 * np.mean(energy**2) + 5 * np.mean(force**2) + 7 * np.mean(stress**2)
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_squares_of_a_structure_weigh_by_its_emphasis(data: ProjectedData, small_config: dict[str, Any]) -> None:
    """A structure of weight 0 does not count, neither in the loss nor in the energy zero."""
    emphasis = torch.tensor([[2.0, 3.0, 4.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]], dtype=torch.float64)
    batch = data[np.arange(3)]._replace(emphasis=emphasis)
    rng = np.random.default_rng(1)
    prediction = Prediction(*(torch.from_numpy(rng.normal(size=shape)) for shape in [(3,), (24, 3), (3, 6)]))
    config = TrainConfig.model_validate(small_config).loss
    solver = zero_solver(batch)
    assert solver[0, 1] == 0.0
    residual = torch.tensor([1.0, 50.0, 4.0], dtype=torch.float64)
    assert float(solver @ residual) == pytest.approx((2 * 1.0 + 4.0) / 3)
    zeros = torch.zeros(1, dtype=torch.float64)
    found = float(data_loss(prediction, batch, zeros, config))
    changed = prediction._replace(
        energy=prediction.energy + torch.tensor([0.0, 9.0, 0.0]),
        forces=prediction.forces + 9.0 * (batch.structure == 1)[:, None],
    )
    assert float(data_loss(changed, batch, zeros, config)) == pytest.approx(found, rel=1e-12)
    assert sum(float(part.square().sum()) for part in weighted_residuals(prediction, batch, zeros, config)) == (
        pytest.approx(found, rel=1e-12)
    )


def test_loss_without_any_stress_label_is_finite(data: ProjectedData, small_config: dict[str, Any]) -> None:
    batch = data[np.array([0])]
    network = network_with(small_config)
    loss = data_loss(
        predict(network, batch),
        batch,
        torch.zeros(1, dtype=torch.float64),
        TrainConfig.model_validate(small_config).loss,
    )
    loss.backward()
    assert bool(torch.isfinite(loss))
    assert all(bool(torch.isfinite(parameter.grad).all()) for parameter in network.parameters())


def test_zero_is_the_mean_residual_of_one_composition(data: ProjectedData) -> None:
    batch = data[np.arange(3)]
    zeros = zero_solver(batch) @ (batch.energy / batch.n_atoms)
    assert float(zeros[0]) == pytest.approx(float((batch.energy / 8).mean()), abs=1e-14)


def test_zeros_of_one_compound_are_finite(data: ProjectedData) -> None:
    batch = data[np.arange(3)]._replace(counts=torch.full((3, 2), 4.0, dtype=torch.float64))
    zeros = zero_solver(batch) @ torch.full((3,), 1.5, dtype=torch.float64)
    np.testing.assert_allclose(zeros.numpy(), [1.5, 1.5], atol=1e-12)


@pytest.mark.parametrize(("kernel", "spread"), [("gaussian", 1.0), ("bump", 0.3974)])
def test_samples_follow_the_mollifier(kernel: str, spread: float) -> None:
    draws = mollifier_samples(kernel, 0.2, (200_000,), np.random.default_rng(0))
    assert abs(draws.mean()) < 1e-3
    assert draws.std() == pytest.approx(0.2 * spread, rel=0.01)
    if kernel == "bump":
        assert np.abs(draws).max() < 0.2
        x = np.linspace(-1, 1, 20_001)[1:-1]
        density = np.exp(-1 / (1 - x**2))
        inner = density[np.abs(x) < 0.3].sum() / density.sum()
        assert np.mean(np.abs(draws) < 0.06) == pytest.approx(inner, abs=0.005)


def test_regulariser_of_a_linear_head_is_its_squared_force(data: ProjectedData, small_config: dict[str, Any]) -> None:
    batch = data[np.arange(3)]
    network = network_with(small_config, depth=0)
    moves = torch.from_numpy(mollifier_samples("gaussian", 0.1, (3, 24, 3), np.random.default_rng(0)))
    forces = predict(network, batch).forces.detach()
    expected = forces.square().sum(dim=1).mean()
    assert float(mollified_gradient(network, batch, moves).detach()) == pytest.approx(float(expected), rel=1e-12)


def test_regulariser_converges_to_the_integral(data: ProjectedData, small_config: dict[str, Any]) -> None:
    """One displaced coordinate: Monte Carlo against Gauss-Hermite quadrature."""
    batch = data[np.array([0])]
    network = network_with(small_config)
    sigma = 0.4

    def value(shifts: np.ndarray) -> list[float]:
        moves = torch.zeros(len(shifts), 8, 3, dtype=torch.float64)
        moves[:, 2, 1] = torch.from_numpy(shifts)
        with torch.no_grad():
            return [float(mollified_gradient(network, batch, move[None])) for move in moves]

    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    exact = np.dot(weights, value(sigma * nodes)) / weights.sum()
    sampled = np.mean(value(mollifier_samples("gaussian", sigma, (4000,), np.random.default_rng(0))))
    undisplaced = value(np.zeros(1))[0]
    assert sampled == pytest.approx(exact, rel=0.001)
    assert abs(undisplaced - exact) > 0.005 * exact


def test_regulariser_moves_the_projections_along_their_derivatives(
    data: ProjectedData, small_config: dict[str, Any]
) -> None:
    """A rigid translation leaves the projections where they are."""
    batch = data[np.arange(3)]
    network = network_with(small_config)
    still = torch.zeros(1, 24, 3, dtype=torch.float64)
    expected = float(mollified_gradient(network, batch, still).detach())
    assert float(mollified_gradient(network, batch, still + 0.3).detach()) == pytest.approx(expected, rel=1e-9)
    apart = still.clone()
    apart[0, 0, 0] = 0.3
    assert float(mollified_gradient(network, batch, apart).detach()) != pytest.approx(expected, rel=1e-3)
