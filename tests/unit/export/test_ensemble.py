"""The ensemble of a study: errors left out in the order of the structures, and a folder that gives its spread."""

from pathlib import Path

import numpy as np
import pytest

from pesforge import load_potential
from pesforge.errors import DataError
from pesforge.export.ensemble import (
    DRAWS,
    dropout_left_out,
    ensemble_held_out,
    linear_members,
    member_errors,
    members_left_out,
    moved_heads,
    take_away_ensemble,
)
from pesforge.io import write_json
from pesforge.metrics import Residuals
from pesforge.potentials.head import NeuralHead
from pesforge.potentials.linear import residuals
from pesforge.potentials.normal import Weights
from pesforge.representations.ace import AceBasis
from pesforge.representations.projections import project_all
from pesforge.settings import Crossvalidate
from pesforge.training.dropout import contribution
from pesforge.training.judge import save_residuals
from pesforge.training.members import WHOLE
from pesforge.training.stages import fit_linear
from pesforge.uncertainty.calibrated import Calibrated
from pesforge.uncertainty.law import Law
from pesforge.uncertainty.noise import NoiseHead, NoiseShape
from pesforge.uncertainty.variance import moments

BASIS = AceBasis(species=("Cu",), cutoff_ang=4.5, max_degree=(6, 6), l_max=(0, 3))
POINT = {"degree_reduction": 4, "alpha": 1.0, "n_functions": int(BASIS.subset_mask(4).sum())}
CONFIG = {"loss": {"w_energy": 10.0, "w_force": 1.0, "w_stress": 100.0}}
CHOICE = {"kind": "neural", "name": "neural 10 : 1 : 100", "weights": {"w_energy": 10.0, "w_force": 1.0}}
LAWS = Calibrated(
    "members",
    {"energy": Law(0.02, 3.0), "force": Law(0.01, 2.0), "stress": Law(1e-6, 1.0)},
    NoiseHead(
        {
            kind: NoiseShape(np.zeros(3), np.full(3, 10.0), np.array([0.3, -0.2, 0.1, 0.0, 0.0, 0.0, shift]))
            for kind, shift in (("energy", 0.1), ("force", -0.4))
        }
    ),
)
"""Laws of the errors, with a noise of energies and of forces that depends on the projections of the atoms."""
MATRIX = np.random.default_rng(0).normal(size=(BASIS.n_functions, 3))


def head(seed: int) -> NeuralHead:
    rng = np.random.default_rng(seed)
    return NeuralHead(
        rng.normal(size=3), np.full(3, 20.0), rng.normal(size=3), (rng.normal(size=(8, 3)), rng.normal(size=(8, 8))),
        (rng.normal(size=8), rng.normal(size=8)), 0.1 * rng.normal(size=8), rng.normal(size=1), "silu",
    )  # fmt: skip


def random_residuals(sizes: np.ndarray, seed: int) -> Residuals:
    rng = np.random.default_rng(seed)
    return Residuals(
        rng.normal(size=len(sizes)), rng.normal(size=3 * sizes.sum()), rng.normal(size=6 * len(sizes)), sizes
    )


@pytest.fixture(scope="module")
def folders(copper_design, tmp_path_factory) -> list[Path]:
    """Three members with random residuals in two folds, and heads of all groups."""
    root, made = tmp_path_factory.mktemp("ensemble"), []
    held = [np.arange(0, 28, 2), np.arange(1, 28, 2)]
    for part in ("0", "1", WHOLE):
        for member in range(3):
            folder = root / part / f"member_{member}"
            folder.mkdir(parents=True)
            head(10 * member).save(folder)
            if part != WHOLE:
                whole = random_residuals(copper_design.n_atoms, member)
                save_residuals(folder / "residuals.npz", held[int(part)], whole.select(held[int(part)]))
            made.append(folder)
    return made


def test_every_structure_is_judged_by_the_fold_that_has_not_seen_it(folders, copper_design):
    members = members_left_out(folders, 28)
    wanted = [random_residuals(copper_design.n_atoms, member) for member in range(3)]
    for found, own in zip(members, wanted, strict=True):
        np.testing.assert_array_equal(found.energy, own.energy)
        np.testing.assert_array_equal(found.forces, own.forces)
        np.testing.assert_array_equal(found.stress, own.stress)
    judged = ensemble_held_out(copper_design, members, 2)
    mean = np.mean([own.forces for own in wanted], axis=0)
    assert judged["errors"]["force_rmse_ev_per_ang"] == pytest.approx(np.sqrt(np.mean(mean**2)))
    assert judged["how"] == "groups held out in all 2 folds, mean of 3 members"
    alone, together = member_errors(members)
    squares = [np.mean(own.forces**2) for own in wanted]
    assert alone["force_rmse_ev_per_ang"] == pytest.approx(np.sqrt(np.mean(squares)))
    assert together["force_rmse_ev_per_ang"] == judged["errors"]["force_rmse_ev_per_ang"]
    with pytest.raises(DataError, match="member_0: its folds hold"):
        members_left_out([folder for folder in folders if folder.parent.name != "1"], 28)


