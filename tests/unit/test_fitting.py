"""Fits of files of labels: errors, the choice from training data alone, the folder, and the commands."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge import load_potential
from pesforge.cli import MODELS, main
from pesforge.dataset import read_dataset
from pesforge.errors import DataError, SettingsError
from pesforge.fitting import FitSettings, fit, search
from pesforge.fitting.candidates import (
    NEAR_L_MAX,
    NEAR_STEPS,
    Family,
    all_pairs,
    cutoffs,
    mixed_channels,
    most_functions,
    neighbour_counts,
)
from pesforge.fitting.commands import COLUMNS, table
from pesforge.fitting.confidence import calibrated_posterior
from pesforge.fitting.left_out import by_group
from pesforge.fitting.models import FITTERS
from pesforge.fitting.search import Chosen, Size
from pesforge.metrics import errors
from pesforge.potentials.grams import GramProblem
from pesforge.potentials.linear import LinearProblem, prior_scale, residuals
from pesforge.potentials.normal import Weights
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import describe

KEYS = {
    f"{kind}_{statistic}_{unit}"
    for kind, unit in (("energy", "mev_per_atom"), ("force", "ev_per_ang"), ("stress", "gpa"))
    for statistic in ("mae", "rmse")
}
FAST = FitSettings(functions=120, reductions=(1, 0), neighbours=(18.0,))


def labelled(atoms: Atoms, family: str) -> Atoms:
    atoms.calc = EMT()
    labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    if atoms.pbc.all():
        labels["stress"] = atoms.get_stress()
    atoms.calc = SinglePointCalculator(atoms, **labels)
    atoms.info["config_type"] = family
    return atoms


def rattled(kind: str, seed: int) -> Atoms:
    """A strained and rattled cell of copper, of its alloy with gold, or an ethane molecule."""
    rng = np.random.default_rng(seed)
    if kind == "ethane":
        atoms = molecule("C2H6")
    else:
        atoms = bulk("Cu", "fcc", a=3.6 if kind == "copper" else 3.8, cubic=True)
        atoms.set_cell(atoms.cell.array * (1 + 0.02 * rng.uniform(-1, 1)), scale_atoms=True)
    if kind == "alloy":
        atoms.symbols[: 1 + seed % 3] = "Au"
    atoms.positions += 0.06 * rng.normal(size=atoms.positions.shape)
    return labelled(atoms, "warm" if seed % 2 else "hot")


def write(path: Path, kind: str, seeds: Sequence[int]) -> Path:
    ase.io.write(path, [rattled(kind, seed) for seed in seeds], format="extxyz")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("labels")
    return {
        "train": write(folder / "train.extxyz", "copper", range(24)),
        "test": write(folder / "test.extxyz", "copper", range(100, 106)),
        "other": write(folder / "other.extxyz", "copper", range(200, 203)),
        "alloy": write(folder / "alloy.extxyz", "alloy", range(30)),
    }


@pytest.fixture(scope="module")
def fitted(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fit") / "copper"
    assert main(command(files["train"], files["test"], out)) == 0
    return out


def command(train: Path, test: Path, out: Path) -> list[str]:
    return ["fit", str(train), "--test", str(test), "--out", str(out), "--functions", "60"]


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


def test_the_choice_is_the_lowest_score_but_for_the_margin(fitted: Path) -> None:
    choice = json.loads((fitted / "metrics.json").read_text())["choice"]
    scores = [point["score"] for point in choice["tried"] if point["score"] is not None]
    assert min(scores) <= choice["score"] <= min(scores) + 0.005 + 1e-12
    assert {point["root_energy_weight"] for point in choice["tried"]} >= {160.0, 320.0, 640.0}
    front = choice["pareto"]
    assert [point["energy_mae_mev_per_atom"] for point in front] == sorted(p["energy_mae_mev_per_atom"] for p in front)
    assert all(
        any(point[kind] < other[kind] - 1e-12 for kind in ("energy_mae_mev_per_atom", "force_rmse_ev_per_ang"))
        for point in front
        for other in front
        if other is not point
    )


def test_left_out_errors_are_those_of_refits(fitted: Path, files: dict[str, Path]) -> None:
    metrics = json.loads((fitted / "metrics.json").read_text())
    frames, choice = read_dataset(files["train"]).frames, metrics["choice"]
    potential = load_potential(fitted).potential
    weights = Weights(choice["w_energy"], choice["w_force"], choice["w_stress"])
    design = describe(frames, potential.basis)
    squares = []
    for left in range(len(frames)):
        part = LinearProblem(design.select(np.arange(len(frames)) != left), prior_power=2.0)
        model = part.fit(weights, choice["alpha"])
        squares.append(errors(residuals(design.select(np.array([left])), model))["force_rmse_ev_per_ang"] ** 2)
    assert metrics["cv"]["force_rmse_ev_per_ang"] == pytest.approx(np.sqrt(np.mean(squares)), rel=0.05)


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


def force_spread(frames: Sequence[Atoms]) -> float:
    return float(np.sqrt(np.mean(np.concatenate([atoms.get_forces() for atoms in frames]) ** 2)))


def test_uncertainty_grows_away_from_the_labels(fitted: Path, files: dict[str, Path]) -> None:
    potential = load_potential(fitted).potential
    frames = read_dataset(files["test"]).frames
    near = [potential.uncertainty(atoms) for atoms in frames]
    errors_ev = [abs(potential.evaluate(atoms)[0].sum() - atoms.get_potential_energy()) for atoms in frames]
    sigmas = [found.energy_sigma_ev for found in near]
    assert 0.2 < np.sqrt(np.mean(np.square(errors_ev) / np.square(sigmas))) < 5
    far = frames[0].copy()
    far.set_cell(far.cell.array * 1.15, scale_atoms=True)
    assert potential.uncertainty(far).energy_sigma_ev > 3 * max(sigmas)
    assert potential.uncertainty(far).leverage.min() > max(found.leverage.max() for found in near)
    assert near[0].leverage.shape == (len(frames[0]),)


def test_left_out_errors_are_as_large_as_the_posterior_says(files: dict[str, Path]) -> None:
    """The scale is set so that 68 % of left-out energies lie within one standard deviation of the left-out variance."""
    frames = read_dataset(files["train"]).frames
    result = fit(frames, None, FAST)
    potential = result.potential
    assert potential.posterior.scale > 0
    sigma = np.array([potential.uncertainty(atoms).energy_sigma_ev / len(atoms) for atoms in frames])
    left_out = result.metrics["cv"]["energy_rmse_mev_per_atom"] * 1e-3
    assert 0.1 * left_out < np.sqrt(np.mean(sigma**2)) < 2 * left_out


def test_forces_have_standard_deviations(fitted: Path, files: dict[str, Path]) -> None:
    """On structures of the training's kind about 68 % of the errors are within them; far away they grow."""
    potential = load_potential(fitted).potential
    ratios = {"force": np.empty(0), "stress": np.empty(0)}
    for atoms in read_dataset(files["test"]).frames:
        found = potential.uncertainty(atoms, forces=True)
        _, forces, stress = potential.evaluate(atoms)
        ratios["force"] = np.append(ratios["force"], (forces - atoms.get_forces()) / found.force_sigma_ev_per_ang)
        ratios["stress"] = np.append(ratios["stress"], (stress - atoms.get_stress()) / found.stress_sigma_ev_per_ang3)
    assert 0.5 < np.mean(np.abs(ratios["force"]) < 1) < 0.85
    assert 0.4 < np.mean(np.abs(ratios["stress"]) < 1) < 0.95
    far = read_dataset(files["test"]).frames[0]
    usual = potential.uncertainty(far, forces=True).force_sigma_ev_per_ang
    far.positions[0] += 0.6
    assert potential.uncertainty(far, forces=True).force_sigma_ev_per_ang[0].min() > 3 * usual.max()
    assert potential.uncertainty(far).force_sigma_ev_per_ang is None


