"""Fits of message-passing networks: errors, seeds, resuming, the folder, fine-tuning, and files that are refused."""

import json
import os
import pickle
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from safetensors.torch import save_file
from tiny_mace import tiny_mace

from pesforge import load_potential
from pesforge.cli import main
from pesforge.errors import DataError, SettingsError
from pesforge.export import save_model
from pesforge.fitting import FitSettings
from pesforge.fitting.fit import evaluate_frames
from pesforge.fitting.foundation import convert, foundation
from pesforge.fitting.mace import fit_mace
from pesforge.fitting.mace_options import MaceOptions
from pesforge.metrics import errors
from pesforge.potentials import mace_network
from pesforge.potentials.mace_network import learned, mace_library

TINY = {
    "channels": 8, "max_l": 0, "max_ell": 1, "layers": 1, "correlation": 2, "radial_width": 8, "cutoff_ang": 4.0,
    "epochs": 12, "precision": "float64", "device": "cpu", "validation_fraction": 0.25,
}  # fmt: skip


def labelled(seed, label):
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    atoms.set_cell(atoms.cell.array * (1 + 0.02 * rng.uniform(-1, 1)), scale_atoms=True)
    atoms.positions += 0.1 * rng.normal(size=atoms.positions.shape)
    energy, forces, stress = label(atoms)
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces, stress=stress)
    atoms.info.update(id=f"s{seed}", family="warm" if seed % 2 else "hot", group=f"g{seed // 2}")
    return atoms


def by_emt(atoms):
    work = atoms.copy()
    work.calc = EMT()
    return work.get_potential_energy(), work.get_forces(), work.get_stress()


def by(potential):
    def label(atoms):
        energies, forces, stress = potential.evaluate(atoms)
        return energies.sum(), forces, stress

    return label


@pytest.fixture(scope="module")
def copper():
    return [labelled(seed, by_emt) for seed in range(20)]


@pytest.fixture(scope="module")
def teacher():
    return tiny_mace()


@pytest.fixture(scope="module")
def taught(teacher):
    """Structures labelled by the tiny network."""
    return [labelled(seed, by(teacher)) for seed in range(8)]


def fitted(frames, test=None, **options):
    lines = []
    result = fit_mace(
        frames, test, FitSettings(), say=lines.append, warnings=["odd"], options=MaceOptions(**{**TINY, **options})
    )
    return result, lines


@pytest.fixture(scope="module")
def fit(copper):
    return fitted(copper[:16], copper[16:])


def test_training_lowers_the_loss_and_metrics_are_those_of_the_potential(fit, copper):
    result, lines = fit
    metrics, history = result.metrics, result.metrics["choice"]["history"]
    assert min(row["validation_loss"] for row in history) < 0.3 * history[0]["validation_loss"]
    assert metrics["test"] == errors(evaluate_frames(result.potential, copper[16:]))
    assert metrics["n_structures"] == {"train": 12, "validation": 4, "test": 4}
    assert metrics["warnings"] == ["odd"]
    assert sum(line.startswith("epoch ") for line in lines) == 12
    assert "Test data took no part" in metrics["choice"]["text"]
    together = evaluate_frames(result.potential, copper[:16])
    counted = (
        12 * metrics["train"]["force_rmse_ev_per_ang"] ** 2 + 4 * metrics["validation"]["force_rmse_ev_per_ang"] ** 2
    )
    assert counted == pytest.approx(16 * errors(together)["force_rmse_ev_per_ang"] ** 2, rel=1e-9)


