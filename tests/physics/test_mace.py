"""What message-passing networks fulfil beyond the suite of all models: batches, power of the cutoff, reach."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from tiny_mace import tiny_mace

from pesforge.export import PesforgeCalculator
from pesforge.potentials.graphs import graph_of, joined
from pesforge.potentials.mace import inputs, run_network
from pesforge.settings import Tolerances
from pesforge.validation.derivatives import derivative_checks
from pesforge.validation.symmetry import symmetry_checks

SPECIES = ("Au", "Cu")
CUTOFF_ANG = 4.0
TOLERANCES = Tolerances()


@pytest.fixture(scope="module")
def potential():
    """Two interactions with vectors as messages, so that directions pass from atom to atom."""
    return tiny_mace(SPECIES, layers=2, cutoff_ang=CUTOFF_ANG)


def alloy(seed=1):
    """A strained and rattled cell of two species, shorter than twice the cutoff."""
    atoms = bulk("Cu", "fcc", a=3.8, cubic=True)
    atoms.symbols[0] = "Au"
    atoms.set_cell(atoms.cell.array @ [[1, 0, 0], [0.05, 1, 0], [-0.03, 0.08, 1]], scale_atoms=True)
    atoms.rattle(0.1, seed=seed)
    return atoms


def test_symmetry_and_derivatives(potential):
    calculator = PesforgeCalculator(potential)
    checks = symmetry_checks(alloy(), calculator, tolerances=TOLERANCES, seed=3)
    checks += derivative_checks(alloy(), calculator, tolerances=TOLERANCES, seed=4)
    assert [check.name for check in checks if not check.passed] == []
    atoms = alloy()
    atoms.calc = calculator
    assert np.abs(atoms.get_forces()).max() > 0.1


def test_a_batch_gives_what_single_structures_give(potential):
    import torch

    frames = [
        alloy(1),
        Atoms("CuAuCu", positions=[[0, 0, 0], [2.5, 0.2, 0], [1.0, 2.4, 0.3]]),
        alloy(2).repeat((2, 1, 1)),
    ]
    index = {symbol: number for number, symbol in enumerate(SPECIES)}
    graph = joined([graph_of(atoms, index, CUTOFF_ANG) for atoms in frames])
    data = inputs(graph, len(SPECIES), torch.device("cpu"), torch.float64)
    energies, forces, virials = (part.detach().numpy() for part in run_network(potential.network, data, training=False))
    ends = np.cumsum([len(atoms) for atoms in frames])[:-1]
    for atoms, energy, force, virial in zip(
        frames, np.split(energies, ends), np.split(forces, ends), virials, strict=True
    ):
        single = potential.evaluate(atoms)
        np.testing.assert_allclose(energy, single[0], rtol=0, atol=1e-10)
        np.testing.assert_allclose(force, single[1], rtol=0, atol=1e-10)
        if atoms.pbc.all():
            np.testing.assert_allclose(virial / atoms.get_volume(), single[2], rtol=0, atol=1e-12)


def test_an_atom_crosses_the_cutoff_smoothly(potential):
    """Force and energy vanish at the cutoff as a power of the distance from it."""
    gaps, energies, forces = np.array([0.04, 0.02, 0.01]), [], []
    alone = sum(potential.evaluate(Atoms(symbol))[0][0] for symbol in ("Cu", "Au"))
    for gap in gaps:
        found = potential.evaluate(Atoms("CuAu", positions=[[0, 0, 0], [CUTOFF_ANG - gap, 0, 0]]))
        energies.append(abs(found[0].sum() - alone))
        forces.append(np.abs(found[1]).max())
    assert np.log2(energies[1] / energies[2]) > 2.5
    assert np.log2(forces[1] / forces[2]) > 1.5


def test_a_message_reaches_through_two_interactions(potential):
    chain = Atoms("Cu3", positions=[[0, 0, 0], [2.4, 0, 0], [4.8, 0, 0]])
    moved = chain.copy()
    moved.positions[2, 1] += 0.3
    assert abs(potential.evaluate(moved)[0][0] - potential.evaluate(chain)[0][0]) > 1e-8
    moved.positions[2, 0] += 5.0
    farther = moved.copy()
    farther.positions[2, 0] += 5.0
    assert potential.evaluate(moved)[0][0] == potential.evaluate(farther)[0][0]
