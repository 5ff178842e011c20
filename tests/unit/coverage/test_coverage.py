"""Bins with known contents, planted holes that are found and filled, and greedy choice against exhaustive search."""

from itertools import combinations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import covalent_radii
from crystals import alloy

from pesforge.coverage.bins import DescriptorBins, DistanceBins, StrainBins, mean_descriptors
from pesforge.coverage.cloud import Cloud, draw_cloud
from pesforge.coverage.evidence import coverage_evidence
from pesforge.coverage.gaps import choose, fill_gaps
from pesforge.curation.filters import too_short
from pesforge.errors import DataError
from pesforge.family_settings import Candidates, Gaps, Sample, Strain, Thermal, Volume
from pesforge.io import canonical_json, read_frames, write_frames
from pesforge.sampling.candidates import CandidateRange, candidate, stated_range
from pesforge.sampling.frames import make_frame
from pesforge.sampling.measured import Measured
from pesforge.sampling.volume import sample as volumes

PARENT = alloy()
MEASURED = Measured.assumed(PARENT)
RANGES = CandidateRange(
    number=150, hydrostatic_max=0.03, deviatoric_max=0.05, temperature_max_k=900.0, fraction_min=0.55
)
FACTOR = 0.6


@pytest.fixture(scope="module")
def cloud():
    return draw_cloud(PARENT, RANGES, MEASURED, 1, cutoff_ang=5.0, min_distance_factor=FACTOR)


def candidates(numbers):
    return [candidate(PARENT, RANGES, MEASURED, 1, int(number)) for number in numbers]


def test_distances_are_counted_per_species_pair_from_the_shortest_believed_distance():
    oxide = DistanceBins((8, 29), cutoff_ang=2.584, min_distance_factor=0.6)
    assert oxide.names == ["O-O", "O-Cu", "Cu-Cu"]
    starts = [0.6 * (covalent_radii[a] + covalent_radii[b]) for a, b in ((8, 8), (8, 29), (29, 29))]
    assert oxide.starts_ang == pytest.approx(starts)
    assert np.diff(oxide.offsets).tolist() == [int(np.ceil((2.584 - start) / 0.1)) for start in starts]
    for pair, kind, distance in (("CuCu", 2, 2.0), ("CuO", 1, 1.9), ("OCu", 1, 1.9), ("OO", 0, 1.4)):
        found, believed = oxide.filled(Atoms(pair, positions=[[0, 0, 0], [0, 0, distance]]))
        assert np.flatnonzero(found).tolist() == [oxide.offsets[kind] + int((distance - starts[kind]) / 0.1)]
        assert believed
    found, believed = oxide.filled(Atoms("CuO", positions=[[0, 0, 0], [0, 0, starts[1] - 0.01]]))
    assert not believed
    assert not found.any()
    assert not oxide.filled(Atoms("CuO", positions=[[0, 0, 0], [0, 0, 2.6]]))[0].any()


@pytest.mark.parametrize(
    ("strain", "place"),
    [
        (np.zeros((3, 3)), (3, 0)),
        (0.0099 * np.eye(3), (5, 0)),
        (-0.01 * np.eye(3), (0, 0)),
        (np.diag([0.0299, -0.0299, 0]) * np.sqrt(2) / 2, (3, 4)),
        ([[0, 0.01, 0], [0.01, 0, 0], [0, 0, 0]], (3, 2)),
        (0.011 * np.eye(3), None),
    ],
)
def test_strains_are_found_on_the_plane_of_their_invariants(strain, place):
    grid = StrainBins(PARENT.cell.array, i1_max=0.03, root_j2_max=0.03)
    frame = make_frame(PARENT, name="x", family="x", group="x", seed=1, strain=np.array(strain, dtype=float))
    found = grid.filled(frame).reshape(6, 6)
    assert [tuple(map(int, where)) for where in np.argwhere(found)] == ([place] if place else [])


def test_cells_that_are_no_strained_parent_fill_no_strain():
    grid = StrainBins(PARENT.cell.array, i1_max=0.03, root_j2_max=0.03)
    assert grid.filled(make_frame(PARENT, name="x", family="x", group="x", seed=1)).sum() == 1
    other = make_frame(bulk("Cu"), name="x", family="x", group="x", seed=1)
    assert not grid.filled(other).any()
    assert not grid.filled(PARENT).any()
    assert StrainBins(PARENT.cell.array, 0.0, 0.0).filled(other).size == 0
    assert StrainBins(PARENT.cell.array, 0.03, 0.0).shape == (6, 1)


