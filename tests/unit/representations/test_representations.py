"""Coulomb spectra, structure factors, crystal graphs and directional messages against formulas of their own."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from pesforge.errors import DataError, SettingsError
from pesforge.representations.coulomb_matrix import coulomb_spectrum
from pesforge.representations.crystal_graph import CrystalGraph
from pesforge.representations.directional import DirectionalLayer
from pesforge.representations.structure_factor import StructureFactor


def test_the_spectrum_of_two_atoms_is_known():
    hydrogen = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.5291772105638411]])
    assert coulomb_spectrum(hydrogen, 4) == pytest.approx([1.5, -0.5, 0, 0])
    water = coulomb_spectrum(molecule("H2O"), 3)
    assert water.sum() == pytest.approx(0.5 * 8**2.4 + 1.0)
    assert (np.diff(np.abs(water)) <= 0).all()


def test_a_coulomb_matrix_is_for_molecules():
    with pytest.raises(DataError, match="periodic along 3 vectors"):
        coulomb_spectrum(bulk("Si"), 4)
    with pytest.raises(DataError, match="3 atoms, the spectrum has room for 2"):
        coulomb_spectrum(molecule("H2O"), 2)
    with pytest.raises(DataError, match="at the same place"):
        coulomb_spectrum(Atoms("H2", positions=np.zeros((2, 3))), 2)


def test_peaks_of_fcc_stand_where_bragg_has_them_and_have_their_weight():
    a, width = 4.0, 0.05
    factor = StructureFactor(("Al",), q_min_per_ang=2.0, q_max_per_ang=5.0, points=601, width_per_ang=width)
    found = factor.structure(bulk("Al", a=a, cubic=True))
    first, second = 2 * np.pi / a * np.sqrt(3), 2 * np.pi / a * 2.0
    peaks = factor.grid[1:-1][(np.diff(found)[:-1] > 0) & (np.diff(found)[1:] <= 0)]
    assert peaks[:2] == pytest.approx([first, second], abs=0.02)
    near = np.abs(factor.grid - first) < 5 * width
    weight = (found * factor.grid**2)[near].sum() * (factor.grid[1] - factor.grid[0])
    # Eight vectors {111}, |S|² = 16 of four atoms.
    assert weight == pytest.approx((2 * np.pi) ** 3 / a**3 / 4 * 8 * 16 / (4 * np.pi), rel=1e-3)


def test_without_order_the_structure_factor_is_one():
    rng = np.random.default_rng(0)
    factor = StructureFactor(("Ar",), q_min_per_ang=3.0, q_max_per_ang=6.0, points=7, width_per_ang=0.3)
    gases = [Atoms(f"Ar{n}", positions=rng.uniform(0, 14, (n, 3)), cell=[14] * 3, pbc=True) for n in [100] * 3]
    assert np.mean([factor.structure(gas) for gas in gases], axis=0) == pytest.approx(1.0, abs=0.1)


def test_a_structure_factor_needs_a_crystal():
    with pytest.raises(DataError, match="periodic along 0 of 3 vectors"):
        StructureFactor(("H", "O")).structure(molecule("H2O"))
    with pytest.raises(SettingsError, match="q_min_per_ang"):
        StructureFactor(("H",), q_min_per_ang=9.0)


def slab() -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    atoms.rattle(0.1, seed=4)
    return atoms


def test_edges_lead_to_the_images_that_their_shifts_name():
    atoms = slab()
    graph = CrystalGraph.of(atoms, 6.0)
    ends = atoms.positions[graph.neighbour] + graph.shift @ atoms.cell.array
    assert np.abs(ends - atoms.positions[graph.centre] - graph.vector).max() < 1e-12
    jumps = np.random.default_rng(0).integers(-2, 3, size=(8, 3))
    moved = atoms.copy()
    moved.positions += jumps @ atoms.cell.array
    other = CrystalGraph.of(moved, 6.0)
    assert len(other.centre) == len(graph.centre)
    shifts = graph.shift + jumps[graph.centre] - jumps[graph.neighbour]
    rows = np.column_stack([graph.centre, graph.neighbour, shifts])
    found = np.column_stack([other.centre, other.neighbour, other.shift])
    assert (np.unique(rows, axis=0) == np.unique(found, axis=0)).all()


def test_every_edge_has_its_way_back():
    graph = CrystalGraph.of(slab(), 6.0)
    forth = np.column_stack([graph.centre, graph.neighbour, graph.shift])
    back = np.column_stack([graph.neighbour, graph.centre, -graph.shift])
    assert (np.unique(forth, axis=0) == np.unique(back, axis=0)).all()


def test_nearest_images_are_those_of_ase_and_end_at_half_of_the_cell():
    atoms = slab()
    graph = CrystalGraph.minimum_image(atoms, 2.8)
    expected = atoms.get_all_distances(mic=True)
    assert np.abs(expected[graph.centre, graph.neighbour] - graph.distance).max() < 1e-10
    assert len(graph.centre) == ((expected > 0) & (expected <= 2.8)).sum()
    with pytest.raises(DataError, match=r"beyond half of the shortest translation of the cell, 2\.800 Å"):
        CrystalGraph.minimum_image(atoms, 2.81)
    sheared = atoms.copy()
    sheared.set_cell(np.array([[1, 0, 0], [3, 1, 0], [0, 0, 1]]) @ atoms.cell.array)
    assert len(CrystalGraph.minimum_image(sheared, 2.8).centre) == len(graph.centre)
    with pytest.raises(DataError, match=r"2\.800 Å"):
        CrystalGraph.minimum_image(sheared, 2.81)


def test_angles_of_water_and_of_diamond():
    water = CrystalGraph.of(molecule("H2O"), 1.1)
    first, second, cosine = water.angles()
    assert np.degrees(np.arccos(cosine)) == pytest.approx([103.9999] * 2, abs=0.1)
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 1), (1, 0)]
    diamond = CrystalGraph.of(bulk("Si", a=5.43), 2.5)
    assert len(diamond.centre) == 8
    assert diamond.angles()[2] == pytest.approx([-1 / 3] * 24)


def test_messages_by_harmonics_are_those_of_listed_triplets():
    atoms = slab()
    layer = DirectionalLayer(("Na", "Cl"), 4.0, n_radial=3, l_max=4)
    graph = CrystalGraph.of(atoms, 4.0)
    own = np.random.default_rng(0).normal(size=(len(graph.centre), 2))
    first, second, cosine = graph.angles()
    for degree, found in enumerate(layer._angular(graph, own)):
        legendre = np.polynomial.legendre.Legendre.basis(degree)(cosine)
        expected = np.zeros_like(own)
        np.add.at(expected, first, own[second] * legendre[:, None])
        assert np.abs(found - expected).max() < 1e-10


def trimer(angle: float) -> Atoms:
    """Two atoms at 2 Å from a third, too far from each other to be neighbours."""
    turned = np.radians(angle)
    return Atoms("Si3", positions=[[0, 0, 0], [2, 0, 0], [2 * np.cos(turned), 2 * np.sin(turned), 0]])


def test_only_directional_messages_hear_angles():
    options = {"cutoff_ang": 2.5, "n_radial": 4, "width": 16}
    plain, directional = DirectionalLayer(("Si",), l_max=-1, **options), DirectionalLayer(("Si",), l_max=2, **options)
    wide, narrow = trimer(170.0), trimer(100.0)
    assert np.abs(plain.atoms(wide) - plain.atoms(narrow)).max() < 1e-12
    assert np.abs(directional.atoms(wide) - directional.atoms(narrow)).max() > 1e-2


def test_an_atom_hears_up_to_two_cutoffs_and_messages_end_smoothly():
    layer = DirectionalLayer(("Si",), 3.0, width=16)

    def chain(last):
        return layer.atoms(Atoms("Si3", positions=[[0, 0, 0], [2, 0, 0], [last, 0, 0]]))[0]

    assert np.abs(chain(4.0) - chain(4.2)).max() > 1e-3
    assert np.abs(chain(5.001) - chain(8.0)).max() == 0
    assert np.abs(chain(4.999) - chain(8.0)).max() < 1e-6
    assert (DirectionalLayer(("Si",), 3.0, width=16, seed=1).atoms(trimer(120.0)) != layer.atoms(trimer(120.0))).any()
    with pytest.raises(SettingsError, match="l_max must be -1 or more"):
        DirectionalLayer(("Si",), 3.0, l_max=-2)
