"""What every potential must fulfil, whatever its functional form: one suite for all models.

A new functional form joins by one line of `MODELS`: a name and a function from species to a potential.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from classical_models import classical
from tiny_mace import tiny_mace

from pesforge.export import Potential
from pesforge.potentials.head import NeuralHead
from pesforge.potentials.model import Model
from pesforge.potentials.quadratic_head import QuadraticHead
from pesforge.representations.ace import AceBasis
from pesforge.representations.zbl import Zbl

SPECIES = ("Au", "Cu")
CUTOFF_ANG = 5.0
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
INPUTS = 3


def ace(kind: str, species: tuple[str, ...]) -> Potential:
    """A potential on ACE invariants with random coefficients, and a random head where its kind has one."""
    rng = np.random.default_rng(2)
    basis = AceBasis(species, CUTOFF_ANG, (6, 5, 4), (0, 3, 2))
    coefficients = 5.0 * rng.normal(size=basis.n_functions) / (1 + basis.degree) ** 2
    zeros = {symbol: -1.0 - number for number, symbol in enumerate(species)}
    if kind == "ace-linear":
        return Potential("ace-linear", basis, coefficients, zeros)
    matrix = rng.normal(size=(basis.n_functions, INPUTS)) / basis.n_functions
    if kind == "ace-quadratic":
        form = QuadraticHead.of_products(rng.normal(size=INPUTS), rng.normal(size=INPUTS * (INPUTS + 1) // 2))
        return Potential(kind, basis, coefficients, zeros, form, matrix, np.zeros(INPUTS))
    head = NeuralHead(
        mean=np.zeros(INPUTS),
        scale=np.ones(INPUTS),
        linear=rng.normal(size=INPUTS),
        weights=(rng.normal(size=(4, INPUTS)),),
        biases=(np.zeros(4),),
        output=rng.normal(size=4),
        zeros=np.zeros(len(species)),
        activation="silu",
    )
    return Potential("ace-neural", basis, coefficients, zeros, head, matrix, np.zeros(INPUTS))


MODELS: dict[str, Callable[[tuple[str, ...]], Model]] = {
    "pair-lj": lambda species: classical("pair-lj", species),
    "pair-morse": lambda species: classical("pair-morse", species),
    "eam": lambda species: classical("eam", species),
    "tersoff": lambda species: classical("tersoff", species),
    "ace-linear": lambda species: ace("ace-linear", species),
    "ace-neural": lambda species: ace("ace-neural", species),
    "ace-quadratic": lambda species: ace("ace-quadratic", species),
    "ace-linear with zbl": lambda species: replace(
        ace("ace-linear", species), baseline=Zbl(tuple(sorted(species)), 2.2, 3.2)
    ),
    "mace": lambda species: tiny_mace(species, layers=2, cutoff_ang=CUTOFF_ANG),
}
REACH_ANG = {"tersoff": 3.8}
"""Cutoff where it is not 5 Å."""


@pytest.fixture(scope="module", params=list(MODELS))
def model(request: pytest.FixtureRequest) -> Model:
    return MODELS[request.param](SPECIES)


@pytest.fixture
def reach(model: Model) -> float:
    return REACH_ANG.get(model.kind, CUTOFF_ANG)


def crystal(seed: int = 1) -> Atoms:
    """A rattled triclinic cell of two species that is shorter than twice the cutoff."""
    atoms = bulk("Cu", "fcc", a=3.9, cubic=True)
    atoms.symbols[0] = "Au"
    atoms.set_cell(
        atoms.cell.array @ (np.eye(3) + np.array([[0, 0, 0], [0.05, 0, 0], [-0.03, 0.08, 0]])), scale_atoms=True
    )
    atoms.rattle(0.12, seed=seed)
    return atoms


def cluster() -> Atoms:
    atoms = Atoms("CuAu2Cu2", positions=[[0, 0, 0], [2.6, 0.1, 0], [1.2, 2.3, 0.2], [0.9, 0.8, 2.4], [-1.9, 1.6, 0.4]])
    atoms.rattle(0.05, seed=4)
    return atoms


def energy(model: Model, atoms: Atoms) -> float:
    return float(model.evaluate(atoms)[0].sum())


@pytest.mark.parametrize("improper", [False, True])
def test_rotation_and_reflection(model: Model, improper: bool) -> None:
    matrix, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    if (np.linalg.det(matrix) < 0) != improper:
        matrix[:, 0] *= -1
    atoms = crystal()
    turned = Atoms(atoms.symbols, positions=atoms.positions @ matrix.T, cell=atoms.cell.array @ matrix.T, pbc=True)
    before, after = model.evaluate(atoms), model.evaluate(turned)
    np.testing.assert_allclose(after[0], before[0], rtol=0, atol=1e-10)
    np.testing.assert_allclose(after[1], before[1] @ matrix.T, rtol=0, atol=1e-10)


def test_translation_and_wrapping(model: Model) -> None:
    atoms, moved = crystal(), crystal()
    moved.positions += [0.7, -1.3, 0.4]
    moved.positions[1] += 2 * moved.cell.array[0] - moved.cell.array[2]
    for before, after in zip(model.evaluate(atoms), model.evaluate(moved), strict=True):
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-10)


def test_permutation(model: Model) -> None:
    atoms, order = crystal(), np.array([2, 0, 3, 1])
    before, after = model.evaluate(atoms), model.evaluate(atoms[order])
    for number in (0, 1):
        np.testing.assert_allclose(after[number], before[number][order], rtol=0, atol=1e-10)
    np.testing.assert_allclose(after[2], before[2], rtol=0, atol=1e-11)


@pytest.mark.parametrize("make", [crystal, cluster])
def test_forces_are_derivatives_of_the_energy(model: Model, make: Callable[[], Atoms]) -> None:
    atoms, step = make(), 1e-4
    forces = model.evaluate(atoms)[1]
    assert np.abs(forces).max() > 0.05
    np.testing.assert_allclose(forces.sum(axis=0), 0, atol=1e-10)
    for atom, axis in ((0, 0), (1, 1), (2, 2)):
        ends = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[atom, axis] += sign * step
            ends.append(energy(model, moved))
        slope = (ends[0] - ends[1]) / (2 * step)
        assert forces[atom, axis] == pytest.approx(-slope, abs=1e-6 * max(1.0, np.abs(forces).max()))


def test_stress_is_the_derivative_by_strain(model: Model) -> None:
    atoms, step = crystal(), 1e-5
    stress = model.evaluate(atoms)[2]
    for component, (row, column) in enumerate(VOIGT):
        ends = []
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            strain[row, column] += sign * step / 2
            strain[column, row] += sign * step / 2
            moved = atoms.copy()
            moved.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
            ends.append(energy(model, moved))
        slope = (ends[0] - ends[1]) / (2 * step) / atoms.get_volume()
        assert stress[component] == pytest.approx(slope, abs=1e-6 * max(1.0, np.abs(stress).max()))


def test_an_atom_crosses_the_cutoff_smoothly(model: Model, reach: float) -> None:
    """Energy and force vanish with the distance from the cutoff, at least as a square and linearly."""
    near, far = [], []
    for gap in (1e-2, 1e-3, -1e-3):
        atoms = cluster()
        atoms.append("Cu")
        atoms.positions[-1] = atoms.positions[4] + (reach - gap) * np.array([-1.0, 0.0, 0.0])
        apart = cluster()
        alone = energy(model, apart) + energy(model, Atoms("Cu"))
        near.append(abs(energy(model, atoms) - alone))
        far.append(float(np.abs(model.evaluate(atoms)[1][-1]).max()))
    assert near[0] > 0
    assert near[1] < near[0] / 50
    assert far[1] < far[0] / 5
    assert near[2] < 1e-12
    assert far[2] < 1e-12


def test_a_structure_does_not_depend_on_those_before_it(model: Model) -> None:
    atoms = crystal()
    alone = model.evaluate(atoms)
    for other in (cluster(), crystal(seed=5).repeat((2, 1, 1)), Atoms("Au")):
        model.evaluate(other)
    for first, second in zip(alone, model.evaluate(atoms), strict=True):
        assert np.array_equal(first, second)


def test_distant_structures_in_one_cell_keep_their_energies(model: Model) -> None:
    one, other = cluster(), cluster()
    other.positions = 1.05 * other.positions + [30.0, 0.0, 0.0]
    both = model.evaluate(one + other)
    separate = [model.evaluate(part) for part in (one, other)]
    for number in (0, 1):
        expected = np.concatenate([part[number] for part in separate])
        np.testing.assert_allclose(both[number], expected, rtol=0, atol=1e-12)


def test_energy_is_extensive(model: Model) -> None:
    atoms = crystal()
    one, eight = model.evaluate(atoms), model.evaluate(atoms.repeat((2, 2, 2)))
    assert eight[0].sum() == pytest.approx(8 * one[0].sum(), rel=1e-11)
    np.testing.assert_allclose(eight[1], np.tile(one[1], (8, 1)), rtol=0, atol=1e-10)
    np.testing.assert_allclose(eight[2], one[2], rtol=0, atol=1e-11)


def test_an_isolated_atom_has_the_energy_zero(model: Model) -> None:
    for number, symbol in enumerate(SPECIES):
        for atoms in (Atoms(symbol), Atoms(symbol, cell=[20, 20, 20], pbc=True)):
            found = model.evaluate(atoms)
            assert found[0][0] == pytest.approx(-1.0 - number, abs=1e-12)
            assert np.array_equal(found[1], np.zeros((1, 3)))


def test_species_are_told_apart(model: Model) -> None:
    atoms, swapped = crystal(), crystal()
    swapped.symbols = ["Cu" if symbol == "Au" else "Au" for symbol in atoms.symbols]
    bound = [
        energy(model, each) - sum(energy(model, Atoms(symbol)) for symbol in each.symbols) for each in (atoms, swapped)
    ]
    assert abs(bound[0] - bound[1]) > 1e-2
