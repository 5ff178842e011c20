"""Vacancies, interstitials, phases, dimers and compressed cells: what geometry fixes; and what all families share."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.data import covalent_radii

from pesforge.dft.settings import ReferenceSettings
from pesforge.errors import DataError
from pesforge.family_settings import (
    Compression,
    Crystal,
    FaultLine,
    Interstitial,
    Phonon,
    Plane,
    StackingFault,
    Surface,
    Vacancy,
    Wide,
)
from pesforge.fields import FIELDS, LABEL_KEY, SETTINGS_HASH
from pesforge.io import read_frames, write_frames
from pesforge.sampling.compression import nearest_distance
from pesforge.sampling.counts import halvings, symmetric_halvings
from pesforge.sampling.dimer import DimerCurve
from pesforge.sampling.families import FAMILIES
from pesforge.sampling.interstitial import room, voids
from pesforge.sampling.measured import Measured
from pesforge.sampling.phase import PhaseCells
from pesforge.sampling.shared import SharedCells
from pesforge.structure import build_parent, to_plain

A = 4.0
SALT = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
SHARED = tuple({"name": name, "group": "all", **to_plain(SALT)} for name in ("first", "second", "third"))


def draw(family, parent, settings, seed=1):
    measured = replace(Measured.assumed(parent), stiffness=dict.fromkeys(parent.symbols, 3.0))
    return FAMILIES[family][1](parent, settings, measured, seed)


def phases(tmp_path, volumes=3, **changes):
    crystals = (
        Crystal(prototype="cesiumchloride", species=("Na", "Cl"), lattice_constant_ang=3.4),
        Crystal(prototype="bcc", species=("Na",), lattice_constant_ang=4.2, cubic=False),
    )
    cells = tuple(to_plain(build_parent(crystal, tmp_path)) for crystal in crystals)
    return PhaseCells(crystals=crystals, cells=cells, volumes=volumes, **changes)


def test_halvings_fill_evenly_and_keep_the_first():
    assert halvings(6) == [0, 0.5, 0.25, 0.75, 0.125, 0.625]
    assert sorted(halvings(16)) == [number / 16 for number in range(16)]
    assert symmetric_halvings(7) == [0, 1, -1, 0.5, -0.5, 0.25, -0.25]
    assert symmetric_halvings(4) == [0, 1, -1, 0.5]


def test_a_vacancy_lacks_one_atom_on_each_distinct_site_in_turn():
    frames = draw("vacancy", SALT, Vacancy(supercell=(2, 1, 1), count=5))
    assert [len(frame) for frame in frames] == [15] * 5
    assert [frame.get_chemical_formula() for frame in frames[:2]] == ["Cl8Na7", "Cl7Na8"]
    assert [frame.info["group"] for frame in frames] == [f"vacancy-0{site}" for site in (0, 1, 0, 1, 0)]
    full = SALT.repeat((2, 1, 1))
    gone = [at for at in full.positions if np.linalg.norm(frames[0].positions - at, axis=1).min() > 1.0]
    assert np.array(gone) == pytest.approx(SALT.positions[:1])
    assert [frame.info["temperature_k"] for frame in frames] == [0, 0, 300, 300, 300]
    assert np.abs(frames[2].positions - frames[0].positions).max() > 0.01


def test_vacancies_that_cannot_be_are_refused():
    with pytest.raises(DataError, match=r"has 2 distinct sites, but `count` is 1; raise it\."):
        draw("vacancy", SALT, Vacancy(count=1))
    with pytest.raises(DataError, match="single atom"):
        draw("vacancy", bulk("Cu"), Vacancy(supercell=(1, 1, 1)))


@pytest.mark.parametrize(
    ("crystal", "sizes"),
    [
        (bulk("Cu", "fcc", a=A, cubic=True), [A / 2, A * 3**0.5 / 4]),
        (bulk("Cu", "fcc", a=A), [A / 2, A * 3**0.5 / 4]),
        (bulk("Mo", "bcc", a=A, cubic=True), [A * 5**0.5 / 4]),
        (bulk("Si", "diamond", a=A), [A * 3**0.5 / 4, A * 11**0.5 / 8]),
        (bulk("Si", "diamond", a=A, cubic=True).repeat((1, 1, 2)), [A * 3**0.5 / 4, A * 11**0.5 / 8]),
        (bulk("Po", "sc", a=A), [A * 3**0.5 / 2]),
        (bulk("Cu", "fcc", a=A).repeat((2, 1, 1)), [A / 2, A * 3**0.5 / 4]),
    ],
)
def test_voids_are_those_of_the_crystal_largest_first(crystal, sizes):
    found = [
        room(crystal, void, 29) * (covalent_radii[29] + covalent_radii[crystal.numbers[0]]) for void in voids(crystal)
    ]
    assert found == pytest.approx(sizes, abs=1e-5)


def test_interstitials_are_of_every_element_in_every_void_in_turn():
    frames = draw("interstitial", SALT, Interstitial(supercell=(1, 1, 1), count=5, distance_factor=0.5))
    assert [len(frame) for frame in frames] == [9] * 5
    groups = [frame.info["group"] for frame in frames]
    assert len(voids(SALT)) == 1
    assert groups == [f"interstitial-{kind}" for kind in ("00-Na", "01-Cl", "00-Na", "01-Cl", "00-Na")]
    assert frames[0].get_distances(8, range(8), mic=True).min() == pytest.approx(5.6 * 3**0.5 / 4)
    with pytest.raises(DataError, match=r"no void is large enough: .* at 0\.\d\d .* lower it"):
        draw("interstitial", SALT, Interstitial(distance_factor=1.5))


def test_phases_have_the_volumes_of_their_strains_and_a_group_each(tmp_path):
    frames = draw("phase", SALT, phases(tmp_path, linear_strain_max=0.05))
    volumes = [frame.get_volume() for frame in frames]
    expected = [volume * (1 + strain) ** 3 for volume in (3.4**3, 4.2**3 / 2) for strain in (0, 0.05, -0.05)]
    assert volumes == pytest.approx(expected)
    assert [frame.info["group"] for frame in frames[::3]] == ["phase-00-cesiumchloride", "phase-01-bcc"]
    assert len({frame.info["parent"] for frame in frames}) == 2
    assert frames[1].info["reference_cell"] == pytest.approx(frames[0].cell.array)


def test_displaced_copies_of_phases_are_groups_of_their_own_with_the_variance_of_their_temperature(tmp_path):
    frames = draw("phase", SALT, phases(tmp_path, volumes=1, rattled=300, temperature_k=600.0))
    assert len(frames) == 2 * 301
    assert len({frame.info["group"] for frame in frames}) == 2 * 301
    perfect, copies = frames[0], frames[1:301]
    assert all(frame.info["temperature_k"] == 600.0 for frame in copies)
    assert all((frame.cell.array == perfect.cell.array).all() for frame in copies)
    moved = np.array([frame.positions - perfect.positions for frame in copies])
    assert (moved**2).mean() == pytest.approx(8.617333e-5 * 600 / 3.0, rel=0.1)


def test_dimers_are_all_pairs_at_the_stated_distances_with_free_atoms():
    settings = DimerCurve(distances=3, shortest_factor=0.8, longest_ang=6.0, vacuum_ang=8.0)
    frames = draw("dimer", SALT, settings)
    assert [str(frame.symbols) for frame in frames] == ["Cl", "Na", *["Cl2"] * 3, *["ClNa"] * 3, *["Na2"] * 3]
    for first in (2, 5, 8):
        shortest = 0.8 * covalent_radii[frames[first].numbers].sum()
        found = [frame.get_distance(0, 1) for frame in frames[first : first + 3]]
        assert found == pytest.approx([shortest * (6.0 / shortest) ** share for share in (0, 0.5, 0.25)])
    for frame in frames:
        assert not frame.pbc.any()
        assert frame.cell.lengths() == pytest.approx([14.0] * 3)
        assert ReferenceSettings("gpaw", "PBE", False, 0.0, 300.0, 0.1, 1e-4, 0.05).mesh_of(frame) == (1, 1, 1)
    assert len({frame.info["group"] for frame in frames}) == 5
    with pytest.raises(DataError, match=r"Na-Na, 2\.66 Å, is not below the longest, 2\.6 Å"):
        draw("dimer", SALT, DimerCurve(shortest_factor=0.8, longest_ang=2.6))


@pytest.mark.parametrize("crystal", [SALT, bulk("Si", "diamond", a=5.4), bulk("Cu", "fcc", a=A)])
def test_compressed_cells_reach_exactly_the_stated_distances(crystal):
    settings = Compression(count=8, fraction_min=0.6, fraction_max=0.8)
    frames = draw("compression", crystal, settings)
    nearest = nearest_distance(crystal, 6.0)
    found = [nearest_distance(frame, 6.0) / nearest for frame in frames]
    assert found == pytest.approx([0.6 + 0.2 * share for share in halvings(8)], abs=1e-6)
    ratios = [(frame.get_volume() / crystal.get_volume()) ** (1 / 3) for frame in frames]
    for ratio, fraction in zip(ratios, found, strict=True):
        assert fraction - 1e-9 <= ratio < 1
        assert ratio == pytest.approx(fraction) or len(crystal) > 1
    assert len({frame.info["group"] for frame in frames}) == 8
    assert frames[0].info["reference_cell"] == pytest.approx(frames[0].cell.array)


def every_family(tmp_path, more=False):
    """Settings of all families that are off by default; with `more` each has more structures."""
    extra = int(more)
    line = FaultLine(hkl=(1, 0, 0), direction=(0, 1, 1))
    return {
        "surface": Surface(planes=(Plane(hkl=(1, 0, 0)),), layers=2, rattled=1 + extra),
        "stacking_fault": StackingFault(lines=(line,), points=2 + 2 * extra, layers=2),
        "vacancy": Vacancy(supercell=(1, 1, 1), count=4 + extra),
        "interstitial": Interstitial(supercell=(1, 1, 1), count=3 + extra, distance_factor=0.5),
        "phase": phases(tmp_path, volumes=3 + extra, rattled=1 + extra),
        "dimer": DimerCurve(distances=2 + extra, longest_ang=5.0),
        "compression": Compression(count=2 + extra),
        "phonon": Phonon(temperatures_k=(300.0,), count=2 + extra),
        "wide": Wide(width_ang=7.0, temperatures_k=(300.0,), count=2 + extra),
        "shared": SharedCells(count=2 + extra, cells=SHARED),
    }


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"thermal", "strain", "volume"}))
def test_the_seed_decides_everything_and_more_structures_keep_the_first(tmp_path, family):
    few, many = every_family(tmp_path)[family], every_family(tmp_path, more=True)[family]
    first, again, other = draw(family, SALT, few), draw(family, SALT, few), draw(family, SALT, few, seed=2)
    more = {frame.info["id"]: frame for frame in draw(family, SALT, many)}
    assert len(first) == few.structures(2)
    assert len(more) == many.structures(2) > len(first)
    moved = 0.0
    for one, two, three in zip(first, again, other, strict=True):
        kept = more[one.info["id"]]
        assert (one.positions == two.positions).all()
        assert (one.positions == kept.positions).all()
        assert (one.cell.array == kept.cell.array).all()
        moved = max(moved, np.abs(one.positions - three.positions).max())
    assert (moved > 1e-3) == (family not in ("stacking_fault", "dimer", "shared"))


def test_structures_of_all_families_come_back_from_a_file_with_all_their_entries(tmp_path):
    frames = [frame for name, settings in every_family(tmp_path).items() for frame in draw(name, SALT, settings)]
    assert len({frame.info["id"] for frame in frames}) == len(frames)
    write_frames(tmp_path / "a.extxyz", frames)
    wanted = {name for name in FIELDS if name not in (SETTINGS_HASH, LABEL_KEY, "energy", "forces", "stress")}
    for before, after in zip(frames, read_frames(tmp_path / "a.extxyz"), strict=True):
        assert wanted <= set(after.info)
        assert (after.positions == before.positions).all()
        assert after.cell.array == pytest.approx(before.cell.array, abs=1e-8)
        assert (after.pbc == before.pbc).all()
        assert after.info["reference_cell"] == pytest.approx(before.info["reference_cell"])
        for key in ("id", "group", "parent", "family", "seed", "temperature_k"):
            assert after.info[key] == before.info[key]
