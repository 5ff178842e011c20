"""The sweep's jobs and the choice, on copper labelled by EMT; the shipped potential is the one that was judged."""

from pathlib import Path

import numpy as np
import pytest

from pesforge import load_potential
from pesforge.errors import DataError
from pesforge.export.stage import held_out_of, take_away
from pesforge.io import write_json
from pesforge.metrics import errors
from pesforge.potentials.linear import LinearProblem, residuals
from pesforge.potentials.normal import Weights
from pesforge.representations.ace import AceBasis
from pesforge.representations.principal import principal_projections
from pesforge.representations.projections import project_all
from pesforge.settings import Crossvalidate
from pesforge.training.compose import compose
from pesforge.training.judge import judge, save_residuals
from pesforge.training.stages import (
    choose_candidate,
    fit_linear,
    head_labels,
    most_improved,
    split_of,
    train_point,
    training_evidence,
)

TRAIN = Path(__file__).parents[3] / "config" / "train"
BASIS = AceBasis(species=("Cu",), cutoff_ang=4.5, max_degree=(6, 6), l_max=(0, 3))
MODEL = Crossvalidate()
SPLIT = {"folds": 4, "study_seed": 1, "validation_fraction": 0.25}
COLUMNS = BASIS.subset_mask(4)
POINT = {"degree_reduction": 4, "alpha": 1.0, "n_functions": int(COLUMNS.sum())}
"""A linear potential so small that a non-linear head has something left to learn."""


def test_a_split_separates_no_group_and_every_seed_holds_out_another_fold(make_design):
    design = make_design(structures=24, per_group=2)
    splits = [split_of(design, seed=seed, **SPLIT) for seed in range(4)]
    for split in splits:
        parts = [{design.groups[index] for index in part} for part in (split.train, split.validation, split.test)]
        assert not parts[0] & parts[1]
        assert not (parts[0] | parts[1]) & parts[2]
        assert len(split.train) + len(split.validation) + len(split.test) == 24
    assert sorted(np.concatenate([split.test for split in splits])) == list(range(24))


def test_the_head_learns_leave_group_out_residuals_and_is_judged_on_those_of_the_fit(make_design):
    design = make_design(structures=24, per_group=2)
    split = split_of(design, seed=1, **SPLIT)
    columns = np.ones(len(design.degree), dtype=bool)
    weights = Weights(10.0, 1.0, 100.0)
    fit, held_out = fit_linear(design, split.seen, weights, model=MODEL, alpha=1e-3, columns=columns)
    labels = head_labels(design, split, fit, held_out)
    of_fit = residuals(design, fit)
    np.testing.assert_allclose(labels.energy[split.test], -of_fit.energy[split.test])
    seen = residuals(design.select(split.seen), fit)
    assert np.linalg.norm(labels.energy[split.seen]) > 1.2 * np.linalg.norm(seen.energy)
    np.testing.assert_allclose(labels.energy[split.seen], -held_out.energy)
    atoms = np.arange(design.offsets[split.seen[1]], design.offsets[split.seen[1] + 1])
    np.testing.assert_allclose(labels.forces.reshape(-1, 3)[atoms].ravel(), -held_out.forces[held_out.force_slice(1)])


@pytest.fixture(scope="module")
def trained(copper_design, copper_frames, tmp_path_factory):
    """Two seeds of one point on copper, in the folders that a study would have."""
    folder = tmp_path_factory.mktemp("run")
    config = compose(TRAIN, ["trainer=quick", "model.width=8", "loss.lambda_m=0.01"])
    problem = LinearProblem(copper_design, prior_power=MODEL.prior_power)
    matrix = principal_projections(copper_frames, BASIS, problem.scale[: BASIS.n_functions], 4)
    projections = project_all(copper_frames, BASIS, matrix)
    runs, metrics = [], []
    for seed in range(2):
        split = split_of(copper_design, seed=seed, **SPLIT)
        place = folder / f"seed_{seed}"
        found, head, left = train_point(
            config, copper_design, projections, split=split, model=MODEL, chosen=POINT, columns=COLUMNS, seed=seed,
            folder=place,
        )  # fmt: skip
        head.save(place)
        save_residuals(place / "residuals.npz", split.test, left)
        write_json(place / "metrics.json", found)
        runs.append(place)
        metrics.append(found)
    return {"config": config, "matrix": matrix, "runs": runs, "metrics": metrics}