def test_energies_of_elements_are_solved_on_what_was_trained(fit, copper):
    """The mean residual of the fitted structures is zero."""
    result, _ = fit
    found = evaluate_frames(result.potential, copper[:16])
    means = [abs(found.energy[[s for s in range(16) if s // 2 not in left]].mean()) for left in pairs_of_groups()]
    assert min(means) < 1e-10


def pairs_of_groups():
    return [(a, b) for a in range(8) for b in range(a)]


def test_groups_are_not_separated(fit, copper):
    labels = fit[0].metrics["by_group"]
    assert sum(row["n_structures"] for row in labels["validation"]) == 4
    assert {row["family"] for row in labels["validation"]} == {"hot", "warm"}


def test_the_seed_decides(fit, copper):
    again, _ = fitted(copper[:16], None)
    other, _ = fitted(copper[:16], None, seed=1)
    first, second, third = (learned(result.potential.network) for result in (fit[0], again, other))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], third[name]) for name in first)


def test_an_interrupted_fit_goes_on_where_it_stopped(fit, copper, tmp_path):
    class StoppedError(Exception):
        pass

    def say(line):
        if line.startswith("epoch 6 "):
            raise StoppedError

    options = MaceOptions(**TINY, work=tmp_path)
    with pytest.raises(StoppedError):
        fit_mace(copper[:16], None, FitSettings(), say=say, warnings=[], options=options)
    lines = []
    result = fit_mace(copper[:16], None, FitSettings(), say=lines.append, warnings=[], options=options)
    assert not any(line.startswith("epoch 3 ") for line in lines)
    assert result.metrics["choice"]["history"] == fit[0].metrics["choice"]["history"]
    first, second = learned(fit[0].potential.network), learned(result.potential.network)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_clock_ends_a_training(copper):
    result, _ = fitted(copper[:16], None, epochs=100000, max_seconds=0.5)
    assert result.metrics["choice"]["stop_reason"] == "max_seconds"
    assert result.metrics["training_seconds"] < 10


def test_folds_leave_every_group_out(copper):
    result, _ = fitted(copper[:8], None, folds=2, epochs=1)
    assert result.metrics["by_group"]["cv"][0]["n_structures"] == 4
    assert result.metrics["cv"]["force_rmse_ev_per_ang"] > 0
    assert any(key.startswith("left out by group") for key in result.metadata["errors"])


def test_single_precision_is_trained_and_evaluated_in_double(copper):
    result, _ = fitted(copper[:8], None, precision="float32", epochs=1)
    assert {tensor.dtype for tensor in learned(result.potential.network).values()} == {torch.float64}
    assert result.potential.facts()["precision"] == "trained in float32, evaluated in float64"


def test_the_folder_gives_equal_bits(fit, copper, tmp_path):
    potential = fit[0].potential
    save_model(tmp_path / "a", potential, fit[0].metadata)
    save_model(tmp_path / "b", potential, fit[0].metadata)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "MODEL_CARD.md",
        "mace.safetensors",
        "model.json",
    ]
    for name in ("mace.safetensors", "model.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    loaded = replace(load_potential(tmp_path / "a").potential, device="cpu")
    for mine, theirs in zip(loaded.evaluate(copper[0]), potential.evaluate(copper[0]), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("damage", ["missing", "shape", "nan", "architecture"])
def test_a_damaged_folder_is_refused(teacher, tmp_path, damage):
    tensors = learned(teacher.network)
    name = "readouts.0.linear.weight"
    if damage == "missing":
        tensors.pop(name)
    elif damage == "shape":
        tensors[name] = torch.zeros(3, dtype=torch.float64)
    elif damage == "nan":
        tensors[name][0] = torch.nan
    save_file(tensors, tmp_path / "model.safetensors")
    described = teacher.architecture.model_dump(mode="json")
    if damage == "architecture":
        described["layers"] = 0
    (tmp_path / "model.json").write_text(json.dumps(described))
    with pytest.raises(DataError, match=r"missing|does not belong|not finite|architecture"):
        foundation(tmp_path / "model.safetensors")


@pytest.mark.parametrize("form", ["folder", "safetensors", "state dictionary"])
def test_fine_tuning_starts_at_the_error_of_the_model(teacher, taught, tmp_path, form):
    """On labels of the model itself the start has no error."""
    if form == "folder":
        path = tmp_path / "model"
        save_model(path, teacher, {})
    else:
        path = tmp_path / f"model.{'safetensors' if form == 'safetensors' else 'pt'}"
        (save_file if form == "safetensors" else lambda content, to: torch.save(content, to))(
            learned(teacher.network), path
        )
        path.with_suffix(".json").write_text(json.dumps(teacher.architecture.model_dump(mode="json")))
    options = MaceOptions.model_validate({"from": path, "epochs": 1, "precision": "float64", "device": "cpu"})
    result = fit_mace(taught, None, FitSettings(), say=lambda _: None, warnings=[], options=options)
    start = result.metrics["choice"]["history"][0]["validation_loss"]
    assert start < 1e-18
    assert result.metrics["train"]["force_rmse_ev_per_ang"] < 1e-9


def test_random_numbers_start_far_from_the_labels(taught):
    assert fitted(taught, None, epochs=1)[0].metrics["choice"]["history"][0]["validation_loss"] > 1e-4


def test_fine_tuning_shifts_the_energies_of_elements(teacher, taught, tmp_path):
    """Another code's zero of energy is no error: it is solved before the training."""
    save_model(tmp_path / "model", teacher, {})
    frames = []
    for atoms in taught:
        moved = atoms.copy()
        labels = {**atoms.calc.results, "energy": atoms.calc.results["energy"] + 1234.5 * len(atoms)}
        moved.calc = SinglePointCalculator(moved, **labels)
        frames.append(moved)
    options = MaceOptions.model_validate({"from": tmp_path / "model", "epochs": 1, "precision": "float64"})
    result = fit_mace(frames, None, FitSettings(), say=lambda _: None, warnings=[], options=options)
    assert result.metrics["train"]["energy_rmse_mev_per_atom"] < 1e-6
    assert result.potential.zeros["Cu"] == pytest.approx(teacher.zeros["Cu"] + 1234.5)


def test_sizes_beside_a_foundation_model_and_unknown_elements_are_refused(teacher, taught, copper, tmp_path):
    save_model(tmp_path / "model", teacher, {})
    options = MaceOptions.model_validate({"from": tmp_path / "model", "channels": 8})
    with pytest.raises(SettingsError, match="leave out channels"):
        fit_mace(taught, None, FitSettings(), say=print, warnings=[], options=options)
    foreign = taught[0].copy()
    foreign.symbols[0] = "Au"
    foreign.calc = SinglePointCalculator(foreign, **taught[0].calc.results)
    options = MaceOptions.model_validate({"from": tmp_path / "model"})
    with pytest.raises(DataError, match="but not Au"):
        fit_mace([foreign, *taught], None, FitSettings(), say=print, warnings=[], options=options)


class Malicious:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


@pytest.mark.parametrize("form", ["torch", "pickle"])
def test_a_pickle_is_refused_and_not_run(teacher, tmp_path, form):
    mace_library()
    file, planted = tmp_path / "model.pt", tmp_path / "planted"
    if form == "torch":
        torch.save(Malicious(planted), file)
    else:
        file.write_bytes(pickle.dumps(Malicious(planted)))
    (tmp_path / "model.json").write_text(json.dumps(teacher.architecture.model_dump(mode="json")))
    with pytest.raises(DataError, match="nothing else is opened"):
        foundation(file)
    with pytest.raises(DataError, match="--trust-pickle"):
        convert(file, tmp_path / "out", trust_pickle=False)
    assert not planted.exists()


def test_importing_mace_does_not_let_torch_run_code(tmp_path):
    """mace-torch sets a variable by which `torch.load` opens pickles; it must not outlive the import."""
    mace_library()
    assert mace_network.UNSAFE_LOADING not in os.environ
    torch.save(Malicious(tmp_path / "planted"), tmp_path / "file.pt")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "file.pt")
    assert not (tmp_path / "planted").exists()


def test_a_trusted_pickled_model_is_converted(taught, tmp_path, capsys):
    teacher = tiny_mace(layers=2)
    torch.save(teacher.network, tmp_path / "whole.model")
    command = ["convert-mace", str(tmp_path / "whole.model"), "--out", str(tmp_path / "out")]
    assert main(command) == 1
    assert "--trust-pickle" in capsys.readouterr().err
    assert main([*command, "--trust-pickle"]) == 0
    converted = replace(foundation(tmp_path / "out"), device="cpu")
    for mine, theirs in zip(converted.evaluate(taught[0]), teacher.evaluate(taught[0]), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-10)


def test_without_the_package_the_command_to_install_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mace.modules", None)
    mace_library.cache_clear()
    with pytest.raises(DataError, match=r"pip install 'pesforge\[mace\]'"):
        tiny_mace()
    mace_library.cache_clear()


def test_a_gpu_that_is_not_there_is_said(copper):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(DataError, match="no CUDA device"):
        fitted(copper[:8], None, device="cuda")