def test_scales_of_forces_are_the_noise_of_the_labels_where_it_is_known(copper_frames: list[Atoms]) -> None:
    """Labels by coefficients drawn from the prior, with noise; then 68 % of new forces are within the deviations."""
    basis, alpha, noise = AceBasis(("Cu",), 4.5, (12, 12, 9), (0, 5, 4)), 1e-7, 1e-3
    weights = Weights(1e-8, 1.0, 400.0)  # Energies hardly count: their mean is taken off, noise and all.
    frames, rows = [atoms.copy() for atoms in copper_frames], [basis.rows(atoms) for atoms in copper_frames]
    training, new = range(0, len(frames), 3), [s for s in range(len(frames)) if s % 3]
    square = np.mean([np.mean(rows[s][1] ** 2, axis=0) for s in training], axis=0)
    scale = prior_scale(np.sqrt(square), basis.degree, 0.0, 1)[:-1]
    found, within = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        law = scale * rng.normal(size=len(scale)) * noise / np.sqrt(alpha)
        for atoms, (energy, forces, stress) in zip(frames, rows, strict=True):
            errors = [noise * rng.normal(size=size) for size in (1, forces.shape[0], 6)]
            labels = {
                "energy": float(energy @ law + len(atoms) * errors[0][0] / np.sqrt(weights.energy)),
                "forces": (forces @ law + errors[1]).reshape(-1, 3),
                "stress": stress @ law + errors[2] / np.sqrt(weights.stress),
            }
            atoms.calc = SinglePointCalculator(atoms, **labels)
        seen = [frames[s] for s in training]
        folds = np.array_split(np.arange(len(seen)), 4)
        problems = [GramProblem(seen, basis, folds, prior_power=0.0, keep_bytes=kept) for kept in (1e9, 0.0)]
        kept, streamed = (Chosen(problem, Size((0,)), weights, alpha, 0.0, (), "") for problem in problems)
        factor = problems[0].factorise(weights, alpha, kept.mask)
        left_out = by_group(kept, factor)[0]
        posterior = calibrated_posterior(kept, factor, left_out)
        if seed == 0:
            assert calibrated_posterior(streamed, factor, left_out).force_scale == pytest.approx(posterior.force_scale)
        found.append([posterior.force_scale, posterior.stress_scale])
        for s in new:
            sigma, _ = posterior.deviations(*rows[s][1:])
            within.append(np.abs(rows[s][1] @ (factor.fit().coefficients - law)) / sigma.ravel())
    assert np.exp(np.mean(np.log(found), axis=0)) == pytest.approx(noise, rel=0.2)
    for sigmas, share in ((1.0, 0.683), (1.645, 0.9)):
        assert np.mean(np.concatenate(within) < sigmas) == pytest.approx(share, abs=0.06)


