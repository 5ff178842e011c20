"""Competing crystals of Cu and Au by ASE's EMT: both sides, planted deviations, and the crystals that a study names."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge.errors import DataError, SettingsError
from pesforge.settings import Validate
from pesforge.structure import from_plain
from pesforge.study import load_study
from pesforge.validation.eos import volume_cells
from pesforge.validation.phases import compare_phases, own_potentials, phase_checks, relaxed

TRAIN = Path(__file__).parents[3] / "config" / "train"
SETTINGS = Validate()
STUDY = {
    "name": "gold",
    "structure": {"prototype": "cesiumchloride", "species": ["Au", "Cu"], "lattice_constant_ang": 3.06},
    "sample": {
        "phase": {"crystals": [{"prototype": "fcc", "species": ["Cu"], "lattice_constant_ang": 3.59}], "volumes": 1}
    },
    "validate": {"hull": {"crystals": [{"prototype": "fcc", "species": ["Au"], "lattice_constant_ang": 4.06}]}},
}


class Shifted(Calculator):
    """EMT, with an energy per atom of one element and of every compound added."""

    implemented_properties = ("energy",)

    def __init__(self, *, element=0.0, compound=0.0, flat=False):
        super().__init__()
        self.element, self.compound, self.flat = element, compound, flat

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        energy = 0.0
        if not (self.flat and len(set(atoms.symbols)) > 1):
            work = atoms.copy()
            work.calc = EMT()
            energy = work.get_potential_energy()
        energy += self.element * list(atoms.symbols).count("Cu")
        energy += self.compound * len(atoms) * (len(set(atoms.symbols)) > 1)
        self.results = {"energy": energy}


def load(tmp_path, **validate):
    path = tmp_path / "gold.yaml"
    path.write_text(yaml.safe_dump(STUDY | ({"validate": validate} if validate else {})))
    return load_study(path, TRAIN)


@pytest.fixture
def crystals(tmp_path):
    return load(tmp_path).crystals


def reference(crystals, hashes=("dft-1",) * 9):
    found = []
    for crystal, settings_hash in zip(crystals, hashes, strict=False):
        energies = []
        cells = volume_cells(from_plain(crystal["cell"]), SETTINGS.eos_points, SETTINGS.eos_linear_strain_max)
        for cell in cells:
            cell.calc = EMT()
            energies.append(cell.get_potential_energy())
        found.append({"name": crystal["name"], "energies_ev": energies, "settings_hash": settings_hash})
    return found


def labelled(crystals, settings_hash="dft-1"):
    frames = []
    for crystal in crystals:
        frame = from_plain(crystal["cell"])
        frame.calc = EMT()
        energy = frame.get_potential_energy()
        frame.info = {"id": crystal["name"], "family": "phase", "settings_hash": settings_hash}
        frame.calc = SinglePointCalculator(frame, energy=energy)
        frames.append(frame)
    return frames


def compare(crystals, calculator, **changes):
    given = {"frames": labelled(crystals), "settings": SETTINGS} | changes
    known = given.pop("reference", None) or reference(crystals)
    return compare_phases(calculator, crystals, known, **given)


def test_the_potentials_of_a_potential_are_those_of_the_comparison(crystals):
    calculator = Shifted(element=0.3)
    _, evidence = compare(crystals, calculator)
    assert own_potentials(calculator, crystals, SETTINGS) == evidence["chemical_potentials_ev"]["potential"]
    assert own_potentials(calculator, [it for it in crystals if it["formula"] != "Au"], SETTINGS) == {}


def test_the_parent_the_family_phase_and_further_crystals_take_part(crystals):
    found = [(item["name"], item["labelled"]) for item in crystals]
    assert found == [("AuCu cesiumchloride", True), ("Cu fcc", True), ("Au fcc", False)]


def test_a_crystal_that_is_told_twice_takes_part_once_and_equal_names_are_numbered(tmp_path):
    gold = {"prototype": "fcc", "species": ["Au"], "lattice_constant_ang": 4.06}
    again = {**gold, "species": ["Cu"], "lattice_constant_ang": 3.59}
    primitive = {**gold, "species": ["Au"], "cubic": False}
    names = [item["name"] for item in load(tmp_path, hull={"crystals": [gold, again, primitive]}).crystals]
    assert names == ["AuCu cesiumchloride", "Cu fcc", "Au fcc", "Au fcc 2"]


def test_without_the_section_there_are_no_crystals(tmp_path):
    assert load(tmp_path, eos_points=7).crystals == []


def test_an_element_without_a_crystal_of_its_own_is_refused_when_the_study_is_read(tmp_path):
    with pytest.raises(SettingsError, match=r"validate.hull: no chemical potential for Au: add a crystal") as error:
        load(tmp_path, hull={})
    assert "1 mistake" in str(error.value)


def test_a_foreign_element_and_an_impossible_crystal_are_refused_with_their_place(tmp_path):
    wrong = [
        {"prototype": "fcc", "species": ["Au"], "lattice_constant_ang": 4.06},
        {"prototype": "fcc", "species": ["Ag"], "lattice_constant_ang": 4.06},
        {"prototype": "rocksalt", "species": ["Au"], "lattice_constant_ang": 5.0},
    ]
    with pytest.raises(SettingsError) as error:
        load(tmp_path, hull={"crystals": wrong})
    assert "validate.hull.crystals[1].species: Ag is not in `structure.species` (Au, Cu)" in str(error.value)
    assert "validate.hull.crystals[2]: validate.hull.crystals[2].species: rocksalt has 2" in str(error.value)


def test_the_method_itself_passes_with_equal_numbers_on_both_sides(crystals):
    checks, evidence = compare(crystals, EMT())
    assert all(check.passed for check in checks)
    assert [check.name for check in checks] == [
        "formation energy of AuCu cesiumchloride",
        "crystals that are stable on one side alone",
    ]
    row = evidence["phases"][0]
    assert row["formation_potential_mev_per_atom"] == pytest.approx(row["formation_dft_mev_per_atom"], abs=1e-9)
    assert [item["formation_dft_mev_per_atom"] for item in evidence["phases"][1:]] == pytest.approx([0, 0], abs=1e-9)
    assert evidence["elements"] == ["Au", "Cu"]
    assert evidence["by_family"][0]["formation_rmse_mev_per_atom"] == pytest.approx(0, abs=1e-6)


def test_formation_energy_is_that_of_the_minima(crystals):
    """The energies at the minima, found by a scan of volumes that knows nothing of the equation of state."""
    lowest = {}
    for crystal in crystals:
        parent = from_plain(crystal["cell"])
        energies = []
        for scale in np.linspace(0.97, 1.03, 2001):
            cell = parent.copy()
            cell.set_cell(parent.cell.array * scale, scale_atoms=True)
            cell.calc = EMT()
            energies.append(cell.get_potential_energy() / len(cell))
        lowest[crystal["name"]] = min(energies)
    expected = lowest["AuCu cesiumchloride"] - (lowest["Cu fcc"] + lowest["Au fcc"]) / 2
    _, evidence = compare(crystals, EMT())
    assert evidence["phases"][0]["formation_dft_mev_per_atom"] == pytest.approx(1e3 * expected, abs=0.2)


def test_another_zero_of_an_element_changes_no_formation_energy(crystals):
    checks, evidence = compare(crystals, Shifted(element=3.7))
    assert all(check.passed for check in checks)
    assert evidence["by_family"][0]["formation_rmse_mev_per_atom"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("shift", "passes"), [(0.009, True), (0.011, False)])
def test_a_wrong_compound_fails_at_its_tolerance(crystals, shift, passes):
    checks, evidence = compare(crystals, Shifted(compound=shift))
    assert checks[0].deviation == pytest.approx(1e3 * shift, abs=1e-6)
    assert checks[0].passed is passes
    assert evidence["by_family"][0]["formation_rmse_mev_per_atom"] == pytest.approx(1e3 * shift / np.sqrt(3), abs=1e-6)


def test_a_compound_that_is_stable_on_one_side_alone_is_found(crystals):
    formation = compare(crystals, EMT())[1]["phases"][0]["formation_dft_mev_per_atom"]
    checks, _ = compare(crystals, Shifted(compound=-2e-3 * formation))
    assert checks[-1].value == 1
    assert checks[-1].passed is False


def test_a_potential_without_a_minimum_fails_and_the_others_keep_their_values(crystals):
    checks, evidence = compare(crystals, Shifted(flat=True))
    assert [check.passed for check in checks] == [False, evidence["phases"][0]["above_hull_dft_mev_per_atom"] > 0]
    assert evidence["phases"][0]["formation_potential_mev_per_atom"] is None
    assert evidence["phases"][1]["formation_potential_mev_per_atom"] == pytest.approx(0, abs=1e-9)


def test_energies_or_labels_of_other_settings_are_refused(crystals):
    with pytest.raises(DataError, match="different settings"):
        compare(crystals, EMT(), reference=reference(crystals, ("dft-1", "dft-2", "dft-1")))
    with pytest.raises(DataError, match="different settings"):
        compare(crystals, EMT(), frames=labelled(crystals, "dft-3"))


def test_a_reference_without_a_minimum_names_the_crystal(crystals):
    cells = volume_cells(from_plain(crystals[1]["cell"]), 7, 0.03)
    with pytest.raises(DataError, match=r"crystal Cu fcc: .*no minimum.*its `lattice_constant_ang`"):
        relaxed(crystals[1], cells, np.arange(7.0), "dft-1")


def test_two_crystals_of_one_element_are_compared_too():
    rows = [
        {
            "name": name,
            "formula": formula,
            "elemental": True,
            "formation_dft_mev_per_atom": dft,
            "formation_potential_mev_per_atom": potential,
            "above_hull_dft_mev_per_atom": dft,
            "above_hull_potential_mev_per_atom": potential,
        }
        for name, formula, dft, potential in (("a", "Cu", 0.0, 20.0), ("b", "Cu", 30.0, 0.0), ("c", "Au", 0.0, 0.0))
    ]
    checks = phase_checks(rows, SETTINGS.tolerances)
    assert [check.passed for check in checks] == [False, False, False]
    assert [check.deviation for check in checks] == pytest.approx([20, 30, 2])
