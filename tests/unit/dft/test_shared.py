"""Calculations that checks make anyway train the potential at no cost, and no reference of a check is among them."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from pesforge.dft.consistency import check_cells, label_rows
from pesforge.dft.label import Label
from pesforge.dft.labelling import label_batch
from pesforge.dft.settings import ReferenceSettings
from pesforge.dft.shared import shared_cells
from pesforge.dft.store import LabelStore, calculate_or_recall
from pesforge.errors import SettingsError
from pesforge.fields import REFERENCE_CELL
from pesforge.io import read_frames, write_frames
from pesforge.sampling.prepare import draft
from pesforge.study import load_study
from pesforge.validation.elastic import strained_cells
from pesforge.validation.eos import volume_cells
from pesforge.validation.phonon import displacements

TRAIN = Path(__file__).parents[3] / "config" / "train"
SETTINGS = ReferenceSettings("gpaw", "PBE", False, 0.0, 200.0, 0.4, 1e-4, 0.1)
STUDY = """\
name: shared
structure: {prototype: PROTOTYPE, species: [SPECIES], lattice_constant_ang: LENGTH}
sample: {thermal: null, strain: null, volume: null, shared: SHARED}
validate: {eos_points: POINTS}
"""


class Counting:
    """EMT as an engine that counts its calculations."""

    name = "emt"

    def __init__(self):
        self.calculations = 0

    def calculate(self, atoms, settings, mesh, attempt):
        self.calculations += 1
        work = atoms.copy()
        work.calc = EMT()
        return Label(work.get_potential_energy(), work.get_forces(), work.get_stress())


def load(tmp_path, prototype="fcc", species="Al", length=4.05, shared="{}", points=6):
    path = tmp_path / "study.yaml"
    words = {"PROTOTYPE": prototype, "SPECIES": species, "LENGTH": length, "SHARED": shared, "POINTS": points}
    text = STUDY
    for word, value in words.items():
        text = text.replace(word, str(value))
    path.write_text(text)
    return load_study(path, TRAIN)


def test_labelling_them_costs_no_calculation(tmp_path):
    loaded = load(tmp_path)
    parent = bulk("Al", "fcc", a=4.05, cubic=True)
    engine, store = Counting(), LabelStore(tmp_path / "store", "code")
    tools = {"engine": engine, "store": store, "max_attempts": 1, "timeout_s": 60.0}

    def calculate(atoms):
        return calculate_or_recall(atoms, settings=SETTINGS, **tools)

    label_rows(check_cells(parent, loaded.settings.converge), calculate)
    bare = parent.copy()
    bare.info[REFERENCE_CELL] = parent.cell.array.copy()
    moved = displacements(parent, loaded.settings.sample.stiffness_displacement_ang)
    for frame in [bare, *moved]:
        calculate(frame)
    made = engine.calculations
    assert made == 18 + 1 + len(moved)

    frames = draft(loaded.families, parent, 1)
    assert loaded.settings.families == {"shared": made}
    write_frames(tmp_path / "pool.extxyz", frames)
    pool = read_frames(tmp_path / "pool.extxyz")
    journal = tmp_path / "journal.jsonl"
    labelled, failures = label_batch(pool, settings=SETTINGS, journal_path=journal, **tools)
    assert engine.calculations == made
    assert (len(labelled), failures) == (made, [])
    assert journal.read_text().count("recalled") == made
    assert np.abs(labelled[0].get_forces()).max() > 0.1
    assert len({frame.info["group"] for frame in pool}) == 3


@pytest.mark.parametrize(("points", "parents"), [(6, 1), (7, 0)])
def test_no_reference_of_a_check_is_shared(tmp_path, points, parents):
    store = LabelStore(tmp_path, "code")

    def keys(frames):
        return {store.key(frame, SETTINGS, SETTINGS.mesh_of(frame)) for frame in frames}

    for prototype, species, length, moved in (("fcc", "Al", 4.05, 1), ("diamond", "Si", 5.47, 0)):
        loaded = load(tmp_path, prototype, species, length, points=points)
        parent = bulk(species, prototype, a=length, cubic=True)
        validate = loaded.settings.validate_
        references = [
            *volume_cells(parent, points, validate.eos_linear_strain_max),
            *strained_cells(parent, validate.elastic_strain),
        ]
        if not moved:
            references += displacements(parent, loaded.settings.sample.stiffness_displacement_ang)
        frames = draft(loaded.families, parent, 1)
        assert len(keys(frames)) == len(frames) == 18 + parents + moved
        assert not keys(frames) & keys(references)


def test_a_count_takes_the_first_and_too_many_are_refused(tmp_path):
    frames = draft(load(tmp_path, shared="{count: 2}").families, bulk("Al", a=4.05, cubic=True), 1)
    assert [frame.info["id"] for frame in frames] == ["shared-displaced", "shared-stretched_and_displaced"]
    with pytest.raises(SettingsError, match=r"shares 19 calculations, but `count` is 99; lower it"):
        load(tmp_path, points=7, shared="{count: 99}")


def test_the_cells_follow_the_amplitudes_of_the_checks(tmp_path):
    loaded = load(tmp_path)
    parent = bulk("Al", "fcc", a=4.05, cubic=True)
    study = loaded.settings
    wider = study.model_copy(update={"converge": study.converge.model_copy(update={"strain": 0.05})})
    before, after = (shared_cells(parent, item) for item in (study, wider))
    assert before[0] == after[0]
    assert before[1] != after[1]