def test_a_potential_without_posterior_says_so(fitted: Path, files: dict[str, Path]) -> None:
    potential = replace(load_potential(fitted).potential, posterior=None)
    with pytest.raises(DataError, match="no posterior"):
        potential.uncertainty(read_dataset(files["test"]).frames[0])
    posterior = load_potential(fitted).potential.posterior
    with pytest.raises(DataError, match="unknowns"):
        replace(potential, posterior=replace(posterior, whitening=posterior.whitening[1:]))


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


def test_one_group_is_refused(files: dict[str, Path]) -> None:
    frames = [atoms.copy() for atoms in read_dataset(files["other"]).frames]
    for atoms, source in zip(frames, read_dataset(files["other"]).frames, strict=True):
        atoms.calc = source.calc
        atoms.info["group"] = "one"
    with pytest.raises(DataError, match="one group"):
        fit(frames, None, FAST)


def test_candidates_follow_material_and_data() -> None:
    perfect = bulk("Cu", "fcc", a=3.6, cubic=True)
    assert neighbour_counts(all_pairs([perfect]), np.array([2.4, 2.6, 3.7])).tolist() == [0, 12, 18]
    assert cutoffs(all_pairs([perfect]), FitSettings(neighbours=(12.0, 30.0))) == (3.0, 4.44)
    sparse = molecule("C2H6")
    assert cutoffs(all_pairs([sparse]), FitSettings()) == (3.12,)
    with pytest.raises(DataError, match="nothing to fit"):
        cutoffs(all_pairs([Atoms("He2", positions=[(0, 0, 0), (9, 0, 0)])]), FitSettings())
    assert most_functions([perfect] * 100, FitSettings()) == (400, "a third of the force components")
    assert most_functions([perfect] * 1000, FitSettings(work=1.2e10)) == (1000, "the work for a Gram matrix")
    assert most_functions([perfect] * 10**5, FitSettings()) == (600, "the work for a Gram matrix")
    assert most_functions([perfect] * 1000, FitSettings(functions=70)) == (70, "the setting")


