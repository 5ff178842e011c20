"""The folder to take away: what is written comes back, byte for byte, and damage is named."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError

import pesforge
from pesforge.errors import PesforgeError
from pesforge.export import Potential, load_potential, save_potential
from pesforge.potentials.head import NeuralHead
from pesforge.representations.ace import AceBasis
from pesforge.settings import Tolerances
from pesforge.validation.derivatives import derivative_checks

ZEROS = {"Si": -107.3, "C": -151.25}
METADATA = {
    "study": "carbide",
    "settings_hash": "9f3ac1d2e4b5a697",
    "errors": {"force_rmse_ev_per_ang": 0.0217},
    "limits": ["no surfaces"],
    "versions": {"ase": "3.29.0"},
    "odd | text": "a | b",
}


@pytest.fixture(scope="module")
def basis():
    return AceBasis(species=("Si", "C"), cutoff_ang=3.5, max_degree=(5, 5), l_max=(0, 3))


@pytest.fixture(scope="module")
def atoms():
    crystal = bulk("SiC", "zincblende", a=4.36, cubic=True)
    crystal.rattle(0.1, seed=1)
    return crystal


@pytest.fixture(scope="module")
def parts(basis):
    """Keyword arguments of a linear and of a neural potential."""
    rng = np.random.default_rng(7)
    linear = {
        "kind": "ace-linear",
        "basis": basis,
        "coefficients": rng.normal(size=basis.n_functions) / (1 + basis.degree) ** 2,
        "zeros": ZEROS,
        "metadata": METADATA,
    }
    head = NeuralHead(
        mean=rng.normal(size=4),
        scale=rng.uniform(0.5, 2, size=4),
        linear=rng.normal(size=4),
        weights=(rng.normal(size=(6, 4)), rng.normal(size=(3, 6))),
        biases=(rng.normal(size=6), rng.normal(size=3)),
        output=rng.normal(size=3),
        zeros=np.array([3.0, 5.0]),
        activation="silu",
    )
    neural = {
        **linear,
        "kind": "ace-neural",
        "head": head,
        "matrix": rng.normal(size=(basis.n_functions, 4)) / 10,
        "offset": rng.normal(size=4),
    }
    return {"ace-linear": linear, "ace-neural": neural}


@pytest.mark.parametrize("kind", ["ace-linear", "ace-neural"])
def test_what_is_saved_is_loaded(tmp_path, parts, atoms, kind):
    given = {key: value for key, value in parts[kind].items() if key != "metadata"}
    save_potential(tmp_path / "potential", **parts[kind])
    calculator = load_potential(tmp_path / "potential")
    energies, forces, stress = Potential(**given).evaluate(atoms)
    loaded = calculator.potential.evaluate(atoms)
    assert all(np.array_equal(found, value) for found, value in zip(loaded, (energies, forces, stress), strict=True))
    copy = atoms.copy()
    copy.calc = calculator
    assert copy.get_potential_energy() == pytest.approx(energies.sum(), abs=1e-10)
    assert np.allclose(copy.get_potential_energies(), energies, rtol=0, atol=1e-11)
    assert np.allclose(copy.get_forces(), forces, rtol=0, atol=1e-11)
    assert np.allclose(copy.get_stress(), stress, rtol=0, atol=1e-13)
    assert copy.get_potential_energy(force_consistent=True) == copy.get_potential_energy()
    assert calculator.metadata["settings_hash"] == METADATA["settings_hash"]


def test_a_linear_potential_is_the_design_row_times_the_coefficients(parts, basis, atoms):
    energy, forces, stress = basis.rows(atoms)
    coefficients = parts["ace-linear"]["coefficients"]
    found = Potential("ace-linear", basis, coefficients, ZEROS).evaluate(atoms)
    zero = sum(ZEROS[symbol] for symbol in atoms.get_chemical_symbols())
    assert found[0].sum() == pytest.approx(energy @ coefficients + zero, abs=1e-9)
    assert np.allclose(found[1].ravel(), forces @ coefficients, atol=1e-10)
    assert np.allclose(found[2], stress @ coefficients, atol=1e-12)


def test_a_neural_potential_adds_the_head_of_its_projections(parts, basis, atoms):
    given = parts["ace-neural"]
    potential = Potential(**{key: value for key, value in given.items() if key != "metadata"})
    invariants = basis.invariants(atoms)
    correction, _ = given["head"].energies_and_gradient(invariants @ given["matrix"] - given["offset"])
    zeros = np.array([ZEROS[symbol] for symbol in atoms.get_chemical_symbols()])
    assert np.allclose(
        potential.evaluate(atoms)[0], zeros + invariants @ given["coefficients"] + correction, atol=1e-10
    )


@pytest.mark.parametrize("kind", ["ace-linear", "ace-neural"])
def test_forces_and_stress_are_derivatives(tmp_path, parts, atoms, kind):
    save_potential(tmp_path / "potential", **parts[kind])
    calculator = load_potential(tmp_path / "potential")
    checks = derivative_checks(atoms, calculator, tolerances=Tolerances(), seed=1, loops=1)
    assert [check.passed for check in checks] == [True] * 3


@pytest.mark.parametrize("kind", ["ace-linear", "ace-neural"])
def test_equal_potentials_give_equal_bytes(tmp_path, parts, kind):
    first, second = tmp_path / "first", tmp_path / "second"
    save_potential(first, **parts[kind])
    shuffled = {**parts[kind], "zeros": dict(reversed(ZEROS.items())), "metadata": dict(reversed(METADATA.items()))}
    save_potential(second, **shuffled)
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in second.iterdir())
    assert {"model.json", "weights.safetensors", "MODEL_CARD.md"} <= set(names)
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_the_model_card_says_what_must_be_known(tmp_path, parts):
    save_potential(tmp_path / "potential", **parts["ace-linear"])
    card = (tmp_path / "potential" / "MODEL_CARD.md").read_text()
    for words in ("Si, C", "9f3ac1d2e4b5a697", "0.0217", "no surfaces", "load_potential", "a \\| b", "-107.3"):
        assert words in card


def test_an_old_potential_is_replaced_whole(tmp_path, parts, atoms):
    folder = tmp_path / "potential"
    save_potential(folder, **parts["ace-neural"])
    save_potential(folder, **parts["ace-linear"])
    assert not list(folder.glob("head.*"))
    assert load_potential(folder).potential.kind == "ace-linear"
    assert [path.name for path in tmp_path.iterdir()] == ["potential"]


def test_a_failed_write_leaves_the_old_potential(tmp_path, parts):
    folder = tmp_path / "potential"
    save_potential(folder, **parts["ace-linear"])
    before = (folder / "model.json").read_bytes()
    with pytest.raises(TypeError):
        save_potential(folder, **{**parts["ace-neural"], "metadata": {"no json": object()}})
    assert (folder / "model.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["potential"]


def test_a_foreign_folder_is_not_touched(tmp_path, parts):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(PesforgeError, match="holds no potential"):
        save_potential(tmp_path, **parts["ace-linear"])
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"coefficients": np.zeros(3)}, "functions"),
        ({"zeros": {"Si": 0.0}}, "energy zeros"),
        ({"kind": "ace-neural"}, "needs a head"),
        ({"kind": "spline"}, "not known"),
        ({"matrix": np.zeros((2, 2))}, "has no head"),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path, parts, change, message):
    with pytest.raises(PesforgeError, match=message):
        save_potential(tmp_path / "potential", **{**parts["ace-linear"], **change})
    assert not list(tmp_path.iterdir())


def edit(folder, **changes):
    model = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**model, **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "there is no model.json"),
        (lambda folder: (folder / "model.json").write_text("{"), "cannot be read as JSON"),
        (lambda folder: (folder / "model.json").write_text("[]"), "format None is not known"),
        (lambda folder: edit(folder, format=99), "format 99 is not known"),
        (lambda folder: edit(folder, basis={}), "cannot be read"),
        (lambda folder: edit(folder, kind="spline"), "has no head|not known"),
        (lambda folder: (folder / "weights.safetensors").unlink(), "cannot be read"),
        (lambda folder: (folder / "weights.safetensors").write_bytes(b"x"), "does not belong"),
        (lambda folder: (folder / "head.json").unlink(), "head.json"),
    ],
)
def test_damage_is_named(tmp_path, parts, damage, message):
    folder = tmp_path / "potential"
    save_potential(folder, **parts["ace-neural"])
    damage(folder)
    with pytest.raises(PesforgeError, match=message):
        load_potential(folder)


def test_an_element_without_parameters_is_named(tmp_path, parts):
    save_potential(tmp_path / "potential", **parts["ace-linear"])
    other = bulk("Ge", "diamond", a=5.6)
    other.calc = load_potential(tmp_path / "potential")
    with pytest.raises(PesforgeError, match="no parameters for Ge"):
        other.get_potential_energy()


def test_a_cluster_has_energy_and_forces_but_no_stress(tmp_path, parts):
    save_potential(tmp_path / "potential", **parts["ace-neural"])
    cluster = Atoms("SiC2", positions=[[0, 0, 0], [1.9, 0, 0], [0.1, 1.8, 0.2]])
    cluster.calc = load_potential(tmp_path / "potential")
    assert np.abs(cluster.get_forces().sum(axis=0)).max() < 1e-10
    with pytest.raises(PropertyNotImplementedError):
        cluster.get_stress()


def test_the_package_gives_load_potential_without_importing_it_early():
    assert pesforge.load_potential is load_potential
    code = "import sys, pesforge; assert 'pesforge.export' not in sys.modules; from pesforge import load_potential"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = pesforge.nonsense
