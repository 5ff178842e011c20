"""Fits of the classical potentials: planted parameters come back, the choice is made on the training data alone."""

import json
from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from classical_models import classical

from pesforge import load_potential
from pesforge.cli import main
from pesforge.dataset import read_dataset
from pesforge.errors import DataError, SettingsError
from pesforge.export import PesforgeCalculator
from pesforge.fitting import FitSettings
from pesforge.fitting.classical import fit_classical
from pesforge.fitting.workshop import Effort, spread, train_config
from pesforge.potentials.model import Model
from pesforge.training.classical import BondData, ClassicalNetwork
from pesforge.training.fit_network import train_network
from pesforge.training.loss import data_loss
from pesforge.training.module import PotentialModule

QUICK = Effort(work=1e5, trial_work=5e4, trial_epochs=3, epochs=6)
ONE_CUTOFF = FitSettings(neighbours=(24.0,))


def cells(count: int, model: Model | None = None, species: Sequence[str] = ("Cu",)) -> list[Atoms]:
    """Rattled and strained cells with the labels of a model, or of EMT."""
    frames = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        atoms = bulk("Cu", "fcc", a=3.7, cubic=True).repeat((2, 1, 1))
        atoms.symbols[:] = species[-1]
        atoms.symbols[: 1 + seed % 4] = species[0]
        atoms.set_cell(atoms.cell.array * (1 + 0.03 * rng.uniform(-1, 1)), scale_atoms=True)
        atoms.positions += 0.1 * rng.normal(size=atoms.positions.shape)
        atoms.calc = EMT() if model is None else PesforgeCalculator(model)
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        atoms.info = {"id": str(seed), "group": str(seed), "family": "warm" if seed % 2 else "hot"}
        frames.append(atoms)
    return frames


def splits(count: int) -> dict[str, np.ndarray]:
    return {"train": np.arange(3, count), "validation": np.arange(3), "test": np.arange(0)}


@pytest.mark.parametrize("kind", ["pair-morse", "tersoff"])
def test_planted_parameters_come_back(kind: str, tmp_path: Path) -> None:
    """Labels by a potential, a start some way off: the fit ends at its energies and forces."""
    truth = classical(kind, ("Au", "Cu") if kind == "pair-morse" else ("Cu",))
    frames = cells(12, truth, truth.species)
    rng = np.random.default_rng(1)
    start = {name: value + 0.08 * rng.normal(size=value.shape) for name, value in truth.parameters.items()}
    network, trained = train_network(
        train_config(40.0, 30.0, 30, weight_decay=0.0),
        lambda _: ClassicalNetwork(truth.form, start),
        BondData(frames, truth.form),
        splits=splits(12),
        seed=0,
        folder=tmp_path,
        progress_bar=False,
    )
    assert float(np.abs(trained.first_residuals["validation"].forces).max()) > 0.01
    assert float(np.abs(trained.residuals["validation"].forces).max()) < 1e-3
    if kind == "pair-morse":
        for name, value in network.values.items():
            np.testing.assert_allclose(value.detach().numpy(), truth.parameters[name], atol=1e-3)
        np.testing.assert_allclose(trained.zeros, [-1.0, -2.0], atol=1e-3)
    assert list(tmp_path.glob("logs/csv/version_*/metrics.csv"))


def test_squares_of_the_residuals_are_the_loss() -> None:
    model = classical("eam")
    data = BondData(cells(6), model.form)
    config = train_config(40.0, 30.0, 5)
    module = PotentialModule(ClassicalNetwork(model.form, model.parameters), config, data[np.arange(6)], 0, "run")
    with torch.no_grad():
        found = module.residuals().square().sum()
        batch = data[np.arange(6)]
        expected = data_loss(module.network.predict(batch), batch, module.zeros, config.loss)
        decay = sum(float(parameter.square().sum()) for parameter in module.parameters())
    assert float(found) == pytest.approx(float(expected) + 0.5 * config.optimizer.weight_decay * decay, rel=1e-12)


def test_the_regulariser_of_the_head_is_refused_for_others() -> None:
    model = classical("pair-morse")
    data = BondData(cells(3), model.form)
    network = ClassicalNetwork(model.form, model.parameters)
    with pytest.raises(SettingsError, match="lambda_m"):
        network.mollified_gradient(data[np.arange(3)], torch.zeros(1, 24, 3, dtype=torch.float64))


def test_embedded_atoms_fit_effective_medium_copper() -> None:
    frames = cells(36)
    result = fit_classical("eam", frames[:30], frames[30:], ONE_CUTOFF, effort=QUICK, fold_effort=QUICK)
    force = float(np.sqrt(np.mean(np.concatenate([atoms.get_forces() for atoms in frames]) ** 2)))
    assert result.metrics["test"]["force_rmse_ev_per_ang"] < 0.15 * force
    assert result.metrics["cv"]["force_rmse_ev_per_ang"] < 0.3 * force
    assert result.metrics["n_functions"] == result.potential.n_parameters
    assert [row["family"] for row in result.metrics["by_group"]["test"]] == ["hot", "warm"]
    assert "Test data took no part" in result.metrics["choice"]["text"]


def test_the_command_writes_the_potential_that_it_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = cells(12, species=("Au", "Cu"))
    for atoms in frames:
        atoms.info = {"config_type": atoms.info["family"]}
    for name, part in {"train": frames[:9], "test": frames[9:]}.items():
        ase.io.write(tmp_path / f"{name}.extxyz", part, format="extxyz")
    command = ["fit", str(tmp_path / "train.extxyz"), "--test", str(tmp_path / "test.extxyz"), "--model", "pair"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    assert "pair: " in capsys.readouterr().out
    assert (tmp_path / "out/potential/potential.table").is_file()
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert len(metrics["choice"]["tried"]) == 4
    calculator = load_potential(tmp_path / "out")
    errors = []
    for atoms in read_dataset(tmp_path / "test.extxyz").frames:
        found = atoms.copy()
        found.calc = calculator
        errors.append(found.get_forces() - atoms.get_forces())
    assert float(np.mean(np.abs(errors))) == pytest.approx(metrics["test"]["force_mae_ev_per_ang"], rel=1e-9)


def test_too_few_groups_are_refused() -> None:
    frames = cells(4)
    for atoms in frames:
        atoms.info["group"] = "one"
    with pytest.raises(DataError, match="three groups"):
        fit_classical("pair", frames, None, ONE_CUTOFF)


def test_thinning_keeps_the_shares_of_families() -> None:
    families = ["a"] * 60 + ["b"] * 30 + ["c"] * 10
    chosen = spread(families, [5] * 100, 100, 0)
    assert [sum(families[s] == name for s in chosen) for name in "abc"] == [12, 6, 2]
    assert len(spread(families, [5] * 100, 1, 0)) == 6
    assert len(spread(families, [5] * 100, 10_000, 0)) == 100
