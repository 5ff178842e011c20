"""Classical potentials against published values, against torch, and against what their theory says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from classical_models import classical

from pesforge.errors import DataError
from pesforge.export import PesforgeCalculator
from pesforge.fitting.starts import TERSOFF_SILICON
from pesforge.potentials.bonds import NumpyFunctions, bumps, find_angles, find_bonds, switch
from pesforge.potentials.classical import ClassicalPotential
from pesforge.potentials.pair import PairForm
from pesforge.potentials.tersoff import TersoffForm
from pesforge.training.classical import BondData, ClassicalNetwork
from pesforge.validation.elastic import strained_cells
from pesforge.validation.elastic_constants import named_constants
from pesforge.validation.eos import fit_eos, volume_cells
from pesforge.validation.properties import at_equilibrium, evaluate, relaxed_elastic_tensor

KINDS = ("pair-lj", "pair-morse", "eam", "tersoff")
SPECIES = ("Au", "Cu")


def alloy(seed: int = 1) -> Atoms:
    atoms = bulk("Cu", "fcc", a=3.9, cubic=True).repeat((2, 1, 1))
    atoms.symbols[::3] = "Au"
    atoms.rattle(0.1, seed=seed)
    return atoms


def lennard_jones() -> ClassicalPotential:
    """Depth 0.2 eV at 2.6 Å, smooth between 6 and 7 Å."""
    parameters = {"log_depth_ev": np.log([0.2]), "log_radius_ang": np.log([2.6])}
    return ClassicalPotential(PairForm(("Cu",), "lennard-jones", 6.0, 7.0), parameters, {"Cu": -0.5})


def constants(model: ClassicalPotential, start_ang: float) -> dict[str, float]:
    """Elastic constants in GPa of the fcc crystal at its own equilibrium."""
    calculator = PesforgeCalculator(model)
    parent = bulk("Cu", "fcc", a=start_ang, cubic=True)
    for width in (0.05, 0.002):
        cells = volume_cells(parent, 9, width)
        energies = [found["energy"] for found in evaluate(calculator, cells)]
        parent = at_equilibrium(parent, fit_eos(parent, [cell.get_volume() for cell in cells], energies))
    assert np.abs(evaluate(calculator, [parent])[0]["stress"]).max() < 1e-5
    assert len(strained_cells(parent, 1e-3)) > 0
    tensor, _ = relaxed_elastic_tensor(calculator, parent, 1e-3, np.zeros((12, 12)))
    return named_constants(tensor, parent)


def test_cauchy_relation_holds_for_pairs_and_not_for_embedded_atoms() -> None:
    pair = constants(lennard_jones(), 3.6)
    assert pair["C12"] == pytest.approx(pair["C44"], rel=2e-3)
    assert pair["C11"] > 1.5 * pair["C12"] > 0
    embedded = constants(classical("eam", noise=0.0), 3.4)
    assert abs(embedded["C12"] / embedded["C44"] - 1) > 0.1


def test_lennard_jones_dimer() -> None:
    energies, forces, _ = lennard_jones().evaluate(Atoms("Cu2", positions=[[0, 0, 0], [2.6, 0, 0]]))
    np.testing.assert_allclose(energies, [-0.6, -0.6], atol=1e-14)
    np.testing.assert_allclose(forces, 0, atol=1e-14)
    energies, _, _ = lennard_jones().evaluate(Atoms("Cu2", positions=[[0, 0, 0], [2.6 / 2 ** (1 / 6), 0, 0]]))
    np.testing.assert_allclose(energies, [-0.5, -0.5], atol=1e-14)


def test_tersoff_gives_the_published_cohesive_energy_of_silicon() -> None:
    """4.63 eV per atom at 5.432 Å (Tersoff, Phys. Rev. B 39, 5566 (1989), tables I and II)."""
    form = TersoffForm(("Si",), 2.7, 3.0)
    parameters = {name: np.full(shape, TERSOFF_SILICON[0][name]) for name, shape in form.shapes().items()}
    model = ClassicalPotential(form, parameters, {"Si": 0.0})
    energies, _, stress = model.evaluate(bulk("Si", "diamond", a=5.432))
    np.testing.assert_allclose(energies, -4.63, atol=0.002)
    np.testing.assert_allclose(stress, 0, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_torch_and_numpy_agree(kind: str) -> None:
    model = classical(kind, SPECIES)
    frames = [alloy(), alloy(seed=2).repeat((1, 2, 1)), Atoms("Cu2", positions=[[0, 0, 0], [2.5, 0, 0]])]
    for atoms in frames:
        labels = {"energy": 0.0, "forces": np.zeros((len(atoms), 3))}
        if atoms.pbc.all():
            labels["stress"] = np.zeros(6)
        atoms.calc = SinglePointCalculator(atoms, **labels)
    data = BondData(frames, model.form)
    with torch.no_grad():
        found = ClassicalNetwork(model.form, model.parameters).predict(data[np.array([1, 2, 0])])
    expected = [model.evaluate(frames[number]) for number in (1, 2, 0)]
    zeros = [sum(model.zeros[symbol] for symbol in frames[number].symbols) for number in (1, 2, 0)]
    energies = [part[0].sum() - zero for part, zero in zip(expected, zeros, strict=True)]
    np.testing.assert_allclose(found.energy.numpy(), energies, rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.forces.numpy(), np.concatenate([part[1] for part in expected]), rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.stress.numpy()[[0, 2]], [expected[0][2], expected[2][2]], rtol=0, atol=1e-12)


def test_the_switch_has_two_continuous_derivatives() -> None:
    r = np.linspace(2.9, 4.1, 120_001)
    value, slope = switch(r, 3.0, 4.0)
    np.testing.assert_allclose(slope[1:-1], (value[2:] - value[:-2]) / (r[2] - r[0]), atol=1e-7)
    curvature = np.gradient(slope, r)
    assert np.abs(np.diff(curvature)).max() < 2e-3
    assert (value[0], value[-1], slope[0], slope[-1]) == (1.0, 0.0, 0.0, 0.0)


def test_splines_have_the_slopes_they_say_and_sum_up_to_one_inside() -> None:
    x = np.linspace(0.5, 4.5, 4001)
    values, slopes = bumps(NumpyFunctions(), x, 9, 1.0, 4.0)
    np.testing.assert_allclose(slopes[1:-1], (values[2:] - values[:-2]) / (x[2] - x[0]), atol=1e-4)
    inside = (x > 1.75) & (x < 3.25)
    np.testing.assert_allclose(values[inside].sum(axis=1), 1.0, atol=1e-12)
    assert not values[(x < 1.0) | (x > 4.0)].any()


def test_angles_are_all_ordered_pairs_of_bonds() -> None:
    first = np.array([0, 0, 0, 2, 3, 3])
    long, side = find_angles(first)
    expected = {(p, q) for p in range(6) for q in range(6) if p != q and first[p] == first[q]}
    assert set(zip(long.tolist(), side.tolist(), strict=True)) == expected
    assert len(long) == len(expected)


def test_images_of_an_atom_are_bonds() -> None:
    atoms = bulk("Cu", "fcc", a=3.6)
    assert len(find_bonds(atoms, ("Cu",), 2.6, both_ways=True).first) == 12
    assert len(find_bonds(atoms, ("Cu",), 2.6, both_ways=False).first) == 6


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (Atoms("Ni2", positions=[[0, 0, 0], [2, 0, 0]]), "no parameters for Ni"),
        (Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 0]]), "same place"),
        (Atoms("Cu", positions=[[np.nan, 0, 0]]), "not finite"),
        (Atoms("Cu", cell=[1, 1, 0], pbc=True), "no volume"),
    ],
)
def test_structures_that_cannot_be_evaluated_are_refused(atoms: Atoms, message: str) -> None:
    with pytest.raises(DataError, match=message):
        lennard_jones().evaluate(atoms)


def test_parts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    model = classical("eam")
    with pytest.raises(DataError, match="shapes"):
        ClassicalPotential(model.form, {**model.parameters, "log_density": np.zeros(2)}, model.zeros)
    with pytest.raises(DataError, match="energy zeros"):
        ClassicalPotential(model.form, model.parameters, {"Au": 0.0})
    with pytest.raises(DataError, match="beyond the onset"):
        PairForm(("Cu",), "morse", 5.0, 4.0)
    with pytest.raises(DataError, match="lennard-jones, morse"):
        PairForm(("Cu",), "buckingham", 4.0, 5.0)
