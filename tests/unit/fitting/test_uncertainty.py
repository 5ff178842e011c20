"""What a fitted potential says of its own errors, against the errors that it makes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from classical_models import classical
from labelled_files import FAST

from pesforge import load_potential
from pesforge.dataset import read_dataset
from pesforge.errors import DataError
from pesforge.export import save_model
from pesforge.fitting import fit
from pesforge.fitting.confidence import left_out_labels, posterior_of
from pesforge.fitting.search import Chosen, Size
from pesforge.io import read_json
from pesforge.potentials.grams import GramProblem
from pesforge.potentials.linear import prior_scale
from pesforge.potentials.normal import Weights
from pesforge.representations.ace import AceBasis
from pesforge.uncertainty.evidence import spoken

PHASES = ("before", "after")


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


def test_a_fit_tells_how_often_its_intervals_hold_before_and_after_calibration(
    fitted: Path, files: dict[str, Path]
) -> None:
    """In its metrics and its summary; the laws in the folder are those that were judged."""
    frames = read_dataset(files["train"]).frames
    result = fit(frames, None, FAST)
    found = result.metrics["uncertainty"]
    rows = {row["kind"]: row for row in found["kinds"]}
    assert set(rows) == {"energy", "force", "stress"}
    assert rows["energy"]["n"] == len(frames)
    assert rows["force"]["n"] == 3 * sum(len(atoms) for atoms in frames)
    assert all({"calibration_error_percent", "crps"} <= set(row[when]) for row in rows.values() for when in PHASES)
    assert rows["force"]["after"]["calibration_error_percent"] < 8
    assert "force: intervals of 50, 80, 95 % hold" in "\n".join(spoken(found))
    potential = result.potential
    assert potential.calibrated.laws["force"].scale == pytest.approx(rows["force"]["after"]["scale"])
    assert read_json(fitted / "metrics.json")["uncertainty"]["kinds"][0]["kind"] == "energy"
    assert potential.posterior.trained.largest_leverage == pytest.approx(
        max(potential.uncertainty(atoms).leverage.max() for atoms in frames), rel=1e-3
    )


def test_intervals_of_forces_hold_on_new_structures(fitted: Path, files: dict[str, Path]) -> None:
    potential = load_potential(fitted).potential
    inside: dict[float, list[float]] = {0.5: [], 0.95: []}
    for atoms in read_dataset(files["test"]).frames:
        found = potential.uncertainty(atoms, forces=True)
        wrong = np.abs(potential.evaluate(atoms)[1] - atoms.get_forces())
        for level, shares in inside.items():
            shares.append(float(np.mean(wrong < found.interval(level).forces_ev_per_ang)))
    assert np.mean(inside[0.5]) == pytest.approx(0.5, abs=0.2)
    assert np.mean(inside[0.95]) > 0.85


def test_a_folder_of_before_scales_as_before(fitted: Path, files: dict[str, Path], tmp_path: Path) -> None:
    """Without stored laws and training atoms: one Gaussian scale per kind, and no border."""
    potential = load_potential(fitted).potential
    old = replace(potential, calibrated=None, posterior=replace(potential.posterior, trained=None))
    save_model(tmp_path / "old", old, {})
    assert not (tmp_path / "old" / "calibration.json").exists()
    again, atoms = load_potential(tmp_path / "old").potential, read_dataset(files["test"]).frames[0]
    found = again.uncertainty(atoms, forces=True)
    total = np.linalg.norm(again.atom_rows(atoms).sum(axis=0) @ again.posterior.whitening)
    assert found.energy_sigma_ev == pytest.approx(again.posterior.scale * total)
    assert found.energy.aleatoric == 0
    assert found.interval(0.6827).energy_ev == pytest.approx(found.energy_sigma_ev, rel=1e-3)
    with pytest.raises(DataError, match="fit it again"):
        load_potential(tmp_path / "old", guard="stop")
    scaleless = replace(old, posterior=replace(old.posterior, force_scale=None))
    with pytest.raises(DataError, match="without the scale of its force errors"):
        scaleless.uncertainty(atoms, forces=True)


def test_what_knows_nothing_says_so(copper_frames: list[Atoms]) -> None:
    with pytest.raises(DataError, match="knows nothing of its own errors"):
        classical("pair-lj").uncertainty(copper_frames[0], forces=True)


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
        labels, how = left_out_labels(kept, factor)
        assert "without their group" in how
        posterior = posterior_of(factor, labels)
        if seed == 0:
            again, by_fold = left_out_labels(streamed, factor)
            assert "fold of groups" in by_fold
            assert len(again["force"].error) == len(labels["force"].error)
            assert 0.3 < posterior_of(factor, again).force_scale / posterior.force_scale < 3
        found.append([posterior.force_scale, posterior.stress_scale])
        for s in new:
            sigma = posterior.force_scale * np.sqrt(posterior.slope_leverages(rows[s][1]))
            within.append(np.abs(rows[s][1] @ (factor.fit().coefficients - law)) / sigma)
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
