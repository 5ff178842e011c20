"""The head in numpy: derivatives, files, and the trainable twin."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from pesforge.errors import DataError
from pesforge.potentials.ensemble import HeadEnsemble
from pesforge.potentials.head import NeuralHead
from pesforge.training.config import ModelConfig
from pesforge.training.module import HeadNetwork


def random_head(activation: str = "silu", depth: int = 2, seed: int = 0) -> NeuralHead:
    rng = np.random.default_rng(seed)
    widths = [5, *[7] * depth]
    return NeuralHead(
        mean=rng.normal(size=5),
        scale=rng.uniform(0.5, 2.0, 5),
        linear=rng.normal(size=5),
        weights=tuple(rng.normal(size=(b, a)) for a, b in pairwise(widths)),
        biases=tuple(rng.normal(size=b) for b in widths[1:]),
        output=rng.normal(size=7 if depth else 0),
        zeros=rng.normal(size=2),
        activation=activation,
    )


@pytest.mark.parametrize("activation", ["silu", "tanh"])
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_gradient_is_the_finite_difference_of_the_energies(activation: str, depth: int) -> None:
    head = random_head(activation, depth)
    rho = np.random.default_rng(1).normal(size=(6, 5))
    _, gradient = head.energies_and_gradient(rho)
    step = 1e-5
    for column in range(5):
        moved = [head.energies_and_gradient(rho + sign * step * np.eye(5)[column])[0] for sign in (1, -1)]
        np.testing.assert_allclose(gradient[:, column], (moved[0] - moved[1]) / (2 * step), atol=1e-8)


def test_head_without_layers_is_linear() -> None:
    head = random_head(depth=0)
    rho = np.random.default_rng(1).normal(size=(4, 5))
    energies, _ = head.energies_and_gradient(rho)
    np.testing.assert_allclose(energies, (rho - head.mean) / head.scale @ head.linear, rtol=1e-13)


def test_saved_head_is_the_same_and_its_files_are_repeatable(tmp_path: Path) -> None:
    head = random_head()
    for name in ("a", "b"):
        head.save(tmp_path / name)
    loaded = NeuralHead.load(tmp_path / "a")
    rho = np.random.default_rng(1).normal(size=(4, 5))
    for before, after in zip(head.energies_and_gradient(rho), loaded.energies_and_gradient(rho), strict=True):
        np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(loaded.zeros, head.zeros)
    for file in ("head.safetensors", "head.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_files_of_two_heads_are_not_mixed(tmp_path: Path) -> None:
    random_head(seed=0).save(tmp_path / "a")
    random_head(seed=1).save(tmp_path / "b")
    (tmp_path / "a" / "head.safetensors").write_bytes((tmp_path / "b" / "head.safetensors").read_bytes())
    with pytest.raises(DataError, match="does not belong"):
        NeuralHead.load(tmp_path / "a")


def test_torn_or_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        NeuralHead.load(tmp_path)
    random_head().save(tmp_path)
    content = (tmp_path / "head.safetensors").read_bytes()
    (tmp_path / "head.safetensors").write_bytes(content[:100])
    with pytest.raises(DataError):
        NeuralHead.load(tmp_path)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(DataError, match="fit together"):
        replace(random_head(), output=np.zeros(3))
    with pytest.raises(DataError, match="takes 5 projections"):
        random_head().energies_and_gradient(np.zeros((3, 4)))


def test_a_thinned_head_is_a_head_of_the_remaining_neurons() -> None:
    """Neurons of rate 0 all stay; otherwise the thinned head equals the twin of the training with the same neurons."""
    head = random_head()
    rho = np.random.default_rng(1).normal(size=(4, 5))
    whole = head.thinned(0.0, np.random.default_rng(2))
    np.testing.assert_array_equal(whole.energies_and_gradient(rho)[0], head.energies_and_gradient(rho)[0])
    thin = head.thinned(0.5, np.random.default_rng(2))
    energies, gradient = thin.energies_and_gradient(rho)
    network = HeadNetwork(
        ModelConfig(width=7, depth=2, activation="silu", linear=True, dropout=0.5), head.mean, head.scale
    )
    with torch.no_grad():
        network.linear.copy_(torch.from_numpy(head.linear))
        network.output.copy_(torch.from_numpy(head.output))
        for layer, weight, bias in zip(network.hidden, head.weights, head.biases, strict=True):
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
        with network.thinned(np.random.default_rng(2)):
            twin = network(torch.from_numpy(rho))
        unthinned = network(torch.from_numpy(rho))
    np.testing.assert_allclose(twin[0].numpy(), energies, rtol=1e-12)
    np.testing.assert_allclose(twin[1].numpy(), gradient, rtol=1e-12)
    np.testing.assert_allclose(unthinned[0].numpy(), head.energies_and_gradient(rho)[0], rtol=1e-12)
    mean = np.mean([head.thinned(0.5, np.random.default_rng(seed)).output for seed in range(4000)], axis=0)
    np.testing.assert_allclose(mean, head.output, atol=0.1)


def test_an_ensemble_is_the_mean_and_is_stored_member_by_member(tmp_path: Path) -> None:
    ensemble = HeadEnsemble((random_head(seed=1), random_head(seed=2), random_head("tanh", 1, seed=3)))
    ensemble.save(tmp_path)
    loaded = HeadEnsemble.load(tmp_path, 3)
    rho = np.random.default_rng(1).normal(size=(4, 5))
    parts = [head.energies_and_gradient(rho) for head in ensemble.members]
    for number, found in enumerate(loaded.energies_and_gradient(rho)):
        np.testing.assert_allclose(found, sum(part[number] for part in parts) / 3, rtol=1e-13)
    np.testing.assert_allclose(loaded.zeros, sum(head.zeros for head in ensemble.members) / 3)
    with pytest.raises(DataError, match="two heads"):
        HeadEnsemble((random_head(),))