@pytest.mark.parametrize("kind", ["linear", "neural"])
def test_the_potential_that_is_shipped_is_the_one_that_was_judged(
    trained, copper_design, copper_frames, kind, tmp_path
):
    evidence = choose_candidate({"0a": trained["metrics"]}, "balanced")
    choice = next(candidate for candidate in evidence["candidates"] if candidate["kind"] == kind)
    shared = {
        "design": copper_design,
        "basis": BASIS,
        "choice": choice,
        "point": POINT,
        "model": MODEL,
        "runs": trained["runs"],
    }
    judged = held_out_of(**shared)
    (tmp_path / "potential").mkdir()
    (tmp_path / "potential/posterior.safetensors").write_bytes(b"of an earlier run, whose declared files are gone")
    take_away(
        tmp_path / "potential", **shared, config=trained["config"], folds=4, study_seed=1, matrix=trained["matrix"],
        frames=copper_frames, metadata={},
    )  # fmt: skip
    calculator = load_potential(tmp_path / "potential")
    if kind == "linear":
        weights = Weights(**{key[2:]: choice["weights"][key] for key in ("w_energy", "w_force", "w_stress")})
        fit = LinearProblem(copper_design, prior_power=MODEL.prior_power).fit(weights, POINT["alpha"], COLUMNS)
        wanted, structures = residuals(copper_design, fit), range(len(copper_frames))
        assert judged["errors"]["force_rmse_ev_per_ang"] > errors(wanted)["force_rmse_ev_per_ang"]
        energies = wanted.energy
        problem = LinearProblem(copper_design, prior_power=MODEL.prior_power)
        factor = problem.factorise(weights, POINT["alpha"], COLUMNS)
        told = calculator.potential.uncertainty(copper_frames[0], forces=True)
        law = calculator.potential.calibrated.laws["energy"]
        leverage = factor.leverages(copper_design.select([0]))["energy"][0]
        assert told.energy.epistemic**2 + told.energy.aleatoric**2 == pytest.approx(told.energy_sigma_ev**2)
        root = np.sqrt(law.dof / (law.dof - 2)) if np.isfinite(law.dof) else 1.0
        assert told.energy.epistemic == pytest.approx(root * law.scale * 4 * np.sqrt(leverage), rel=1e-4)
        largest = max(calculator.potential.uncertainty(atoms).leverage.max() for atoms in copper_frames)
        assert calculator.potential.posterior.trained.largest_leverage == pytest.approx(largest, rel=1e-4)
        assert told.force_sigma_ev_per_ang.shape == copper_frames[0].positions.shape
    else:
        best = most_improved(trained["metrics"])
        assert trained["metrics"][best]["best_epoch"] > 0
        content = np.load(trained["runs"][best] / "residuals.npz")
        structures, energies = content["structures"], content["energy"]
        assert judged["errors"]["energy_rmse_mev_per_atom"] == pytest.approx(choice["energy_rmse_mev_per_atom"])
    for index, energy in zip(structures, energies, strict=True):
        atoms = copper_frames[index].copy()
        atoms.calc = calculator
        label = copper_frames[index].get_potential_energy()
        assert (atoms.get_potential_energy() - label) / len(atoms) == pytest.approx(energy, abs=1e-9)


def test_candidates_are_all_heads_and_each_linear_potential_once(trained):
    first = trained["metrics"]
    second = [{**seed, "loss": {**seed["loss"], "lambda_m": 1.0}} for seed in first]
    evidence = choose_candidate({"0a": first, "0b": second}, "relaxation")
    assert sorted(candidate["kind"] for candidate in evidence["candidates"]) == ["linear", "neural", "neural"]
    assert sum(candidate["chosen"] for candidate in evidence["candidates"]) == 1
    chosen = next(candidate for candidate in evidence["candidates"] if candidate["chosen"])
    lowest = min(candidate["force_typical_ev_per_ang"] for candidate in evidence["candidates"])
    assert chosen["force_typical_ev_per_ang"] == lowest
    runs = training_evidence({"0a": first, "0b": second})
    assert len(runs["runs"]) == 4
    assert [row["lambda_m"] for row in runs["by_lambda_m"]] == [0.01, 1.0]


def seed(squares, number, best_epoch=5):
    """Metrics of a run with given sums of squared residuals."""
    sums = {"thermal": {"energy": [squares, number], "force": [squares, number], "stress": [0.0, 0]}}
    loss = {"w_energy": 1, "w_force": 1, "w_stress": 1, "lambda_m": 0}
    return {"best_epoch": best_epoch, "loss": loss, "linear": {"sums": sums}, "neural": {"sums": sums}}


