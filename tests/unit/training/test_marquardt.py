"""The optimiser of few parameters: it finds minima, never climbs, and survives what is not finite."""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from pesforge.training.marquardt import LevenbergMarquardt


def test_rosenbrock_valley() -> None:
    x = nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))

    def residuals() -> Tensor:
        return torch.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])

    optimizer = LevenbergMarquardt([x], residuals)
    losses = [float(residuals().square().sum().detach())]
    for _ in range(40):
        optimizer.step()
        losses.append(float(residuals().square().sum().detach()))
    assert all(after <= before for before, after in pairwise(losses))
    np.testing.assert_allclose(x.detach().numpy(), [1.0, 1.0], atol=1e-6)


def test_steps_into_what_is_not_finite_are_taken_back() -> None:
    x = nn.Parameter(torch.tensor([0.1], dtype=torch.float64))
    optimizer = LevenbergMarquardt([x], lambda: torch.log(x) + 1e-3 * x)
    for _ in range(30):
        optimizer.step()
    assert 0 < float(x.detach()) < 2
    assert abs(float((torch.log(x) + 1e-3 * x).detach())) < 1e-6


def test_parameters_without_influence_stay() -> None:
    x = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    idle = nn.Parameter(torch.tensor([7.0], dtype=torch.float64))
    optimizer = LevenbergMarquardt([x, idle], lambda: x - 1.0)
    for _ in range(10):
        optimizer.step()
    assert abs(float(x.detach()) - 1.0) < 1e-9
    assert float(idle.detach()) == 7.0
