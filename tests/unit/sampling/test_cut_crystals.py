"""Surfaces and stacking faults: distances and counts that geometry fixes, energies against ASE's own slabs."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk, fcc100, fcc110, fcc111
from ase.calculators.emt import EMT
from crystals import silicon, tersoff

from pesforge.dft.settings import ReferenceSettings
from pesforge.errors import DataError
from pesforge.family_settings import FaultLine, Plane, StackingFault, Surface
from pesforge.pairs import find_pairs
from pesforge.sampling.families import FAMILIES
from pesforge.sampling.lattice_planes import block, hkl_name, plane_cell, repeat_vector, sheared, slab
from pesforge.sampling.measured import Measured

A = 3.6
REFERENCE = ReferenceSettings("gpaw", "PBE", False, 0.0, 300.0, 0.2, 1e-4, 0.05)
CRYSTALS = {
    "fcc": (bulk("Cu", "fcc", a=A, cubic=True), 1),
    "bcc": (bulk("Mo", "bcc", a=A, cubic=True), 1),
    "diamond": (bulk("Si", "diamond", a=A, cubic=True), 2),
    "rocksalt": (bulk("NaCl", "rocksalt", a=A), 2),
    "hcp": (bulk("Mg", "hcp", a=3.2, c=5.2), 2),
}


def energy(atoms, make=EMT):
    work = atoms.copy()
    work.calc = make()
    return work.get_potential_energy()


def draw(family, parent, settings, seed=1):
    measured = replace(Measured.assumed(parent), stiffness=dict.fromkeys(parent.symbols, 3.0))
    return FAMILIES[family][1](parent, settings, measured, seed)


@pytest.mark.parametrize(
    ("crystal", "hkl", "spacing", "cuts"),
    [
        ("fcc", (1, 1, 1), A / 3**0.5, 1),
        ("fcc", (1, 0, 0), A / 2, 1),
        ("fcc", (1, 1, 0), A / 8**0.5, 1),
        ("fcc", (2, 1, 0), A / 20**0.5, 1),
        ("bcc", (1, 1, 0), A / 2**0.5, 1),
        ("bcc", (1, 0, 0), A / 2, 1),
        ("bcc", (1, 1, 1), A / 12**0.5, 1),
        ("diamond", (1, 1, 1), A / 3**0.5, 2),
        ("diamond", (1, 0, 0), A / 2, 1),
        ("diamond", (1, 1, 0), A / 8**0.5, 1),
        ("rocksalt", (1, 0, 0), A / 2, 1),
        ("rocksalt", (1, 1, 1), A / 3**0.5, 1),
        ("hcp", (0, 0, 1), 5.2, 1),
        ("hcp", (1, 0, 0), 3.2 * 3**0.5 / 2, 2),
    ],
)
def test_lattice_planes_have_their_spacing_and_their_terminations(crystal, hkl, spacing, cuts):
    parent, atoms = CRYSTALS[crystal]
    plane = plane_cell(parent, hkl)
    assert plane.spacing_ang == pytest.approx(spacing)
    assert len(plane.atoms) == atoms
    assert len(plane.cuts) == cuts
    assert plane.atoms.get_volume() / atoms == pytest.approx(parent.get_volume() / len(parent))
    assert plane.atoms.cell.array[:2, 2] == pytest.approx(0)
    for cut in range(cuts):
        made = slab(plane, cut, 5, 9.0)
        height = np.ptp(made.positions[:, 2])
        assert len(made) == 5 * atoms
        assert made.cell.array[2] == pytest.approx([0, 0, height + 9.0])
        assert 4 * spacing - 1e-9 <= height < 5 * spacing


def test_the_widest_gap_of_diamond_111_is_a_bond_long_and_the_other_a_third_of_it():
    plane = plane_cell(CRYSTALS["diamond"][0], (1, 1, 1))
    heights = [np.ptp(slab(plane, cut, 1, 9.0).positions[:, 2]) for cut in range(2)]
    assert heights == pytest.approx([A * 3**0.5 / 12, A * 3**0.5 / 4])


@pytest.mark.parametrize(("hkl", "build"), [((1, 1, 1), fcc111), ((1, 0, 0), fcc100), ((1, 1, 0), fcc110)])
@pytest.mark.parametrize("cubic", [True, False])
def test_slabs_have_the_energy_and_area_of_those_that_ase_builds(hkl, build, cubic):
    parent = bulk("Cu", "fcc", a=A, cubic=cubic)
    (frame,) = draw("surface", parent, Surface(planes=(Plane(hkl=hkl),), layers=6, vacuum_ang=12.0, rattled=0))
    other = build("Cu", size=(1, 1, 6), a=A, vacuum=6.0)
    other.pbc = True
    assert frame.get_volume() == pytest.approx(other.get_volume())
    assert energy(frame) == pytest.approx(energy(other), abs=1e-6)


def test_a_supercell_gives_the_same_slab_as_its_crystal():
    settings = Surface(planes=(Plane(hkl=(1, 1, 1), cuts=2),), rattled=0)
    parent = silicon()
    frames, again = draw("surface", parent, settings), draw("surface", parent.repeat((2, 1, 1)), settings)
    for one, two in zip(frames, again, strict=True):
        assert len(one) == len(two) == 12
        assert energy(one, tersoff) == pytest.approx(energy(two, tersoff), abs=1e-6)
    assert energy(frames[1], tersoff) - energy(frames[0], tersoff) > 1.0, "three bonds are cut instead of one"


def test_slabs_are_periodic_with_one_k_point_across_the_vacuum_and_the_density_of_the_crystal_elsewhere():
    parent = CRYSTALS["fcc"][0]
    frames = draw("surface", parent, Surface(planes=(Plane(hkl=(1, 0, 0)),)))
    for frame in frames:
        assert frame.pbc.all()
        assert REFERENCE.mesh_of(frame) == (13, 13, 1), "2π / (a/√2) / 0.2 = 12.3"
    assert {frame.info["group"] for frame in frames} == {"surface-1_0_0-0"}
    assert [frame.info["temperature_k"] for frame in frames] == [0.0, 300.0, 300.0]


def test_a_plane_without_enough_cuts_is_refused():
    with pytest.raises(DataError, match=r"\[1, 0, 0\] has 1 distinct cut\(s\), but `cuts` is 2"):
        draw("surface", CRYSTALS["fcc"][0], Surface(planes=(Plane(hkl=(1, 0, 0), cuts=2),)))
    line = FaultLine(hkl=(1, 0, 0), direction=(0, 1, 0), cut=1)
    with pytest.raises(DataError, match="number 1"):
        draw("stacking_fault", CRYSTALS["fcc"][0], StackingFault(lines=(line,)))


def test_a_line_begins_and_ends_at_the_perfect_crystal():
    parent = CRYSTALS["fcc"][0]
    per_atom = energy(parent) / len(parent)
    for hkl, direction, length in (
        ((1, 1, 1), (1, 1, -2), A * 1.5**0.5),
        ((1, 1, 1), (1, -1, 0), A / 2**0.5),
        ((1, 0, 0), (0, 1, 0), A),
        ((1, 0, 0), (0, 2, 2), A / 2**0.5),
    ):
        plane = plane_cell(parent, hkl)
        perfect, repeat = block(plane, 0, 5), repeat_vector(plane, direction)
        assert np.linalg.norm(repeat) == pytest.approx(length)
        assert repeat[2] == pytest.approx(0)
        assert energy(perfect) == pytest.approx(5 * per_atom, abs=1e-6)
        assert energy(sheared(perfect, repeat)) == pytest.approx(5 * per_atom, abs=1e-6)
        assert energy(sheared(perfect, 0.4 * repeat)) > 5 * per_atom + 0.01


def test_a_third_of_the_way_along_112_lies_the_intrinsic_fault_and_two_thirds_on_atoms_stand_on_atoms():
    parent, line = CRYSTALS["fcc"][0], FaultLine(hkl=(1, 1, 1), direction=(1, 1, -2))
    frames = draw("stacking_fault", parent, StackingFault(lines=(line,), points=6, layers=6))
    neighbours = []
    for frame in frames:
        (distance,) = find_pairs(frame, 1.05 * A / 2**0.5, "d")
        neighbours.append((len(distance) / len(frame), float(distance.min())))
    assert neighbours[0] == pytest.approx((12, A / 2**0.5))
    thirds = sorted([neighbours[2], neighbours[4]])
    assert (12, A / 2**0.5) in [pytest.approx(found) for found in thirds]
    assert min(found[1] for found in thirds) == pytest.approx(A / 3**0.5)
    assert {frame.info["group"] for frame in frames} == {"stacking_fault-1_1_1-0-1_1_m2"}
    for frame in frames:
        assert frame.info["reference_cell"] == pytest.approx(frames[0].cell.array)
    assert [frame.get_volume() for frame in frames] == pytest.approx([6 * A**3 / 4] * 6)


def test_more_points_keep_those_before():
    parent, line = CRYSTALS["diamond"][0], FaultLine(hkl=(1, 1, 1), direction=(1, -1, 0), cut=1)
    few = draw("stacking_fault", parent, StackingFault(lines=(line,), points=3))
    many = {frame.info["id"]: frame for frame in draw("stacking_fault", parent, StackingFault(lines=(line,), points=6))}
    for frame in few:
        same = many[frame.info["id"]]
        assert (frame.positions == same.positions).all()
        assert (frame.cell.array == same.cell.array).all()


def test_indices_are_words():
    assert hkl_name((1, -1, 20)) == "1_m1_20"
