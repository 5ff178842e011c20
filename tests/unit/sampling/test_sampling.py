"""Samplers: statistics, groups, determinism, and that stored structures lose nothing."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge.errors import DataError
from pesforge.family_settings import Strain, Thermal, Volume
from pesforge.fields import BOLTZMANN_EV_PER_K, FIELDS, LABEL_KEY, SETTINGS_HASH
from pesforge.io import read_frames, write_frames
from pesforge.sampling.counts import largest_remainder
from pesforge.sampling.families import FAMILIES
from pesforge.sampling.frames import displacements_of
from pesforge.sampling.gaussian_evidence import rises_of, squares_of
from pesforge.sampling.measured import Measured
from pesforge.sampling.strain import invariants, strain_evidence
from pesforge.sampling.thermal import displacement_evidence, energy_evidence

STIFFNESS = {"Na": 2.0, "Cl": 8.0}


@pytest.fixture
def parent():
    return bulk("NaCl", "rocksalt", a=5.6, cubic=True)


def draw(family, parent, settings, seed=1):
    return FAMILIES[family][1](parent, settings, Measured(STIFFNESS, np.zeros((24, 24))), seed)


@pytest.mark.parametrize(
    ("weights", "total", "counts"),
    [
        ((300, 600, 1200), 30, [4, 9, 17]),
        ((300, 600, 1200), 7, [1, 2, 4]),
        ((1, 1, 1), 4, [2, 1, 1]),
        ((1, 1000), 3, [0, 3]),
        ((5.0,), 9, [9]),
    ],
)
def test_counts_are_shared_in_proportion(weights, total, counts):
    assert largest_remainder(weights, total) == counts


def test_displacements_obey_equipartition_for_each_species_and_component(parent):
    temperature = 600.0
    frames = draw("thermal", parent, Thermal(temperatures_k=(temperature,), count=800))
    shifts = np.array([displacements_of(parent, frame) for frame in frames])
    for symbol, stiffness in STIFFNESS.items():
        components = shifts[:, parent.symbols == symbol].reshape(-1, 3)
        expected = BOLTZMANN_EV_PER_K * temperature / stiffness
        error = expected * np.sqrt(2 / len(components))
        assert np.abs(components.var(axis=0) - expected).max() < 4 * error
        assert np.abs(np.corrcoef(components.T)[np.triu_indices(3, 1)]).max() < 0.06
    (row,) = displacement_evidence(parent, squares_of(parent, "thermal", frames), STIFFNESS)
    assert abs(row["msd_ang2"] - row["msd_expected_ang2"]) < 4 * row["msd_standard_error_ang2"]
    assert row["msd_standard_error_ang2"] < 0.02 * row["msd_ang2"]
    assert row["msd_expected_ang2"] == pytest.approx(1.5 * BOLTZMANN_EV_PER_K * temperature * (1 / 2 + 1 / 8))


def test_a_stiffness_that_is_wrong_shows_in_the_evidence(parent):
    frames = draw("thermal", parent, Thermal(temperatures_k=(300.0, 900.0), count=200))
    wrong = {"Na": 2.0, "Cl": 4.0}
    squares = squares_of(parent, "thermal", frames)
    for row in displacement_evidence(parent, squares, wrong):
        assert abs(row["msd_ang2"] - row["msd_expected_ang2"]) > 4 * row["msd_standard_error_ang2"]
    assert [(row["temperature_k"], row["count"]) for row in displacement_evidence(parent, squares, wrong)] == [
        (300.0, 50),
        (900.0, 150),
    ]


def test_harmonic_energies_rise_by_three_halves_kt(parent):
    frames = draw("thermal", parent, Thermal(temperatures_k=(300.0, 900.0), count=400))
    constants = np.array([STIFFNESS[symbol] for symbol in parent.symbols])
    for frame in frames:
        energy = -5.0 + 0.5 * (constants[:, None] * displacements_of(parent, frame) ** 2).sum()
        frame.calc = SinglePointCalculator(frame, energy=energy)
    others = draw("volume", parent, Volume())
    for row in energy_evidence(rises_of(-5.0, "thermal", frames + others)):
        assert row["expected_ev_per_atom"] == pytest.approx(1.5 * BOLTZMANN_EV_PER_K * row["temperature_k"])
        off = abs(row["rise_ev_per_atom"] - row["expected_ev_per_atom"])
        assert off < 4 * row["rise_standard_error_ev_per_atom"] < 0.2 * row["expected_ev_per_atom"]


@pytest.mark.parametrize(
    ("family", "few", "many"),
    [
        ("thermal", Thermal(temperatures_k=(300.0,), count=3), Thermal(temperatures_k=(300.0,), count=6)),
        ("strain", Strain(paths=2), Strain(paths=4)),
    ],
)
def test_the_seed_decides_everything_and_more_structures_keep_the_first(parent, family, few, many):
    first, again, more, other = (
        draw(family, parent, few),
        draw(family, parent, few),
        draw(family, parent, many),
        draw(family, parent, few, seed=2),
    )
    for one, two, three, four in zip(first, again, more[: len(first)], other, strict=True):
        assert (one.positions == two.positions).all()
        assert (one.positions == three.positions).all()
        assert np.abs(one.positions - four.positions).max() > 1e-3
    assert len({frame.info["seed"] for frame in more}) == len(more)


def test_strained_cells_are_affine_and_paths_are_groups(parent):
    settings = Strain(paths=5, amplitudes=(-1.0, 0.5, 1.0), rattle_temperature_k=0)
    frames = draw("strain", parent, settings)
    assert len(frames) == 15
    assert len({frame.info["group"] for frame in frames}) == 5
    for frame in frames:
        xx, yy, zz, yz, xz, xy = frame.info["strain"]
        deformation = np.eye(3) + np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        assert np.abs(frame.cell.array - (deformation @ parent.cell.array.T).T).max() < 1e-12
        assert np.abs(frame.positions - parent.positions @ deformation.T).max() < 1e-7
        assert np.abs(displacements_of(parent, frame)).max() < 1e-7
    for start in range(0, 15, 3):
        full = frames[start + 2].info["strain"]
        assert frames[start].info["strain"] == pytest.approx(-full)
        assert frames[start + 1].info["strain"] == pytest.approx(full / 2)


def test_strain_ranges_are_filled_and_kept_apart(parent):
    frames = draw("strain", parent, Strain(paths=64, amplitudes=(1.0,), hydrostatic_max=0.02, deviatoric_max=0.04))
    rows = strain_evidence(frames)
    hydrostatic = np.array([row["i1"] / 3 for row in rows])
    deviatoric = np.sqrt([2 * row["j2"] for row in rows])
    assert np.abs(hydrostatic).max() <= 0.02
    assert deviatoric.max() <= 0.04
    for values, low, high in ((hydrostatic, -0.02, 0.02), (deviatoric, 0.0, 0.04)):
        filled = np.histogram(values, bins=8, range=(low, high))[0]
        assert filled.min() >= 4
    pure = draw("strain", parent, Strain(paths=3, hydrostatic_max=0.0))
    assert max(abs(row["i1"]) for row in strain_evidence(pure)) < 1e-15
    shear = np.array([frame.info["strain"] for frame in frames])
    assert np.abs(shear[:, 3:]).max(axis=0).min() > 0.01


def test_invariants_of_known_strains():
    assert invariants(np.array([0.01, 0.01, 0.01, 0, 0, 0])) == pytest.approx((0.03, 0.0))
    assert invariants(np.array([0, 0, 0, 0.02, 0, 0])) == pytest.approx((0.0, 4e-4))
    assert invariants(np.array([0.02, -0.02, 0, 0, 0, 0])) == pytest.approx((0.0, 4e-4))
    strain = np.array([[0.03, 0.01, -0.02], [0.01, -0.01, 0.005], [-0.02, 0.005, 0.04]])
    deviator = strain - np.trace(strain) / 3 * np.eye(3)
    expected = (np.trace(strain), 0.5 * (deviator * deviator).sum())
    assert invariants(np.array([0.03, -0.01, 0.04, 0.005, -0.02, 0.01])) == pytest.approx(expected)


def test_rattled_strained_cells_have_the_thermal_displacements_of_their_temperature(parent):
    frames = draw("strain", parent, Strain(paths=100, rattle_temperature_k=300))
    shifts = np.array([displacements_of(parent, frame) for frame in frames])[:, parent.symbols == "Na"]
    assert shifts.var() == pytest.approx(BOLTZMANN_EV_PER_K * 300 / 2.0, rel=0.06)


def test_volumes_span_the_range_as_one_group(parent):
    frames = draw("volume", parent, Volume(count=5, linear_strain_max=0.04))
    ratios = [(frame.get_volume() / parent.get_volume()) ** (1 / 3) for frame in frames]
    assert ratios == pytest.approx([0.96, 0.98, 1.0, 1.02, 1.04])
    assert {frame.info["group"] for frame in frames} == {"volume"}
    assert len(draw("volume", parent, Volume(count=1))) == 1


def test_structures_come_back_from_a_file_with_all_their_entries(parent, tmp_path):
    frames = [
        *draw("thermal", parent, Thermal(count=4)),
        *draw("strain", parent, Strain(paths=2)),
        *draw("volume", parent, Volume(count=2)),
    ]
    assert len({frame.info["id"] for frame in frames}) == len(frames)
    write_frames(tmp_path / "a.extxyz", frames)
    wanted = {name for name in FIELDS if name not in (SETTINGS_HASH, LABEL_KEY, "energy", "forces", "stress")}
    for before, after in zip(frames, read_frames(tmp_path / "a.extxyz"), strict=True):
        assert wanted <= set(after.info)
        assert (after.positions == before.positions).all()
        assert after.info["reference_cell"] == pytest.approx(parent.cell.array)
        assert after.info["strain"] == pytest.approx(before.info["strain"], abs=1e-9)
        for key in ("id", "group", "parent", "family", "seed", "temperature_k"):
            assert after.info[key] == before.info[key]


def test_a_skew_reference_cell_keeps_its_orientation_in_a_file(tmp_path):
    parent = bulk("NaCl", "rocksalt", a=5.6)
    parent.cell[0] += [0.1, 0.2, 0.3]
    write_frames(tmp_path / "a.extxyz", draw("volume", parent, Volume(count=1)))
    (frame,) = read_frames(tmp_path / "a.extxyz")
    assert frame.info["reference_cell"] == pytest.approx(parent.cell.array)


def test_the_parent_is_left_alone_and_a_missing_stiffness_is_refused(parent):
    before = parent.copy()
    draw("strain", parent, Strain())
    assert parent == before
    with pytest.raises(DataError, match="no stiffness for Cl"):
        FAMILIES["thermal"][1](parent, Thermal(), Measured({"Na": 1.0}, np.zeros((24, 24))), 1)