@pytest.mark.parametrize("species", [("Cu",), ("Au", "Cu"), ("Mo", "Nb", "Ta", "W")])
def test_a_family_of_bases_fills_what_is_allowed(species: tuple[str, ...]) -> None:
    family = Family(species, 5.0, NEAR_STEPS, NEAR_L_MAX, *mixed_channels(len(species)))
    for most in (150, 1500):
        assert most / 5 < family.largest(most).n_functions <= most
    with pytest.raises(DataError, match="functions at least"):
        family.largest(0)


def test_species_channels_are_a_rotation_of_the_species() -> None:
    mixing, degrees = mixed_channels(4)
    weights = np.array(mixing)
    np.testing.assert_allclose(weights @ weights.T, np.eye(4), atol=1e-12)
    assert np.ptp(weights[0]) < 1e-12
    assert degrees[0] == 0 < min(degrees[1:])


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


def test_a_far_part_is_tried_where_there_are_functions_enough(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = read_dataset(files["train"]).frames
    few = fit(frames, None, FAST).metrics["choice"]
    assert {len(point["cutoffs_ang"]) for point in few["tried"]} == {1}
    monkeypatch.setattr(search, "NEAR_ALONE", 50)
    more = fit(frames, None, FAST).metrics["choice"]
    assert {len(point["cutoffs_ang"]) for point in more["tried"]} == {1, 2}
    near, far = max((point["cutoffs_ang"] for point in more["tried"]), key=len)
    assert far == pytest.approx(1.25 * near, abs=0.01)


def test_a_point_that_only_the_folds_can_factorise_is_not_taken(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = read_dataset(files["train"]).frames
    usual = fit(frames, None, FAST).metrics["choice"]
    plain = GramProblem.factorise

    def brittle(self, weights, alpha, mask, without=None):
        if without is None and alpha == usual["alpha"]:
            raise DataError("not positive definite")
        return plain(self, weights, alpha, mask, without)

    monkeypatch.setattr(GramProblem, "factorise", brittle)
    other = fit(frames, None, FAST).metrics["choice"]
    assert other["alpha"] != usual["alpha"]
    assert other["score"] >= usual["score"] - 0.01


def test_alpha_of_the_evidence_stands_beside_the_chosen_one(files: dict[str, Path]) -> None:
    frames, rng = read_dataset(files["train"]).frames, np.random.default_rng(3)
    for atoms in frames:
        atoms.calc.results["forces"] = atoms.calc.results["forces"] + 0.05 * rng.normal(size=(len(atoms), 3))
    metrics = fit(frames, None, FAST).metrics
    evidence = metrics["evidence"]
    assert evidence["converged"]
    assert f"The evidence would take alpha {evidence['alpha']:.1e}" in metrics["choice"]["text"]
    nearest = min(
        (point for point in metrics["choice"]["tried"] if point["n_functions"] == metrics["n_functions"]),
        key=lambda point: (
            abs(np.log(point["alpha"] / evidence["alpha"])),
            abs(point["root_energy_weight"] ** 2 - metrics["choice"]["w_energy"]),
        ),
    )
    assert evidence["cv_force_rmse_ev_per_ang"] == pytest.approx(nearest["force_rmse_ev_per_ang"], rel=0.1)


def test_left_out_by_folds_where_the_exact_way_is_too_much_work(files: dict[str, Path]) -> None:
    frames = read_dataset(files["train"]).frames
    exact = fit(frames, None, FAST).metrics
    folds = fit(frames, None, replace(FAST, memory_bytes=1.0)).metrics
    assert folds["cv_method"] == "groups left out in 5 folds; leaving out each is too much work"
    assert folds["train"] == pytest.approx(exact["train"], rel=1e-6)
    ratio = folds["cv"]["force_rmse_ev_per_ang"] / exact["cv"]["force_rmse_ev_per_ang"]
    assert 0.8 < ratio < 1.6


def test_settings_are_checked() -> None:
    with pytest.raises(SettingsError, match="above 0"):
        FitSettings(functions=0)
    with pytest.raises(SettingsError, match="rise"):
        FitSettings(log10_alphas=(2, 1))


def test_the_command_line_offers_every_functional_form() -> None:
    assert tuple(FITTERS) == MODELS


def test_columns_of_the_table_stay_apart_however_large_the_errors() -> None:
    row = {key: 979316.03 for key, *_ in COLUMNS}
    _, line = table([("cv by family", row)])
    assert [float(cell) for cell in line.removeprefix("cv by family").split()] == pytest.approx(
        [979316.03] * 6, rel=0.05
    )
