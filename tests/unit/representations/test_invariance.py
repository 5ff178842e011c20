"""What every representation keeps, the choice of the periodic cell included; planted faults of each kind are caught."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from pesforge.representations.ace import AceBasis
from pesforge.representations.coulomb_matrix import coulomb_spectrum
from pesforge.representations.crystal_graph import CrystalGraph
from pesforge.representations.directional import DirectionalLayer
from pesforge.representations.invariance import CRYSTAL, MOLECULE, violations
from pesforge.representations.soap import Soap
from pesforge.representations.structure_factor import StructureFactor

SPECIES = ("Na", "Cl")
SOAP = Soap(SPECIES, 4.5, n_max=4, l_max=3)
FACTOR = StructureFactor(SPECIES, q_max_per_ang=5.0, points=20)
LAYER = DirectionalLayer(SPECIES, 4.0, n_radial=4, l_max=3, width=32)
ACE = AceBasis(SPECIES, 4.5, (6, 5, 4), (0, 2, 2))
ROUNDING = 1e-10


def salt() -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    atoms.rattle(0.15, seed=3)
    atoms.set_cell(atoms.cell.array @ [[1.02, 0.03, 0], [0, 0.98, 0.01], [0.02, 0, 1.0]], scale_atoms=True)
    return atoms


def graph_of(atoms: Atoms) -> np.ndarray:
    """Sums over edges, and over the angles between them, per atom."""
    graph = CrystalGraph.of(atoms, 4.5)
    first, second, cosine = graph.angles()
    centre, neighbour, near = graph.numbers[graph.centre], graph.numbers[graph.neighbour], np.exp(-graph.distance)
    edges = [near.sum(), (near * centre * neighbour).sum(), (near**2 * neighbour).sum()]
    angles = [(cosine**2 * (near * neighbour)[first] * near[second]).sum(), (cosine * near[first] * near[second]).sum()]
    return np.array([*edges, *angles]) / len(atoms)


CRYSTALS = {
    "SOAP": lambda atoms: SOAP.atoms(atoms).mean(axis=0),
    "structure factor": FACTOR.structure,
    "graph": graph_of,
    "directional messages": lambda atoms: LAYER.atoms(atoms).mean(axis=0),
    "ACE": lambda atoms: ACE.rows(atoms)[0] / len(atoms),
}


@pytest.mark.parametrize("name", CRYSTALS)
def test_a_crystal_is_the_same_however_it_is_told(name):
    found = violations(CRYSTALS[name], salt(), seed=1)
    assert set(found) == set(CRYSTAL)
    assert max(found.values()) < ROUNDING, found


@pytest.mark.parametrize("name", CRYSTALS)
def test_another_crystal_is_not_the_same(name):
    represent, atoms = CRYSTALS[name], salt()
    own, moved, swapped, strained = represent(atoms), atoms.copy(), atoms.copy(), atoms.copy()
    moved.positions[0] += [0.1, 0, 0]
    swapped.numbers = atoms.numbers[[1, 0, *range(2, 8)]]
    strained.set_cell(atoms.cell.array * 1.02, scale_atoms=True)
    for other in (moved, swapped, strained):
        assert np.linalg.norm(represent(other) - own) > 1e-4 * np.linalg.norm(own)


def test_a_molecule_is_the_same_however_it_is_told():
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.1, seed=2)
    found = violations(lambda told: coulomb_spectrum(told, 12), atoms, seed=1)
    assert set(found) == set(MOLECULE)
    assert max(found.values()) < ROUNDING
    stretched = atoms.copy()
    stretched.positions[0] *= 1.1
    assert np.abs(coulomb_spectrum(stretched, 12) - coulomb_spectrum(atoms, 12)).max() > 0.1


def of_first_atom(atoms: Atoms) -> np.ndarray:
    return SOAP.atoms(atoms)[0]


def around_the_origin(atoms: Atoms) -> np.ndarray:
    return np.exp(-((atoms.positions**2).sum(axis=1))[:, None] / [4.0, 9.0]).sum(axis=0)


def unrotated(atoms: Atoms) -> np.ndarray:
    return SOAP.density(atoms).mean(axis=0).ravel()


def chiral(atoms: Atoms) -> np.ndarray:
    """A triple product of moments of the neighbours: turns with the crystal, but not over in a mirror."""
    graph = CrystalGraph.of(atoms, 3.6)
    moments = [np.zeros((len(atoms), 3)) for _ in range(3)]
    for power, moment in enumerate(moments):
        np.add.at(moment, graph.centre, graph.vector * graph.distance[:, None] ** (2 * power))
    return np.array([np.einsum("ix,ix->i", np.cross(moments[0], moments[1]), moments[2]).mean()])


def mean_over_a_shell(atoms: Atoms) -> np.ndarray:
    """|S|² averaged over the wave vectors that the cell has, not over those that there are."""
    reciprocal = 2 * np.pi * np.linalg.inv(atoms.cell.array).T
    integers = np.array(np.meshgrid(*[np.arange(-9, 10)] * 3)).reshape(3, -1).T
    waves = integers @ reciprocal
    waves = waves[(np.linalg.norm(waves, axis=1) < 4.0) & (np.abs(integers).sum(axis=1) > 0)]
    return np.array([(np.abs(np.exp(1j * atoms.positions @ waves.T).sum(axis=0)) ** 2).mean() / len(atoms)])


def nearest_images_alone(atoms: Atoms) -> np.ndarray:
    """Edges to the nearest image of each other atom, beyond half of the cell."""
    distance = atoms.get_all_distances(mic=True)
    return np.array([distance[(distance > 0) & (distance < 4.5)].sum() / len(atoms)])


def images_as_given(atoms: Atoms) -> np.ndarray:
    difference = atoms.positions[:, None] - atoms.positions
    return np.array([np.exp(-np.linalg.norm(difference, axis=2)).sum() / len(atoms)])


@pytest.mark.parametrize(
    ("planted", "broken"),
    [
        (of_first_atom, "order of atoms"),
        (around_the_origin, "origin"),
        (unrotated, "rotation"),
        (chiral, "reflection"),
        (mean_over_a_shell, "supercell"),
        (nearest_images_alone, "supercell"),
        (images_as_given, "periodic images"),
        (lambda atoms: atoms.cell.lengths(), "lattice vectors"),
    ],
)
def test_planted_dependences_are_caught(planted, broken):
    assert violations(planted, salt(), seed=1)[broken] > 1e-3


def test_planted_dependences_break_what_is_named_alone():
    assert violations(of_first_atom, salt(), seed=1)["rotation"] < ROUNDING
    assert violations(chiral, salt(), seed=1)["rotation"] < 1e-8
    found = violations(mean_over_a_shell, salt(), seed=1)
    assert all(change < 1e-8 for name, change in found.items() if name != "supercell")
