"""A pool of all families: the study that asks for it, and every stage below the labels on structures of mixed sizes."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from all_families import COUNTS, sample_section
from ase.calculators.emt import EMT
from ase.io import write
from crystals import alloy

from pesforge.curation.audit import audit
from pesforge.curation.filters import filter_labels
from pesforge.dft.label import Label
from pesforge.dft.labelling import attach
from pesforge.dft.settings import ReferenceSettings
from pesforge.errors import SettingsError
from pesforge.io import canonical_json, read_frames, write_frames
from pesforge.plan import plan_text
from pesforge.report import figures, figures_fit
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import describe
from pesforge.representations.projections import project_all
from pesforge.sampling.gaussian_evidence import rises_of, squares_of
from pesforge.sampling.prepare import draft
from pesforge.sampling.strain import strain_evidence
from pesforge.sampling.thermal import displacement_evidence, energy_evidence
from pesforge.settings import Crossvalidate, Curate
from pesforge.structure import from_plain
from pesforge.study import load_study
from pesforge.training.crossvalidate import crossvalidate
from pesforge.training.data import ProjectedData, Targets
from pesforge.validation.accuracy import domain_of

TRAIN = Path(__file__).parents[2] / "config" / "train"
HEAD = "name: all\nstructure: {file: parent.extxyz, species: [Au, Cu]}\n"
REFERENCE = ReferenceSettings("gpaw", "PBE", False, 0.0, 300.0, 0.5, 1e-4, 0.05)


@pytest.fixture
def load(tmp_path):
    def read(sample):
        write(tmp_path / "parent.extxyz", alloy())
        (tmp_path / "all.yaml").write_text(HEAD + sample)
        return load_study(tmp_path / "all.yaml", TRAIN)

    return read


def labelled(atoms):
    """The structure with EMT's labels, in the way of the stage `label`."""
    work = atoms.copy()
    work.calc = EMT()
    stress = work.get_stress() if atoms.pbc.all() else np.full(6, np.nan)
    return attach(atoms, Label(work.get_potential_energy(), work.get_forces(), stress), REFERENCE.hash, "key")


def test_all_stages_below_the_labels_take_a_pool_of_mixed_sizes(load, tmp_path):
    loaded = load(sample_section("Cu"))
    parent, families = from_plain(loaded.parent), loaded.settings.families
    assert families == {**COUNTS, "dimer": 2 + 3 * 4}
    assert "stacking_fault      3 structures" in plan_text(loaded, tmp_path)
    pool = draft(loaded.families, parent, loaded.settings.seed)
    assert Counter(frame.info["family"] for frame in pool) == families
    assert len({len(frame) for frame in pool}) > 5
    stiffness = {"Au": 1.0, "Cu": 1.0}
    sampled = {"families": families, "strain": strain_evidence(pool)}
    thermal = displacement_evidence(parent, squares_of(parent, "thermal", pool), stiffness)
    assert [row["count"] for row in thermal] == [6]

    write_frames(tmp_path / "labels.extxyz", [labelled(frame) for frame in pool])
    frames = read_frames(tmp_path / "labels.extxyz")
    assert [len(frame) for frame in frames] == [len(frame) for frame in pool]
    rises = energy_evidence(rises_of(labelled(parent).get_potential_energy(), "thermal", frames))
    kept, decisions = filter_labels(frames, Curate())
    assert len(kept) + len(decisions) == len(pool)
    assert all(decision.reason for decision in decisions)
    assert {frame.info["family"] for frame in kept} == set(families)

    basis = AceBasis(species=("Au", "Cu"), cutoff_ang=4.5, max_degree=(5, 5), l_max=(0, 2))
    design = describe(kept, basis)
    free = [index for index, family in enumerate(design.families) if family == "dimer"]
    assert np.isnan(design.y_stress[design.stress_rows(free)]).all()
    assert np.isfinite(np.delete(design.y_stress, design.stress_rows(free))).all()
    model = Crossvalidate(degree_reductions=(0,), alphas=(1e-4, 1e-2))
    names = [atoms.info["id"] for atoms in kept]
    chosen, curated = audit(names, design, Curate(), model=model, n_folds=3, seed=1, dropped=decisions)
    found = crossvalidate(design.select(chosen), model, basis.subset_mask)
    rows = {row["family"]: row for row in found["by_family"]}
    assert set(rows) == set(families)
    assert rows["dimer"]["stress_rmse_gpa"] is None
    assert np.isfinite([rows[name]["force_rmse_ev_per_ang"] for name in families]).all()

    projected = project_all(kept, basis, np.eye(basis.n_functions)[:, :3])
    data = ProjectedData(projected, Targets(design.y_energy, design.y_forces, design.y_stress), design.counts)
    assert not data.has_stress[free].any()
    assert data[np.arange(len(kept))].n_atoms.sum() == design.n_atoms.sum()
    domain = domain_of([kept[index] for index in chosen])
    assert domain.max_hydrostatic_strain < 0.05
    assert 0.7 * 1.28 < domain.shortest_distance_ang < 2.2
    canonical_json([sampled, thermal, rises, curated, found])
    drawn = [figures.strain(sampled), figures_fit.errors_by_family(found["by_family"])]
    assert all("<svg" in figure for figure in drawn)
    styles = figures.family_style(list(families))
    assert len(set(styles.values())) == len(styles)


