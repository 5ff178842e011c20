"""Penalties on net force and torque; and a direct-force network, which the checks of a potential must refuse."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.cluster import Icosahedron

from pesforge.errors import DataError
from pesforge.representations.ace import AceBasis
from pesforge.representations.projections import project_all
from pesforge.settings import Tolerances
from pesforge.training.config import ModelConfig
from pesforge.training.conservation import net_force_penalty, net_torque_penalty
from pesforge.training.data import ProjectedData, Targets
from pesforge.training.direct import DirectCalculator, DirectSettings, fit_direct, pair_sums
from pesforge.training.loss import predict
from pesforge.training.module import HeadNetwork
from pesforge.validation.derivatives import derivative_checks
from pesforge.validation.symmetry import symmetry_checks

SETTINGS = DirectSettings(("Cu",), cutoff_ang=4.0, n_radial=4, width=12, epochs=150)


def clusters(count: int, seed: int) -> list[Atoms]:
    """Rattled clusters of 13 copper atoms with energies and forces of EMT."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(count):
        atoms = Icosahedron("Cu", 2)
        atoms.positions += rng.normal(scale=0.15, size=(13, 3))
        atoms.calc = EMT()
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **results)
        found.append(atoms)
    return found


def imbalance(calculator: DirectCalculator, frames: list[Atoms]) -> tuple[float, float, float]:
    """RMSE of force components, and the roots of the penalties on forces and torques."""
    predicted = [torch.from_numpy(calculator.get_forces(atoms)) for atoms in frames]
    errors = [forces.numpy() - atoms.get_forces() for forces, atoms in zip(predicted, frames, strict=True)]
    structure = torch.arange(len(frames)).repeat_interleave(13)
    sizes = torch.full((len(frames),), 13.0, dtype=torch.float64)
    positions = torch.from_numpy(np.concatenate([atoms.positions for atoms in frames]))
    joined = torch.cat(predicted)
    force = net_force_penalty(joined, structure, sizes)
    torque = net_torque_penalty(joined, positions, structure, sizes)
    return float(np.sqrt(np.mean(np.square(errors)))), float(force) ** 0.5, float(torque) ** 0.5


@pytest.fixture(scope="module")
def frames() -> list[Atoms]:
    return clusters(30, 1)


@pytest.fixture(scope="module")
def plain(frames: list[Atoms]) -> DirectCalculator:
    return fit_direct(frames[:20], SETTINGS, seed=3)


def test_penalties_are_the_formulas_and_their_gradients_are_right() -> None:
    rng = np.random.default_rng(0)
    forces, positions = rng.normal(size=(7, 3)), 5.0 + rng.normal(size=(7, 3))
    structure, sizes = torch.tensor([0, 1, 0, 0, 1, 1, 1]), torch.tensor([3.0, 4.0], dtype=torch.float64)
    net, torque = [], []
    for number in range(2):
        own = structure.numpy() == number
        arms = positions[own] - positions[own].mean(axis=0)
        net.append(np.sum(forces[own].sum(axis=0) ** 2) / (3 * own.sum()))
        torque.append(np.sum(np.cross(arms, forces[own]).sum(axis=0) ** 2) / (2 * np.sum(arms**2)))
    given, places = torch.from_numpy(forces).requires_grad_(), torch.from_numpy(positions)
    assert float(net_force_penalty(given, structure, sizes).detach()) == pytest.approx(np.mean(net), rel=1e-12)
    found = net_torque_penalty(given, places, structure, sizes)
    assert float(found.detach()) == pytest.approx(np.mean(torque), rel=1e-12)
    assert torch.autograd.gradcheck(lambda values: net_force_penalty(values, structure, sizes), (given,))
    assert torch.autograd.gradcheck(lambda values: net_torque_penalty(values, places, structure, sizes), (given,))


def test_independent_errors_have_their_variance_in_both_penalties() -> None:
    count = 4000
    rng = np.random.default_rng(1)
    forces, positions = (torch.from_numpy(rng.normal(scale=s, size=(9 * count, 3))) for s in (0.3, 2.0))
    structure, sizes = torch.arange(count).repeat_interleave(9), torch.full((count,), 9.0, dtype=torch.float64)
    assert float(net_force_penalty(forces, structure, sizes)) == pytest.approx(0.09, rel=0.05)
    assert float(net_torque_penalty(forces, positions, structure, sizes)) == pytest.approx(0.09, rel=0.05)