def test_the_folder_predicts_the_mean_and_gives_the_spread(folders, copper_design, copper_frames, tmp_path):
    model = Crossvalidate()
    place = tmp_path / "potential"
    place.mkdir()
    (place / "head_7.json").write_text("of an earlier run")
    take_away_ensemble(
        place, design=copper_design, basis=BASIS, choice=CHOICE, point=POINT, model=model, members=folders,
        config=CONFIG, matrix=MATRIX, metadata={"own_errors": {"spread": "variance over 3 heads"}}, calibrated=LAWS,
    )  # fmt: skip
    assert not (place / "head_7.json").exists()
    assert "variance over 3 heads" in (place / "MODEL_CARD.md").read_text()
    potential = load_potential(place).potential
    every = np.arange(28)
    weights = CONFIG["loss"]
    columns = BASIS.subset_mask(4)
    fit, _ = fit_linear(
        copper_design, every, Weights(weights["w_energy"], weights["w_force"], weights["w_stress"]), model=model,
        alpha=1.0, columns=columns,
    )  # fmt: skip
    linear = residuals(copper_design, fit)
    projections = project_all(copper_frames, BASIS, MATRIX)
    added = [contribution(head(10 * member), projections, copper_design.counts) for member in range(3)]
    atoms = copper_frames[3]
    size = len(atoms)
    energies, forces, stress = potential.evaluate(atoms)
    label = atoms.get_potential_energy() / size
    assert energies.sum() / size == pytest.approx(linear.energy[3] + label + np.mean([own.energy[3] for own in added]))
    place_of = linear.force_slice(3)
    mean = np.mean([own.forces[place_of] for own in added], axis=0)
    np.testing.assert_allclose(forces.ravel() - atoms.get_forces().ravel(), linear.forces[place_of] + mean, atol=1e-9)
    told = np.mean([own.stress.reshape(-1, 6)[3] for own in added], axis=0)
    np.testing.assert_allclose(stress - atoms.get_stress(), linear.stress.reshape(-1, 6)[3] + told, atol=1e-10)
    energy, of_forces = potential.spread(atoms)
    assert energy == pytest.approx(size * np.std([own.energy[3] for own in added], ddof=1))
    wanted = np.std([own.forces[place_of] for own in added], axis=0, ddof=1)
    np.testing.assert_allclose(of_forces.ravel(), wanted, rtol=1e-8)
    known = potential.uncertainty(atoms, forces=True)
    rho = projections.select(np.array([3])).rho
    noise = LAWS.noise.of(rho, np.array([size]))
    assert known.energy.sigma == pytest.approx(
        np.sqrt(noise["energy"][0] * 0.02**2 + 3.0**2 * energy**2 / size**2) * size
    )
    sigma = np.sqrt(0.01**2 * noise["force"] + 2.0**2 * wanted**2)
    np.testing.assert_allclose(known.forces.sigma.ravel(), sigma, rtol=1e-8)
    assert noise["force"].std() > 1e-3, "the noise differs from atom to atom"


def test_draws_of_dropout_spread_around_the_heads_of_the_sweep(copper_design, copper_frames, tmp_path):
    projections, runs = project_all(copper_frames, BASIS, MATRIX), []
    for seed, held in enumerate((np.arange(5), np.arange(9, 12))):
        run = tmp_path / f"seed_{seed}"
        run.mkdir()
        head(seed).save(run)
        save_residuals(run / "residuals.npz", held, random_residuals(copper_design.n_atoms[held], seed))
        runs.append(run)
    structures, found, draws = dropout_left_out(runs, copper_design, projections, rate=0.2, seed=5)
    assert structures.tolist() == [0, 1, 2, 3, 4, 9, 10, 11]
    assert len(draws) == DRAWS
    thinned = head(1).thinned(0.2, np.random.default_rng(5))
    part, counts = projections.select(np.arange(9, 12)), copper_design.counts[9:12]
    shift = contribution(thinned, part, counts).energy - contribution(head(1), part, counts).energy
    np.testing.assert_allclose(draws[0].energy[5:], found.energy[5:] + shift)
    assert (moments(draws)[1]["force"] > 0).mean() > 0.5
    still = dropout_left_out(runs, copper_design, projections, rate=0.0, seed=5)[2]
    np.testing.assert_allclose(still[0].forces, found.forces, atol=1e-12)


def test_shipped_members_that_stayed_linear_are_told():
    rows = [{"part": part, "best_epoch": epoch} for part, epoch in (("0", 0), (WHOLE, 0), (WHOLE, 15), (WHOLE, 30))]
    assert linear_members(rows).startswith("1 of the 3 shipped members stayed at the linear potential")
    assert linear_members([*rows[:1], *rows[2:]]) is None


def test_heads_with_dropout_that_stayed_linear_are_left_out_and_told_of(tmp_path):
    runs = [tmp_path / f"seed_{number}" for number in range(2)]
    for run, epoch in zip(runs, (0, 25), strict=True):
        write_json(run / "metrics.json", {"best_epoch": epoch})
    moved, note = moved_heads(runs)
    assert moved == runs[1:]
    assert note.startswith("1 of the 2 heads of this point stayed at the linear potential")
    assert moved_heads(runs[1:]) == (runs[1:], None)
