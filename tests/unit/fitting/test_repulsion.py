"""Fits with a repulsion of nuclei: its radii, labels without it, two atoms pushed together, the folder, LAMMPS."""

import importlib
import json

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import covalent_radii
from ase.io import write

from pesforge import load_potential
from pesforge.cli import main
from pesforge.errors import DataError
from pesforge.export import Potential
from pesforge.fitting import FitSettings, fit
from pesforge.fitting.ace_options import AceOptions
from pesforge.fitting.evaluation import evaluate_frames
from pesforge.fitting.repulsion import attraction, repulsion_for, without_repulsion
from pesforge.metrics import errors
from pesforge.representations.ace import AceBasis
from pesforge.representations.zbl import Zbl

SETTINGS = FitSettings(functions=60, reductions=(1, 0), neighbours=(18.0,), root_energy_weights=(160.0,))
ZBL = AceOptions(zbl=True)


def copper(seed, spread=0.1, gold=0):
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    atoms.symbols[:gold] = "Au"
    atoms.set_cell(atoms.cell.array * (1 + 0.04 * rng.uniform(-1, 1)), scale_atoms=True)
    atoms.positions += spread * rng.normal(size=atoms.positions.shape)
    work = atoms.copy()
    work.calc = EMT()
    labels = {"energy": work.get_potential_energy(), "forces": work.get_forces(), "stress": work.get_stress()}
    atoms.calc = SinglePointCalculator(atoms, **labels)
    atoms.info.update(id=f"s{seed}", family=("hot", "cold")[seed % 2], group=f"g{seed}")
    return atoms


@pytest.fixture(scope="module")
def frames():
    return [copper(seed) for seed in range(24)]


@pytest.fixture(scope="module")
def bare(frames):
    return fit(frames, None, SETTINGS)


@pytest.fixture(scope="module")
def repelling(frames):
    return fit(frames, None, SETTINGS, options=ZBL)


def shortest(frames):
    return min(np.sort(atoms.get_all_distances(mic=True).ravel())[len(atoms)] for atoms in frames)


def test_the_outer_radius_is_the_shortest_distance_or_a_bond(frames):
    assert repulsion_for(frames).outer_ang == pytest.approx(shortest(frames), rel=1e-12)
    wide = [bulk("Cu", "fcc", a=4.5, cubic=True)]
    assert repulsion_for(wide).outer_ang == pytest.approx(2 * covalent_radii[29])
    both = repulsion_for([copper(0, gold=1)])
    assert both.species == ("Au", "Cu")
    assert 0 < both.inner_ang < both.outer_ang <= 2 * covalent_radii[29]


def test_where_no_pair_is_within_the_fit_is_the_plain_one(frames, bare, repelling):
    assert np.array_equal(bare.potential.coefficients, repelling.potential.coefficients)
    assert bare.potential.zeros == repelling.potential.zeros
    for split in ("train", "cv", "cv_leave_family_out"):
        assert bare.metrics[split] == repelling.metrics[split]
    for atoms in frames[:3]:
        for plain, whole in zip(bare.potential.evaluate(atoms), repelling.potential.evaluate(atoms), strict=True):
            assert np.array_equal(plain, whole)
        known = [fitted.potential.uncertainty(atoms) for fitted in (bare, repelling)]
        assert known[0].energy_sigma_ev == known[1].energy_sigma_ev > 0


def test_labels_without_the_repulsion_are_fitted_and_errors_stay_those_of_the_labels(frames, monkeypatch):
    """With a repulsion that reaches far into the data: the sum is what is judged, in training and left out."""
    far = Zbl(("Cu",), 1.2, 3.2)
    monkeypatch.setattr(importlib.import_module("pesforge.fitting.fit"), "repulsion_for", lambda _: far)
    result = fit(frames, None, SETTINGS, options=ZBL)
    assert result.metrics["train"] == pytest.approx(errors(evaluate_frames(result.potential, frames)), rel=1e-6)
    rest = without_repulsion(frames, far)
    assert abs(rest[0].calc.results["energy"] - frames[0].calc.results["energy"]) > 0.1
    again = fit(rest, None, SETTINGS)
    assert np.array_equal(again.potential.coefficients, result.potential.coefficients)
    assert again.metrics["cv"] == result.metrics["cv"]
    for key, value in again.metrics["train"].items():
        assert value == pytest.approx(result.metrics["train"][key], rel=1e-6)
    for mine, linear, added in zip(
        result.potential.evaluate(frames[1]), again.potential.evaluate(frames[1]), far.evaluate(frames[1]), strict=True
    ):
        np.testing.assert_allclose(mine, linear + added, rtol=1e-10, atol=1e-10)