def test_a_head_that_moved_is_shipped_before_one_that_stayed_zero_on_easier_groups():
    runs = [
        {"history": [{"validation_loss": loss} for loss in losses]} for losses in ((2.0, 4.0), (9.0, 6.0), (9.0, 8.0))
    ]
    assert most_improved(runs) == 1


def test_a_head_that_stayed_zero_in_every_seed_is_no_candidate():
    evidence = choose_candidate({"0a": [seed(1.0, 1, best_epoch=0), seed(0.5, 1, best_epoch=0)]}, "balanced")
    assert [candidate["kind"] for candidate in evidence["candidates"]] == ["linear"]
    assert evidence["heads_that_stayed_zero"] == ["neural 1 : 1 : 1, λ_M 0"]
    evidence = choose_candidate({"0a": [seed(1.0, 1, best_epoch=0), seed(0.5, 1, best_epoch=3)]}, "balanced")
    assert [candidate["kind"] for candidate in evidence["candidates"]] == ["linear", "neural"]


def test_errors_of_seeds_are_pooled_over_components_not_averaged():
    (linear, _) = choose_candidate({"0a": [seed(1.0, 1), seed(0.0, 3)]}, "balanced")["candidates"]
    assert linear["force_rmse_ev_per_ang"] == pytest.approx(0.5)
    assert linear["energy_rmse_mev_per_atom"] == pytest.approx(500.0)
    assert linear["stress_rmse_gpa"] is None


def test_the_errors_that_decide_are_geometric_means_over_families():
    found = seed(1.0, 1)
    for kind in ("linear", "neural"):
        found[kind] = {"sums": {**found[kind]["sums"], "dimer": {key: [1e4, 1] for key in ("energy", "force")}}}
        found[kind]["sums"]["dimer"]["stress"] = [0.0, 0]
    (linear, _) = choose_candidate({"0a": [found]}, "balanced")["candidates"]
    assert linear["force_typical_ev_per_ang"] == pytest.approx(10.0)
    assert linear["force_rmse_ev_per_ang"] == pytest.approx(np.sqrt((1.0 + 1e4) / 2))
    assert linear["stress_typical_gpa"] is None


def test_errors_of_decisive_families_alone_are_overall(make_design):
    design = make_design(structures=6)
    found = residuals(design, LinearProblem(design, prior_power=1.0).fit(Weights(1.0, 1.0, 1.0), 1e-2))
    picture = judge(design, np.arange(6), found, "for a test", ["strain"])
    assert picture["errors"] == errors(found.select([name == "strain" for name in design.families]))
    assert [row["family"] for row in picture["by_family"]] == ["strain", "thermal"]
    assert "strain" in picture["how"]
    with pytest.raises(DataError, match=r"choose\.families"):
        judge(design, np.arange(6), found, "for a test", ["surface"])


def test_an_empty_sweep_is_refused():
    with pytest.raises(DataError, match="no run"):
        choose_candidate({}, "balanced")


def test_the_failure_picture_bins_by_force_and_names_the_worst(make_design):
    design = make_design(structures=6)
    found = residuals(design, LinearProblem(design, prior_power=1.0).fit(Weights(1.0, 1.0, 1.0), 1e-2))
    found.forces[found.force_slice(4)] = 9.0
    picture = judge(design, np.arange(6), found, "for a test")
    assert picture["worst"][0]["id"] == design.ids[4]
    assert picture["worst"][0]["force_error_ev_per_ang"] == pytest.approx(9.0)
    assert sum(row["count"] for row in picture["by_force"]) == design.n_atoms.sum()
    magnitude = np.linalg.norm(design.y_forces.reshape(-1, 3), axis=1)
    inside = magnitude < 0.5
    expected = np.sqrt((found.forces.reshape(-1, 3)[inside] ** 2).mean()) if inside.any() else None
    assert picture["by_force"][0]["force_rmse_ev_per_ang"] == (pytest.approx(expected) if inside.any() else None)


def test_a_kind_that_is_not_allowed_is_not_chosen(trained):
    """The linear potential stays listed beside the neural one, and the other way round."""
    for kind in ("linear", "neural"):
        found = choose_candidate({"0a": trained["metrics"]}, "balanced", [kind])
        assert {candidate["kind"] for candidate in found["candidates"]} == {"linear", "neural"}
        assert [candidate["kind"] for candidate in found["candidates"] if candidate["chosen"]] == [kind]
    still = [{**seed, "best_epoch": 0} for seed in trained["metrics"]]
    with pytest.raises(DataError, match="no epoch improved a head in any run"):
        choose_candidate({"0a": still}, "balanced", ["neural"])