def test_components_are_those_of_the_cloud_and_bins_do_not_depend_on_the_data(cloud):
    grid = cloud.bins.descriptors
    features = mean_descriptors(candidates(np.flatnonzero(cloud.believed)), ("Au", "Cu"), 5.0)
    standard = (features - features.mean(axis=0)) / np.where(features.std(axis=0) > 1e-12, features.std(axis=0), np.inf)
    values, vectors = np.linalg.eigh(np.cov(standard.T))
    assert grid.explained == pytest.approx(values[::-1][:2] / values.sum(), rel=1e-6)
    assert np.abs(np.abs(vectors[:, ::-1][:, :2].T @ grid.components) - np.eye(2)).max() < 1e-6
    filled = grid.filled(features).reshape(-1, 8, 8)
    assert filled.any(axis=(1, 2)).all()
    for axis in (1, 2):
        assert np.ptp(filled.any(axis=axis).sum(axis=0)) <= 1
    turned = PARENT.copy()
    turned.rotate(40, (1, 2, 3), rotate_cell=True)
    one, other = (
        grid.filled(mean_descriptors([atoms * repeat], ("Au", "Cu"), 5.0))
        for atoms, repeat in ((PARENT, 1), (turned, 2))
    )
    assert (one == other).all()
    far = PARENT.copy()
    far.set_cell(3 * far.cell, scale_atoms=True)
    assert not grid.filled(mean_descriptors([far], ("Au", "Cu"), 5.0)).any()


def test_candidates_that_do_not_differ_are_refused():
    with pytest.raises(DataError, match="same descriptors"):
        DescriptorBins.of(("Cu",), 4.0, np.ones((5, 3)))
    near = RANGES.model_copy(update={"number": 3})
    with pytest.raises(DataError, match="0 of 3 candidates"):
        draw_cloud(PARENT, near, MEASURED, 1, cutoff_ang=5.0, min_distance_factor=1.5)


def test_a_planted_hole_is_found_and_filled(cloud):
    strains = cloud.bins.parts["strains"]
    numbers = np.flatnonzero(cloud.believed)
    where = {int(number): np.flatnonzero(cloud.filled[number, strains]) for number in numbers}
    hole = next(int(bins[0]) for bins in where.values() if len(bins) and bins[0] not in where[int(numbers[0])])
    others = candidates(number for number, bins in where.items() if hole not in bins)
    before = coverage_evidence(cloud, others, {atoms.info["id"] for atoms in others})
    others = [_renamed(atoms) for atoms in others]
    filled = fill_gaps(PARENT, cloud, others, Gaps(count=1, kinds=("strains",)), RANGES, MEASURED, 1)
    assert np.flatnonzero(cloud.bins.filled(filled)[0, strains]).tolist() == [hole]
    assert np.array(before["strains"]["state"]).ravel()[hole] == "empty"
    pool = [*others, *filled]
    after = coverage_evidence(cloud, pool, {atoms.info["id"] for atoms in pool})
    assert np.array(after["strains"]["state"]).ravel()[hole] == "by_gaps"
    rows = {row["measure"]: row for row in after["percent"]}
    assert rows["strains"]["sampled_percent"] == rows["strains"]["curated_percent"]
    assert rows["strains"]["sampled_percent"] - rows["strains"]["without_gaps_percent"] == pytest.approx(100 / 36)
    dropped = coverage_evidence(cloud, pool, {atoms.info["id"] for atoms in others})
    assert np.array(dropped["strains"]["state"]).ravel()[hole] == "lost"
    assert any(row["measure"] == "strains" and "dropped" in row["why"] for row in dropped["empty"])
    canonical_json(after)


def _renamed(atoms):
    """A structure as another family would give it."""
    other = atoms.copy()
    other.info.update(id=f"other-{atoms.info['id']}", family="thermal")
    return other


def test_structures_that_cannot_be_believed_fill_no_bin(cloud):
    perfect = volumes(PARENT, Volume(count=1), MEASURED, 1)
    strange = _renamed(perfect[0])
    strange.symbols[0] = "Po"
    touching = _renamed(perfect[0])
    touching.positions[1] = touching.positions[0]
    kept = {atoms.info["id"] for atoms in perfect}
    assert coverage_evidence(cloud, [*perfect, strange, touching], kept) == coverage_evidence(cloud, perfect, kept)


def test_ranges_that_are_empty_are_named_with_their_reason(cloud):
    perfect = volumes(PARENT, Volume(count=1), MEASURED, 1)
    evidence = coverage_evidence(cloud, perfect, {atoms.info["id"] for atoms in perfect})
    rows = [row for row in evidence["empty"] if row["measure"] == "distances Cu-Cu"]
    start = 0.6 * 2 * covalent_radii[29]
    nearest = 3.8 / np.sqrt(2)
    first = (nearest - start) // 0.1
    assert rows[0]["where"].startswith(f"{start:.2f} to ")
    assert sum(row["bins"] for row in rows[:2]) >= first or rows[0]["bins"] == first
    (strip,) = (row for row in evidence["distances"] if row["pair"] == "Cu-Cu")
    assert [state == "filled" for state in strip["state"]] == [
        any(
            start + 0.1 * bin_ <= distance < start + 0.1 * (bin_ + 1) for distance in (nearest, 3.8, 3.8 * np.sqrt(1.5))
        )
        for bin_ in range(len(strip["state"]))
    ]
    assert sum(row["bins"] for row in rows) == sum(state != "filled" for state in strip["state"])
    assert evidence["candidates"] == 150
    assert evidence["refused"] == (~cloud.believed).sum() > 0