def test_structures_without_stress_and_other_labels_keep_them(frames):
    atoms = frames[0].copy()
    labels = {key: frames[0].calc.results[key] for key in ("energy", "forces")}
    atoms.calc = SinglePointCalculator(atoms, **labels)
    (rest,) = without_repulsion([atoms], Zbl(("Cu",), 1.2, 3.2))
    assert set(rest.calc.results) == {"energy", "forces"}
    assert rest.info == atoms.info


def pushed(potential, distances):
    """Energies and forces along the line of two atoms of a crystal, one being pushed to the other."""
    energies, forces = [], []
    for distance in distances:
        atoms = bulk("Cu", "fcc", a=3.6, cubic=True) * (2, 2, 2)
        line = atoms.positions[1] - atoms.positions[0]
        line = line / np.linalg.norm(line)
        atoms.positions[1] = atoms.positions[0] + distance * line
        found = potential.evaluate(atoms)
        energies.append(found[0].sum())
        forces.append((found[1][1] - found[1][0]) @ line)
    return np.array(energies), np.array(forces)


def planted(baseline=None):
    """A linear potential that draws atoms together, the more the closer they are."""
    basis = AceBasis(("Cu",), 5.0, (3, 3), (0, 1))
    coefficients = np.zeros(basis.n_functions)
    coefficients[0] = -2.0
    return Potential("ace-linear", basis, coefficients, {"Cu": -1.0}, baseline=baseline)


def test_atoms_that_are_pushed_together_repel_each_other():
    distances = np.arange(1.5, 0.29, -0.05)
    energies, forces = pushed(planted(), distances)
    assert (np.diff(energies) < 0).any()
    assert (forces < 0).any()
    energies, forces = pushed(planted(Zbl(("Cu",), 1.3, 2.2)), distances)
    assert (np.diff(energies) > 0).all()
    assert (forces > 0).all()


def test_the_fit_repels_and_says_so(repelling):
    energies, forces = pushed(repelling.potential, np.arange(1.5, 0.29, -0.05))
    assert (np.diff(energies) > 0).all()
    assert (forces > 0).all()
    choice = repelling.metrics["choice"]
    assert choice["zbl"]["outer_ang"] == repelling.potential.baseline.outer_ang
    assert f"to {choice['zbl']['outer_ang']:.3f} Å" in choice["text"]
    alone = attraction(repelling.potential, choice["zbl"]["outer_ang"])
    assert bool(choice["zbl"]["attraction_ang"]) == bool(alone)


def test_attraction_that_is_left_is_found():
    weak = planted(Zbl(("Cu",), 0.31, 0.35))
    found = attraction(weak, 2.0)["Cu-Cu"]
    assert found.max() > 1.5
    assert attraction(planted(Zbl(("Cu",), 1.5, 2.4)), 1.5) == {}


def test_the_command_and_the_folder(frames, tmp_path, capsys):
    write(tmp_path / "train.extxyz", frames, format="extxyz")
    out = tmp_path / "fit"
    argv = ["fit", str(tmp_path / "train.extxyz"), "--out", str(out), "--functions", "60"]
    assert main([*argv, "--option", "zbl=true"]) == 0
    assert "repulsion of nuclei" in capsys.readouterr().out
    model = json.loads((out / "potential" / "model.json").read_text())
    calculator = load_potential(out)
    assert calculator.potential.baseline.to_dict() == model["baseline"]
    assert "ZBL" in (out / "potential" / "MODEL_CARD.md").read_text()
    atoms = ase.io.read(tmp_path / "train.extxyz")
    atoms.positions[0] = atoms.positions[1] + [0.9, 0.0, 0.0]
    atoms.calc = calculator
    whole = atoms.get_potential_energy()
    assert whole == pytest.approx(atoms.get_potential_energies().sum())
    stored = calculator.potential
    alone = Potential("ace-linear", stored.basis, stored.coefficients, stored.zeros)
    added = stored.baseline.evaluate(atoms)
    assert added[0].sum() > 100
    assert whole == pytest.approx(alone.evaluate(atoms)[0].sum() + added[0].sum(), rel=1e-12)
    np.testing.assert_allclose(atoms.get_stress(), alone.evaluate(atoms)[2] + added[2], rtol=1e-9, atol=1e-9)


def test_another_species_is_refused():
    with pytest.raises(DataError, match="repulsion is of"):
        planted(Zbl(("Au",), 1.0, 2.0))
