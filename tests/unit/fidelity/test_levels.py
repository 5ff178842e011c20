"""The low level is another and a cheaper one, or the study stops."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from pydantic import ValidationError

from pesforge.dft.settings import ReferenceSettings
from pesforge.errors import DataError
from pesforge.fidelity.levels import by_id, low_settings, of_families, relabelled
from pesforge.fidelity_settings import LowLevel
from pesforge.settings import Study

HIGH = ReferenceSettings("gpaw", "PBE", False, 0.0, 250.0, 0.24, 1e-4, 0.05)
SILICON = bulk("Si", cubic=True)


def test_the_low_level_changes_three_parameters_and_the_hash():
    low = low_settings(HIGH, LowLevel(), SILICON)
    assert low == replace(HIGH, cutoff_ev=150.0, k_spacing_per_ang=0.4, scf_tolerance=1e-3)
    assert low.hash != HIGH.hash


def test_tighter_parameters_are_refused_by_name():
    with pytest.raises(DataError, match=r"cutoff_ev is 300.*scf_tolerance is 1e-05"):
        low_settings(HIGH, LowLevel(cutoff_ev=300.0, scf_tolerance=1e-5), SILICON)


def test_a_level_that_is_no_cheaper_is_refused():
    same_mesh = LowLevel(cutoff_ev=250.0, k_spacing_per_ang=0.25)
    assert HIGH.mesh(SILICON.cell.array) == (5, 5, 5)
    with pytest.raises(DataError, match="no cheaper level"):
        low_settings(HIGH, same_mesh, SILICON)


def study(**fidelity) -> Study:
    structure = {"prototype": "diamond", "species": ["Si"], "lattice_constant_ang": 5.47}
    return Study.model_validate({"name": "s", "structure": structure, "fidelity": fidelity})


def test_a_study_refuses_what_cannot_be_looser_and_families_that_it_has_not():
    assert study().fidelity.low == LowLevel()
    for wrong, named in (
        ({"low": {"cutoff_ev": 700.0}}, "fidelity.low.cutoff_ev"),
        ({"low": {"k_spacing_per_ang": 0.1}}, "fidelity.low.k_spacing_per_ang"),
        ({"low": {"scf_tolerance": 1e-7}}, "fidelity.low.scf_tolerance"),
        ({"families": ["surface"]}, "surface not sampled"),
        ({"budgets": [5, 5]}, "must rise"),
        ({"budgets": [5, 37]}, "up to 36"),
    ):
        with pytest.raises(ValidationError, match=named):
            study(**wrong)


def frames_of(design, factors=(1.0, 1.0, 1.0), stress=True) -> list[Atoms]:
    """Structures of a design with multiples of its labels; stress where the design has one."""
    frames = []
    for s, (name, count) in enumerate(zip(design.ids, design.n_atoms, strict=True)):
        frame = Atoms(f"H{count}", info={"id": name, "family": design.families[s]})
        found = {"energy": factors[0] * design.y_energy[s], "forces": factors[1] * forces_of(design, s)}
        own = design.y_stress[6 * s : 6 * s + 6]
        if stress and np.isfinite(own).all():
            found["stress"] = factors[2] * own
        frame.calc = SinglePointCalculator(frame, **found)
        frames.append(frame)
    return frames


def forces_of(design, s: int) -> np.ndarray:
    return design.y_forces[design.force_rows(np.array([s]))].reshape(-1, 3)


def test_labels_of_other_settings_replace_those_of_a_design(make_design):
    design = make_design()
    again = relabelled(design, by_id(frames_of(design, (2.0, 3.0, 4.0))[::-1]))
    assert again.y_energy == pytest.approx(2 * design.y_energy)
    assert again.y_forces == pytest.approx(3 * design.y_forces)
    assert again.y_stress == pytest.approx(4 * design.y_stress, nan_ok=True)
    assert np.array_equal(again.forces, design.forces)
    with pytest.raises(DataError, match="stress"):
        relabelled(design, by_id(frames_of(design, stress=False)))
    with pytest.raises(DataError, match="does not belong"):
        relabelled(design, {name: Atoms("H9") for name in design.ids})


def test_families_are_picked_in_order(make_design):
    frames = frames_of(make_design())
    assert [f.info["id"] for f in of_families(frames, ("strain",))] == ["s0", "s3", "s6", "s9"]
    assert of_families(frames, ()) == frames