def test_greedy_choice_equals_exhaustive_search_on_a_tiny_pool():
    rng = np.random.default_rng(3)
    equal = 0
    for _ in range(60):
        filled = rng.random((7, 12)) < 0.25
        times = (rng.random(12) < 0.3).astype(int)
        chosen = choose(filled, times, 3)
        gain = (filled[chosen].any(axis=0) & (times == 0)).sum()
        best = max((filled[list(picks)].any(axis=0) & (times == 0)).sum() for picks in combinations(range(7), 3))
        assert gain >= (1 - 1 / np.e) * best
        assert (filled[chosen[:1]].any(axis=0) & (times == 0)).sum() == (filled & (times == 0)).sum(axis=1).max()
        equal += gain == best
    assert equal > 50
    apart = np.eye(6, dtype=bool)[[0, 1, 1, 2, 3, 5]]
    assert choose(apart, np.zeros(6, dtype=int), 5) == [0, 1, 3, 4, 5]


def test_when_nothing_is_empty_the_least_filled_bins_are_filled_again():
    filled = np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=bool)
    assert choose(filled, np.array([5, 5, 1, 5]), 2) == [1, 0]
    assert choose(filled, np.array([5, 0, 1, 5]), 3) == [0, 1, 2]


@pytest.mark.parametrize("kinds", [("distances",), ("distances", "strains", "descriptors")])
def test_added_structures_pass_the_filters_and_a_larger_count_keeps_the_first(cloud, kinds, tmp_path):
    assert not cloud.believed.all()
    assert too_short(candidates(np.flatnonzero(~cloud.believed)), FACTOR)
    cloud.save(tmp_path / "cloud.npz")
    stored = Cloud.load(tmp_path / "cloud.npz")
    others = volumes(PARENT, Volume(), MEASURED, 1)
    few, many = (
        fill_gaps(PARENT, chosen, others, Gaps(count=count, kinds=kinds), RANGES, MEASURED, 1)
        for chosen, count in ((stored, 4), (cloud, 12))
    )
    assert [atoms.info["id"] for atoms in few] == [atoms.info["id"] for atoms in many[:4]]
    assert all((one.positions == two.positions).all() for one, two in zip(few, many, strict=False))
    assert len({atoms.info["group"] for atoms in many}) == 12
    assert too_short(many, FACTOR) == []
    before, after = (cloud.bins.filled(frames).any(axis=0) for frames in (others, [*others, *many]))
    chosen = np.concatenate([np.arange(len(before))[cloud.bins.parts[kind]] for kind in kinds])
    assert after[chosen].sum() > before[chosen].sum() + 12
    write_frames(tmp_path / "gaps.extxyz", many)
    again = cloud.bins.filled(read_frames(tmp_path / "gaps.extxyz"))
    assert (again == cloud.bins.filled(many)).mean() > 0.999


def test_too_few_believed_candidates_for_the_count_are_an_error(cloud):
    believed = np.zeros_like(cloud.believed)
    believed[:2] = True
    few = Cloud(cloud.bins, cloud.filled, believed)
    with pytest.raises(DataError, match=r"2 of 150 candidates keep .* `sample.gaps.count` is 3"):
        fill_gaps(PARENT, few, [], Gaps(count=3), RANGES, MEASURED, 1)


def test_ranges_that_are_not_stated_are_those_of_the_families():
    sample = Sample(
        thermal=Thermal(temperatures_k=(300.0, 700.0)),
        strain=Strain(hydrostatic_max=0.01, deviatoric_max=0.07),
        volume=Volume(linear_strain_max=0.02),
    )
    found = stated_range(sample)
    assert (found.hydrostatic_max, found.deviatoric_max, found.temperature_max_k) == (0.02, 0.07, 700.0)
    own = sample.model_copy(update={"candidates": Candidates(hydrostatic_max=0.0, temperature_max_k=50.0)})
    found = stated_range(own)
    assert (found.hydrostatic_max, found.deviatoric_max, found.temperature_max_k) == (0.0, 0.07, 50.0)
    alone = stated_range(Sample(thermal=None, strain=None, volume=None, gaps=Gaps()))
    assert (alone.hydrostatic_max, alone.deviatoric_max, alone.temperature_max_k) == (0.0, 0.0, 0.0)