@pytest.mark.parametrize(
    ("family", "place"),
    [
        ("surface: {planes: [{hkl: [1, 0, 0], cuts: 9}]}", "sample.surface: the plane [1, 0, 0] has "),
        ("surface: {planes: [{hkl: [0, 0, 0]}]}", "sample.surface.planes[0]: `hkl` must not be [0, 0, 0]"),
        ("surface: {planes: [{hkl: [1, 1, 1]}, {hkl: [1, 1, 1]}]}", "sample.surface: `planes` names a plane twice"),
        ("surface: {plane: 1}", "sample.surface.plane: unknown key. Did you mean 'planes'"),
        ("stacking_fault: {}", "sample.stacking_fault.lines: this key is missing"),
        (
            "stacking_fault: {lines: [{hkl: [1, 1, 1], direction: [1, 0, 0]}]}",
            "sample.stacking_fault.lines[0]: `direction` must lie in the plane",
        ),
        (
            "stacking_fault: {lines: [{hkl: [1, 1, 1], direction: [1, -1, 0], cut: 7}]}",
            "sample.stacking_fault: the plane",
        ),
        ("vacancy: {count: 1}", "sample.vacancy: the crystal has 2 distinct sites, but `count` is 1; raise it."),
        ("interstitial: {distance_factor: 1.4}", "sample.interstitial: no void is large enough"),
        ("interstitial: {distance_factor: 0.5}", "sample.interstitial.distance_factor: reaches down to 0.50"),
        ("phase: {crystals: []}", "sample.phase.crystals: "),
        (
            "phase: {crystals: [{prototype: fcc, species: [Ag], lattice_constant_ang: 4.0}]}",
            "sample.phase.crystals[0].species: Ag is not in `structure.species` (Au, Cu).",
        ),
        (
            "phase: {crystals: [{file: none.cif, species: [Cu]}]}",
            "sample.phase.crystals[0]: sample.phase.crystals[0].file: ",
        ),
        ("phase: {crystals: [{prototype: fcc, species: [Cu]}]}", "a prototype needs `lattice_constant_ang`"),
        ("dimer: {shortest_factor: 0.4}", "sample.dimer.shortest_factor: reaches down to 0.40 of the sum"),
        ("dimer: {longest_ang: 1.0}", "sample.dimer: the shortest distance of Au-Au"),
        ("md: {supercell: [0, 1, 1]}", "sample.md.supercell[0]: "),
        ("md: {temperature_k: 300}", "sample.md.temperature_k: unknown key. Did you mean 'temperatures_k'"),
        ("liquid: {temperatures_k: [900]}", "sample.liquid.melt_temperature_k: this key is missing"),
        ("relaxed: {}", "sample.relaxed: nothing to relax: switch on vacancy or interstitial."),
        (
            "relaxed: {surfaces: true}",
            "sample.relaxed: nothing to relax: switch on vacancy or interstitial or surface.",
        ),
        (
            "amorphous: {melt_temperature_k: 300, final_temperature_k: 300}",
            "sample.amorphous: `final_temperature_k` must be below `melt_temperature_k`",
        ),
        ("driver: {kind: tersoff}", "sample.driver.kind: found 'tersoff'; allowed: potential, dft."),
        ("compression: {fraction_min: 0.3}", "sample.compression.fraction_min: reaches down to 0.3"),
        ("gaps: {count: 901}", "sample.gaps.count: is 901, but there are 900 candidates"),
        ("gaps: {}\n  strain: null\n  volume: null", "sample.gaps.kinds: holds strains, but no family is strained"),
        ("compression: {fraction_min: 0.95}", "sample.compression: `fraction_min` must be below `fraction_max`"),
    ],
)
def test_what_the_crystal_or_the_filters_forbid_is_named_when_the_study_is_read(load, family, place):
    with pytest.raises(SettingsError) as caught:
        load(f"sample:\n  {family}\n")
    assert place in str(caught.value)
    assert "line 4" in str(caught.value)


def test_a_competing_crystal_from_a_file_travels_with_the_settings(load, tmp_path):
    write(tmp_path / "other.extxyz", alloy())
    loaded = load("sample:\n  phase: {crystals: [{file: other.extxyz, species: [Au, Cu]}], volumes: 2}\n")
    assert loaded.families["phase"]["cells"][0]["symbols"] == ["Au", "Cu", "Cu", "Cu"]
    (tmp_path / "other.extxyz").unlink()
    frames = draft({"phase": loaded.families["phase"]}, alloy(), 1)
    assert [frame.info["group"] for frame in frames] == ["phase-00-other"] * 2


def test_the_longest_distance_of_dimers_is_the_cutoff_unless_stated(load):
    assert load("sample:\n  dimer: {}\ndescribe: {cutoff_ang: 4.25}\n").families["dimer"]["longest_ang"] == 4.25
    assert load("sample:\n  dimer: {longest_ang: 3.5}\n").families["dimer"]["longest_ang"] == 3.5


DRIVEN = """\
sample:
  thermal: null
  strain: null
  volume: null
  md: {}
"""


def test_a_driver_needs_families_that_need_none(load):
    with pytest.raises(SettingsError, match="at least one family must be sampled that needs no driver"):
        load(DRIVEN)


def test_the_number_of_driven_structures_follows_from_the_study_alone(load):
    sample = sample_section("Cu") + (
        "  md: {temperatures_k: [300.0, 600.0], strains: [0.0, 0.02], count: 3}\n"
        "  liquid: {melt_temperature_k: 3000.0, temperatures_k: [1500.0, 2000.0], count: 2}\n"
        "  amorphous: {melt_temperature_k: 3000.0, quenches: 2, snapshots: 3}\n"
        "  relaxed: {rattled: 1, surfaces: true}\n"
    )
    loaded = load(sample)
    counts = {name: len(cells) for name, cells in loaded.standins.items()}
    sites, kinds, slabs = 2, 3, 2
    assert counts == {"md": 12, "liquid": 4, "amorphous": 8, "relaxed": 2 * (sites + kinds + slabs)}
    assert set(loaded.driven) == set(counts)
    assert not set(counts) & set(loaded.settings.families), "the first wave does not hold them"
