"""Fits of files of labels: errors of every split, the folder, and the commands."""

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import molecule
from labelled_files import FAST, command, force_spread, labelled, write

from pesforge import load_potential
from pesforge.cli import MODELS, main
from pesforge.dataset import read_dataset
from pesforge.fitting import fit
from pesforge.fitting.commands import COLUMNS, table
from pesforge.fitting.models import FITTERS

KEYS = {
    f"{kind}_{statistic}_{unit}"
    for kind, unit in (("energy", "mev_per_atom"), ("force", "ev_per_ang"), ("stress", "gpa"))
    for statistic in ("mae", "rmse")
}


def test_metrics_hold_every_split(fitted: Path) -> None:
    metrics = json.loads((fitted / "metrics.json").read_text())
    for split in ("train", "cv", "test"):
        assert set(metrics[split]) == KEYS
        assert [row["family"] for row in metrics["by_group"][split]] == ["hot", "warm"]
        assert set(metrics["by_group"][split][0]) >= KEYS
    assert set(metrics["cv_leave_family_out"]) >= KEYS
    assert metrics["cv_method"] == "every group left out, exact"
    assert metrics["fit_seconds"] > 0
    assert metrics["warnings"] == []
    assert (
        metrics["n_functions"] == metrics["choice"]["n_functions"] == load_potential(fitted).potential.basis.n_functions
    )
    assert metrics["train"]["force_rmse_ev_per_ang"] < metrics["cv"]["force_rmse_ev_per_ang"]
    assert metrics["test"]["energy_mae_mev_per_atom"] < 3.0
    assert metrics["test"]["force_mae_ev_per_ang"] < 0.03


def test_the_folder_gives_the_test_errors(fitted: Path, files: dict[str, Path]) -> None:
    expected = json.loads((fitted / "metrics.json").read_text())["test"]
    frames = read_dataset(files["test"]).frames
    energy, force, stress = [], [], []
    for atoms in frames:
        found = atoms.copy()
        found.calc = load_potential(fitted)
        energy.append((found.get_potential_energy() - atoms.get_potential_energy()) / len(atoms))
        force.append(found.get_forces() - atoms.get_forces())
        stress.append(found.get_stress() - atoms.get_stress())
    assert 1e3 * np.mean(np.abs(energy)) == pytest.approx(expected["energy_mae_mev_per_atom"], rel=1e-6)
    assert np.mean(np.abs(force)) == pytest.approx(expected["force_mae_ev_per_ang"], rel=1e-6)
    assert 160.21766208 * np.mean(np.abs(stress)) == pytest.approx(expected["stress_mae_gpa"], rel=1e-6)


def test_the_test_file_does_not_change_the_potential(fitted: Path, files: dict[str, Path], tmp_path: Path) -> None:
    assert main(command(files["train"], files["other"], tmp_path / "again")) == 0
    for name in ("model.json", "weights.safetensors", "posterior.safetensors", "MODEL_CARD.md"):
        assert (tmp_path / "again/potential" / name).read_bytes() == (fitted / "potential" / name).read_bytes()
    again = json.loads((tmp_path / "again/metrics.json").read_text())
    assert again["test"] != json.loads((fitted / "metrics.json").read_text())["test"]


def test_two_species_and_copies_in_the_test(files: dict[str, Path]) -> None:
    frames = read_dataset(files["alloy"]).frames
    result = fit(frames[:24], frames[23:], FAST)
    assert result.potential.basis.species == ("Au", "Cu")
    assert result.metrics["test"]["force_rmse_ev_per_ang"] < 0.3 * force_spread(frames)
    (note,) = result.metrics["warnings"]
    assert note.startswith("1 of 7 test structures are copies of training structures (first: 0)")
    assert result.metrics["test_without_copies"]["n_structures"] == 6


def test_molecules(tmp_path: Path) -> None:
    frames = read_dataset(write(tmp_path / "ethane.extxyz", "ethane", range(40))).frames
    result = fit(frames[:32], frames[32:], FAST)
    assert result.metrics["test"]["stress_mae_gpa"] is None
    assert result.metrics["test"]["force_rmse_ev_per_ang"] < 0.5 * force_spread(frames)


def test_evaluate_writes_what_fit_measured(
    fitted: Path, files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "errors.json"
    assert main(["evaluate", str(fitted), str(files["test"]), "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    expected = json.loads((fitted / "metrics.json").read_text())
    assert {key: found[key] for key in KEYS} == expected["test"]
    assert found["by_group"] == expected["by_group"]["test"]
    assert "\nall " in capsys.readouterr().out


def test_a_folder_with_something_else_is_refused(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    assert main(command(files["train"], files["test"], tmp_path)) == 1
    captured = capsys.readouterr()
    assert "holds something else" in captured.err
    assert captured.out == ""
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_an_earlier_fit_is_replaced(fitted: Path, files: dict[str, Path]) -> None:
    before = (fitted / "potential/weights.safetensors").read_bytes()
    assert main(command(files["train"], files["test"], fitted)) == 0
    assert (fitted / "potential/weights.safetensors").read_bytes() == before


def test_a_test_with_another_element_ends_before_the_fit(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(files["train"], files["alloy"], tmp_path / "out")) == 1
    error = capsys.readouterr().err.splitlines()
    assert error == [line for line in error if "structure 0 (0) holds Au" in line]
    assert not (tmp_path / "out").exists()


def test_a_label_with_many_structures_each_names_families(tmp_path: Path) -> None:
    frames = []
    for seed in range(12 * 21):
        atoms = labelled(molecule("N2"), f"run {seed % 12}")
        atoms.positions[0, 2] += 0.005 * seed
        frames.append(labelled(atoms, f"run {seed % 12}"))
    ase.io.write(tmp_path / "runs.extxyz", frames, format="extxyz")
    found = read_dataset(tmp_path / "runs.extxyz").frames
    assert len({atoms.info["family"] for atoms in found}) == 12
    assert len({atoms.info["group"] for atoms in found}) == len(found)
    ase.io.write(tmp_path / "few.extxyz", frames[:120], format="extxyz")
    found = read_dataset(tmp_path / "few.extxyz").frames
    assert len({atoms.info["group"] for atoms in found}) == 12


def test_the_command_line_offers_every_functional_form() -> None:
    assert tuple(FITTERS) == MODELS


def test_columns_of_the_table_stay_apart_however_large_the_errors() -> None:
    row = {key: 979316.03 for key, *_ in COLUMNS}
    _, line = table([("cv by family", row)])
    assert [float(cell) for cell in line.removeprefix("cv by family").split()] == pytest.approx(
        [979316.03] * 6, rel=0.05
    )