def test_an_invariant_potential_has_neither(frames: list[Atoms]) -> None:
    """A head on invariants has no net force and torque whatever its parameters are."""
    basis = AceBasis(("Cu",), 4.0, (4, 4), (0, 2))
    rng = np.random.default_rng(2)
    projections = project_all(frames[:2], basis, rng.normal(size=(basis.n_functions, 4)))
    data = ProjectedData(projections, Targets(np.zeros(2), np.zeros(78), np.full(12, np.nan)), np.full((2, 1), 13.0))
    config = ModelConfig(width=6, depth=2, activation="silu", linear=True, dropout=0.0)
    network = HeadNetwork(config, *data.scaling(np.arange(2)))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.from_numpy(rng.normal(size=parameter.shape)))
        batch = data[np.arange(2)]
        forces = predict(network, batch).forces
    positions = torch.from_numpy(np.concatenate([atoms.positions for atoms in frames[:2]]))
    size = float(forces.square().mean())
    assert float(net_force_penalty(forces, batch.structure, batch.n_atoms)) < 1e-20 * size
    assert float(net_torque_penalty(forces, positions, batch.structure, batch.n_atoms)) < 1e-20 * size


def test_the_penalties_lower_what_they_name_on_new_structures(frames: list[Atoms], plain: DirectCalculator) -> None:
    held = frames[20:]
    bound = fit_direct(frames[:20], replace(SETTINGS, lambda_force=30.0, lambda_torque=30.0), seed=3)
    before, after = imbalance(plain, held), imbalance(bound, held)
    assert after[1] < 0.6 * before[1]
    assert after[2] < 0.6 * before[2]
    assert after[0] < 1.5 * before[0]
    spread = np.std([atoms.get_forces() for atoms in held])
    assert before[0] < 0.5 * spread


def test_the_checks_refuse_it_for_what_it_breaks_alone(frames: list[Atoms], plain: DirectCalculator) -> None:
    """It turns, mirrors and permutes as it must; it is no gradient, makes energy on a loop and pushes itself."""
    found = {
        check.name: check.passed
        for check in (
            *symmetry_checks(Icosahedron("Cu", 2), plain, tolerances=Tolerances(), seed=1, repetitions=1),
            *derivative_checks(Icosahedron("Cu", 2), plain, tolerances=Tolerances(), seed=1, components=2, loops=2),
        )
    }
    failed = {name for name, passed in found.items() if passed is False}
    assert failed == {
        "net force",
        "net force on a cluster",
        "net torque on a cluster, over its radius",
        "force against finite difference",
        "work along closed loops, over their length",
    }


def test_pair_sums_reach_through_periodic_boundaries_and_end_smoothly() -> None:
    pair = Atoms("Cu2", [[0.2, 0, 0], [5.8, 0, 0]], cell=[6, 20, 20], pbc=True)
    free = Atoms("Cu2", [[0.4, 0, 0], [0.0, 0, 0]])
    np.testing.assert_allclose(pair_sums(pair, SETTINGS).vectors, pair_sums(free, SETTINGS).vectors, atol=1e-12)
    apart = Atoms("Cu2", [[0, 0, 0], [4.0 - 1e-3, 0, 0]])
    assert np.abs(pair_sums(apart, SETTINGS).vectors).max() < 1e-10


def test_what_cannot_be_trained_is_refused(frames: list[Atoms]) -> None:
    periodic = Atoms("Cu", cell=[3, 3, 3], pbc=True)
    with pytest.raises(DataError, match="lambda_torque"):
        fit_direct([periodic], replace(SETTINGS, lambda_torque=1.0), seed=0)
    with pytest.raises(DataError, match="at least one"):
        fit_direct([], SETTINGS, seed=0)
    with pytest.raises(DataError, match="no network for Ag"):
        pair_sums(Atoms("Ag"), SETTINGS)
    with pytest.raises(DataError, match="no extent"):
        net_torque_penalty(torch.zeros(1, 3), torch.zeros(1, 3), torch.tensor([0]), torch.tensor([1.0]))
