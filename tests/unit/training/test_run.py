"""Whole runs: what they learn, that they repeat, and that an interruption changes nothing."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from synthetic import projection_set, random_cells

from pesforge.errors import DataError
from pesforge.io import canonical_json
from pesforge.potentials.head import NeuralHead
from pesforge.representations.projections import ProjectionSet
from pesforge.training.data import Targets
from pesforge.training.run import RunResult, train_run

P = 4
STRUCTURES = 24
ZERO_EV = -3.0
Run = Callable[..., RunResult]


class InterruptedRunError(Exception):
    """Stands for a killed job."""


def nonlinear_labels(p: ProjectionSet) -> Targets:
    """The linear potential, an embedding that no linear model of the projections can follow, and an energy zero."""
    rho = p.rho[:, :-1]
    direction = np.array([1.0, -1.5, 0.5, 1.0]) / rho.std(axis=0) / 2
    x = (rho - rho.mean(axis=0)) @ direction
    energy = p.rho[:, -1] + 0.2 * np.sqrt(1 + x**2) + ZERO_EV
    slope = np.ones((len(rho), P + 1))
    slope[:, :-1] = (0.2 * x / np.sqrt(1 + x**2))[:, None] * direction
    forces = np.zeros((len(rho), 3))
    np.add.at(forces, p.neighbour, -np.einsum("ecp,ep->ec", p.gradient, slope[p.centre]))
    stress = np.zeros((STRUCTURES, 6))
    np.add.at(stress, p.structure, np.einsum("nvp,np->nv", p.strain, slope) / p.volumes[p.structure, None])
    return Targets(np.bincount(p.structure, weights=energy), forces.ravel(), stress.ravel())


@pytest.fixture(scope="module")
def projections() -> ProjectionSet:
    return projection_set(random_cells(STRUCTURES, 4), P)


@pytest.fixture
def run(projections: ProjectionSet, small_config: dict[str, Any]) -> Run:
    targets = nonlinear_labels(projections)
    splits = {"train_index": np.arange(14), "val_index": np.arange(14, 18), "test_index": np.arange(18, 24)}

    def call(folder: Path, *, labels: Targets = targets, seed: int = 1, **changes: Any) -> RunResult:
        config = copy.deepcopy(small_config)
        given = {name: changes.pop(name, value) for name, value in splits.items()}
        given |= {name: changes.pop(name, None) for name in ("on_progress", "progress_bar")}
        for name, value in changes.items():
            section = next(section for section in config.values() if name in section)
            section[name] = value
        counts = np.full((STRUCTURES, 1), 8.0)
        return train_run(config, projections, labels, counts, **given, seed=seed, folder=folder)

    return call


def same(one: RunResult, other: RunResult) -> bool:
    return canonical_json(one.evidence()) == canonical_json(other.evidence()) and all(
        np.array_equal(a, b) for a, b in zip(one.head.weights, other.head.weights, strict=True)
    )


def test_planted_nonlinearity_is_learned(run: Run, tmp_path: Path) -> None:
    result = run(tmp_path, max_epochs=150)
    for split in ("train", "test"):
        learned, linear = (part[split] for part in (result.evidence()["errors"], result.evidence()["linear_errors"]))
        for kind in ("energy_rmse_mev_per_atom", "force_rmse_ev_per_ang", "stress_rmse_gpa"):
            assert learned[kind] < 0.75 * linear[kind]


def test_network_beats_the_linear_term_alone(run: Run, tmp_path: Path) -> None:
    network = run(tmp_path / "a", max_epochs=150).evidence()["errors"]["test"]
    linear = run(tmp_path / "b", max_epochs=150, depth=0).evidence()["errors"]["test"]
    assert network["force_rmse_ev_per_ang"] < 0.75 * linear["force_rmse_ev_per_ang"]


def test_linear_target_leaves_the_linear_potential(run: Run, projections: ProjectionSet, tmp_path: Path) -> None:
    p = projections
    forces = np.zeros((len(p.rho), 3))
    np.add.at(forces, p.neighbour, -p.gradient[:, :, -1])
    stress = np.zeros((STRUCTURES, 6))
    np.add.at(stress, p.structure, p.strain[:, :, -1] / p.volumes[p.structure, None])
    energy = np.bincount(p.structure, weights=p.rho[:, -1]) + 8 * ZERO_EV
    result = run(tmp_path, labels=Targets(energy, forces.ravel(), stress.ravel()), max_epochs=10)
    assert result.best_epoch == 0
    np.testing.assert_array_equal(result.head.energies_and_gradient(p.rho[:, :-1])[1], 0)
    np.testing.assert_allclose(result.head.zeros, ZERO_EV, atol=1e-12)
    assert result.evidence()["errors"]["test"]["force_rmse_ev_per_ang"] < 1e-12


def test_head_gives_the_residuals_of_the_run(run: Run, projections: ProjectionSet, tmp_path: Path) -> None:
    result = run(tmp_path)
    result.head.save(tmp_path)
    head = NeuralHead.load(tmp_path)
    p, targets = projections, nonlinear_labels(projections)
    energies, gradient = head.energies_and_gradient(p.rho[:, :-1])
    total = np.bincount(p.structure, weights=energies + p.rho[:, -1] + head.zeros[0])
    np.testing.assert_allclose(result.residuals["test"].energy, ((total - targets.energy) / 8)[18:], atol=1e-10)
    slope = np.column_stack([gradient, np.ones(len(gradient))])
    forces = np.zeros((len(p.rho), 3))
    np.add.at(forces, p.neighbour, -np.einsum("ecp,ep->ec", p.gradient, slope[p.centre]))
    expected = (forces.ravel() - targets.forces)[18 * 24 :]
    np.testing.assert_allclose(result.residuals["test"].forces, expected, atol=1e-10)


def test_same_seed_same_result_and_another_seed_another(run: Run, tmp_path: Path) -> None:
    first, again = run(tmp_path / "a", lambda_m=0.1), run(tmp_path / "b", lambda_m=0.1)
    assert same(first, again)
    assert not same(first, run(tmp_path / "c", lambda_m=0.1, seed=2))


def test_global_state_is_put_back(run: Run, tmp_path: Path) -> None:
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    run(tmp_path, max_epochs=5)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before


@pytest.mark.parametrize("lambda_m", [0.0, 0.1])
def test_interrupted_run_ends_like_an_uninterrupted_one(run: Run, tmp_path: Path, lambda_m: float) -> None:
    def kill(epoch: int, last: int, loss: float) -> None:
        if epoch == 20:
            raise InterruptedRunError

    with pytest.raises(InterruptedRunError):
        run(tmp_path / "a", on_progress=kill, lambda_m=lambda_m)
    assert (tmp_path / "a" / "checkpoints" / "last.ckpt").is_file()
    seen: list[int] = []
    resumed = run(tmp_path / "a", on_progress=lambda epoch, last, loss: seen.append(epoch), lambda_m=lambda_m)
    assert seen == [20, 25, 30, 35, 40]
    assert same(resumed, run(tmp_path / "b", lambda_m=lambda_m))
    assert not (tmp_path / "a" / "checkpoints" / "last.ckpt").exists()


def test_interrupted_plateau_schedule_goes_on(run: Run, tmp_path: Path) -> None:
    def kill(epoch: int, last: int, loss: float) -> None:
        if epoch == 20:
            raise InterruptedRunError

    changes = {"schedule": "plateau", "learning_rate": 0.05, "plateau_patience": 1}
    with pytest.raises(InterruptedRunError):
        run(tmp_path / "a", on_progress=kill, **changes)
    assert same(run(tmp_path / "a", **changes), run(tmp_path / "b", **changes))


def test_plateau_schedule_lowers_the_learning_rate(run: Run, tmp_path: Path) -> None:
    changes = {"schedule": "plateau", "learning_rate": 0.05}
    constant = run(tmp_path / "a", plateau_patience=50, **changes).history
    falling = run(tmp_path / "b", plateau_patience=1, **changes).history
    assert constant[:3] == falling[:3]
    assert constant[-1] != falling[-1]


@pytest.mark.parametrize("damage", ["torn", "other seed", "other configuration"])
def test_checkpoint_that_does_not_fit_is_ignored(run: Run, tmp_path: Path, damage: str) -> None:
    def kill(epoch: int, last: int, loss: float) -> None:
        if epoch == 20:
            raise InterruptedRunError

    left = {"torn": {}, "other seed": {"seed": 5}, "other configuration": {"w_force": 2.0}}[damage]
    with pytest.raises(InterruptedRunError):
        run(tmp_path / "a", on_progress=kill, **left)
    checkpoint = tmp_path / "a" / "checkpoints" / "last.ckpt"
    if damage == "torn":
        checkpoint.write_bytes(checkpoint.read_bytes()[:2000])
    seen: list[int] = []
    result = run(tmp_path / "a", on_progress=lambda epoch, last, loss: seen.append(epoch))
    assert seen[0] == 5
    assert same(result, run(tmp_path / "b"))


def test_run_stops_early_and_keeps_the_best_epoch(run: Run, tmp_path: Path) -> None:
    result = run(tmp_path, max_epochs=200, learning_rate=0.05, patience=3, schedule="plateau", plateau_patience=50)
    losses = {row.epoch: row.validation_loss for row in result.history}
    assert result.stop_reason == "patience"
    assert result.epochs < 200
    assert losses[result.best_epoch] == min(losses.values())
    assert result.epochs == result.best_epoch + 3 * 5


def test_regulariser_lowers_the_forces_of_the_head(run: Run, projections: ProjectionSet, tmp_path: Path) -> None:
    def roughness(lambda_m: float, kernel: str) -> float:
        head = run(tmp_path / f"{lambda_m}{kernel}", lambda_m=lambda_m, kernel=kernel, max_epochs=60).head
        p = projections
        slope = head.energies_and_gradient(p.rho[:, :-1])[1]
        forces = np.zeros((len(p.rho), 3))
        np.add.at(forces, p.neighbour, -np.einsum("ecp,ep->ec", p.gradient[:, :, :-1], slope[p.centre]))
        return float(np.mean(forces**2))

    free = roughness(0.0, "gaussian")
    assert roughness(3.0, "gaussian") < 0.7 * free
    assert roughness(3.0, "bump") < 0.7 * free


def test_nothing_depends_on_the_held_out_labels(run: Run, projections: ProjectionSet, tmp_path: Path) -> None:
    targets = nonlinear_labels(projections)
    changed = Targets(targets.energy.copy(), targets.forces.copy(), targets.stress)
    changed.energy[18:] += 5.0
    changed.forces[18 * 24 :] = 0.0
    one, other = run(tmp_path / "a"), run(tmp_path / "b", labels=changed)
    assert one.history == other.history
    np.testing.assert_array_equal(one.head.zeros, other.head.zeros)
    assert one.evidence()["errors"]["test"] != other.evidence()["errors"]["test"]


def test_logs_are_written_for_people_and_tensorboard(run: Run, tmp_path: Path) -> None:
    run(tmp_path, max_epochs=10)
    (metrics,) = tmp_path.glob("logs/csv/version_*/metrics.csv")
    header, *rows = metrics.read_text().splitlines()
    assert {"epoch", "train_loss", "val_loss"} <= set(header.split(","))
    assert len(rows) == 2
    assert list(tmp_path.glob("logs/tensorboard/version_*/events*"))


def test_run_is_silent(run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, max_epochs=5)
    assert capfd.readouterr() == ("", "")


def test_progress_bar_counts_epochs_on_standard_error(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, max_epochs=5, progress_bar=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "5/5" in err
    assert "validation_loss" in err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val_index": np.array([13, 14])}, "overlap"),
        ({"train_index": np.array([], dtype=int)}, "train split is empty"),
        ({"test_index": np.array([24])}, "outside"),
    ],
)
def test_wrong_splits_are_refused(run: Run, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        run(tmp_path, **changes)


def test_test_split_may_be_empty(run: Run, tmp_path: Path) -> None:
    result = run(tmp_path, max_epochs=5, test_index=np.array([], dtype=int))
    assert result.evidence()["errors"]["test"]["force_rmse_ev_per_ang"] is None
