"""The choice of a potential from training data alone, and the errors of what was left out."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from labelled_files import FAST

from pesforge import load_potential
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
from pesforge.metrics import errors
from pesforge.potentials.grams import GramProblem
from pesforge.potentials.linear import LinearProblem, residuals
from pesforge.potentials.normal import Weights
from pesforge.representations.design import describe


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


def test_left_out_by_folds_where_the_exact_way_is_too_much_work(files: dict[str, Path]) -> None:
    frames = read_dataset(files["train"]).frames
    exact = fit(frames, None, FAST).metrics
    folds = fit(frames, None, replace(FAST, memory_bytes=1.0)).metrics
    assert folds["cv_method"] == "groups left out in 5 folds; leaving out each is too much work"
    assert folds["train"] == pytest.approx(exact["train"], rel=1e-6)
    ratio = folds["cv"]["force_rmse_ev_per_ang"] / exact["cv"]["force_rmse_ev_per_ang"]
    assert 0.8 < ratio < 1.6


def test_one_group_is_refused(files: dict[str, Path]) -> None:
    frames = [atoms.copy() for atoms in read_dataset(files["other"]).frames]
    for atoms, source in zip(frames, read_dataset(files["other"]).frames, strict=True):
        atoms.calc = source.calc
        atoms.info["group"] = "one"
    with pytest.raises(DataError, match="one group"):
        fit(frames, None, FAST)


def test_settings_are_checked() -> None:
    with pytest.raises(SettingsError, match="above 0"):
        FitSettings(functions=0)
    with pytest.raises(SettingsError, match="rise"):
        FitSettings(log10_alphas=(2, 1))
