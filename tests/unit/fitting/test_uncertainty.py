"""What a fitted potential says of its own errors, against the errors that it makes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from labelled_files import FAST

from pesforge import load_potential
from pesforge.dataset import read_dataset
from pesforge.errors import DataError
from pesforge.fitting import fit
from pesforge.fitting.confidence import calibrated_posterior
from pesforge.fitting.left_out import by_group
from pesforge.fitting.search import Chosen, Size
from pesforge.potentials.grams import GramProblem
from pesforge.potentials.linear import prior_scale
from pesforge.potentials.normal import Weights
from pesforge.representations.ace import AceBasis


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
