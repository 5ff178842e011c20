"""What a head adds, in numpy, against the trained network; draws of dropout against heads of their own."""

from dataclasses import replace

import numpy as np
import torch
from synthetic import projection_set, random_cells

from pesforge.metrics import Residuals
from pesforge.training.config import ModelConfig
from pesforge.training.data import ProjectedData, Targets
from pesforge.training.dropout import contribution, thinned_residuals
from pesforge.training.loss import predict
from pesforge.training.module import HeadNetwork

COUNT = 5


def network_and_data(small_config):
    cells = random_cells(4, seed=0)
    projections = projection_set(cells, COUNT)
    sizes = np.diff(projections.atom_offsets)
    counts = sizes[:, None].astype(float)
    rng = np.random.default_rng(0)
    targets = Targets(rng.normal(size=4), rng.normal(size=3 * sizes.sum()), rng.normal(size=24))
    data = ProjectedData(projections, targets, counts)
    torch.manual_seed(0)
    network = HeadNetwork(ModelConfig.model_validate(small_config["model"]), *data.scaling(np.arange(4)))
    torch.nn.init.normal_(network.output)
    torch.nn.init.normal_(network.linear)
    return network, data, projections, counts


def without_last(projections):
    return replace(
        projections,
        rho=projections.rho[:, :-1],
        gradient=projections.gradient[:, :, :-1],
        strain=projections.strain[:, :, :-1],
    )


def test_the_contribution_of_a_head_is_that_of_the_network(small_config):
    network, data, projections, counts = network_and_data(small_config)
    with torch.no_grad():
        wanted = predict(network, data[np.arange(4)])
    head = network.export(torch.tensor([0.7], dtype=torch.float64))
    found = contribution(head, without_last(projections), counts)
    sizes = np.diff(projections.atom_offsets)
    np.testing.assert_allclose(found.energy, wanted.energy.numpy() / sizes + 0.7)
    np.testing.assert_allclose(found.forces, wanted.forces.numpy().ravel(), atol=1e-12)
    np.testing.assert_allclose(found.stress, wanted.stress.numpy().ravel(), atol=1e-12)


def test_residuals_of_draws_differ_from_those_of_all_neurons_by_what_is_left_out(small_config):
    network, _, projections, counts = network_and_data(small_config)
    head, part = network.export(torch.zeros(1, dtype=torch.float64)), without_last(projections)
    sizes, rng = np.diff(projections.atom_offsets), np.random.default_rng(1)
    found = Residuals(rng.normal(size=4), rng.normal(size=3 * sizes.sum()), np.full(24, np.nan), sizes)
    draws = [head.thinned(0.3, rng) for _ in range(3)]
    thinned = thinned_residuals(head, draws, found, part, counts)
    expected = found.energy + contribution(draws[0], part, counts).energy - contribution(head, part, counts).energy
    np.testing.assert_allclose(thinned[0].energy, expected)
    assert np.isnan(thinned[0].stress).all()
    shallow = [own.forces - found.forces for own in thinned_residuals(head, [head], found, part, counts)]
    np.testing.assert_allclose(shallow[0], 0.0, atol=1e-12)
