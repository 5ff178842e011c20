"""The compiled products against sums written out, and their derivatives against finite differences."""

import numpy as np
import torch
from synthetic import projection_set, random_cells

from pesforge.training.data import Batch, ProjectedData, Targets
from pesforge.training.pulls import changes_of, forces_of

P = 3


def batch() -> Batch:
    data = ProjectedData(
        projection_set(random_cells(2, 5), P), Targets(np.zeros(2), np.zeros(48), np.zeros(12)), np.full((2, 1), 8.0)
    )
    return data[np.arange(2)]


def test_both_products_are_the_sums_over_edges() -> None:
    given, rng = batch(), np.random.default_rng(0)
    slope, moves = torch.from_numpy(rng.normal(size=(2, 16, P))), torch.from_numpy(rng.normal(size=(2, 16, 3)))
    forces, changes = np.zeros((2, 16, 3)), np.zeros((2, 16, P))
    for jacobian, i, j in zip(given.gradient.numpy(), given.centre, given.neighbour, strict=True):
        forces[:, j] -= slope[:, i].numpy() @ jacobian.T
        changes[:, i] += moves[:, j].numpy() @ jacobian
    np.testing.assert_allclose(forces_of(given, slope).numpy(), forces, atol=1e-12)
    np.testing.assert_allclose(changes_of(given, moves).numpy(), changes, atol=1e-12)
    np.testing.assert_allclose(forces_of(given, slope[1]).numpy(), forces[1], atol=1e-12)


def test_derivatives_go_through_forces_of_any_layout() -> None:
    given = batch()
    slope = torch.randn(P, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).T.requires_grad_()
    strided = given._replace(gradient=torch.stack([given.gradient, given.gradient], dim=-1)[..., 0])
    assert torch.autograd.gradcheck(lambda values: forces_of(strided, values), (slope,))
    assert torch.autograd.gradcheck(lambda values: forces_of(given, values.expand(2, -1, -1)), (slope,))
