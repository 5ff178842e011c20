"""Convergence on made-up labels whose errors are known."""

import numpy as np
import pytest
from ase.build import bulk

from pesforge.dft.convergence import (
    combine,
    convergence_cells,
    convergence_evidence,
    distinct_spacings,
    held_settings,
    scan_parameter,
    scanned_parameters,
)
from pesforge.dft.label import Label
from pesforge.dft.scan import Scan, change, scan
from pesforge.dft.settings import ReferenceSettings
from pesforge.errors import ConvergenceError, DataError, LabelError
from pesforge.fields import EV_PER_ANG3_IN_GPA
from pesforge.settings import Converge, ConvergenceTargets, Dft

TARGETS = ConvergenceTargets()
CELLS = ("displaced", "stretched", "compressed")


def label(energy=0.0, force=0.0, stress_gpa=0.0):
    forces = np.zeros((2, 3))
    forces[1, 2] = force
    stress = np.zeros(6)
    stress[4] = stress_gpa / EV_PER_ANG3_IN_GPA
    return Label(energy, forces, stress)


def series(**quantities):
    """Labels of the displaced cell follow the given series; the other cells are exact. Returns also a log of calls."""
    calls = []

    def evaluate(value, name):
        calls.append((value, name))
        index = int(value)
        chosen = {key: numbers[index] for key, numbers in quantities.items()} if name == "displaced" else {}
        return label(**chosen)

    return evaluate, calls


def run(**quantities):
    count = len(next(iter(quantities.values())))
    evaluate, calls = series(**quantities)
    return scan("cutoff_ev", tuple(range(count)), evaluate, cells=CELLS, targets=TARGETS), calls


@pytest.mark.parametrize(
    ("quantity", "numbers"),
    [
        ("energy", [0.05, 0.02, 0.0025, 0.0015, 0.0009, 0.0]),  # eV per cell of 2 atoms: 2 meV is the target
        ("force", [0.1, 0.06, 0.03, 0.012, 0.015, 0.0]),
        ("stress_gpa", [1.0, 0.5, 0.3, 0.22, 0.25, 0.0]),
    ],
)
def test_the_loosest_converged_value_is_chosen_and_nothing_beyond_is_computed(quantity, numbers):
    found, calls = run(**{quantity: numbers})
    assert found.chosen == 2
    assert found.values == (0, 1, 2, 3, 4)
    assert {value for value, _ in calls} == {0, 1, 2, 3, 4}
    assert len(calls) == 15


def test_the_residual_is_the_largest_change_beyond_the_chosen_value():
    found, _ = run(force=[0.1, 0.03, 0.02, 0.012, 0.0])
    assert found.chosen == 1
    assert found.residuals.force_ev_per_ang == pytest.approx(0.018)
    rows = [row["force_change_ev_per_ang"] for row in found.rows]
    assert rows[:3] == pytest.approx([0.07, 0.01, 0.008])
    assert rows[3] is None
    assert len(found.table) == 4 * 3
    assert Scan.from_dict(found.to_dict()) == found


def test_one_agreeing_pair_is_not_enough():
    found, _ = run(force=[0.1, 0.1, 0.0, 0.05, 0.001, 0.0, 0.002])
    assert found.chosen == 4


@pytest.mark.parametrize("kind", ["energy", "force", "stress_gpa"])
def test_oscillation_and_slow_drift_are_refused(kind):
    unit = {"energy": 0.002, "force": 0.02, "stress_gpa": 0.1}[kind]
    with pytest.raises(ConvergenceError):
        run(**{kind: [10 * unit, 0, 10 * unit, 0, 10 * unit]})
    with pytest.raises(ConvergenceError):
        run(**{kind: [3.6 * unit, 2.7 * unit, 1.8 * unit, 0.9 * unit, 0.0]})


def test_the_error_names_parameter_grid_residuals_targets_and_remedy():
    with pytest.raises(ConvergenceError) as caught:
        run(force=[0.4, 0.3, 0.2, 0.1])
    text = str(caught.value)
    for part in ("converge.cutoff_ev", "0, 1, 2, 3 eV", "forces 0.2 eV/Å (target 0.02, missed)", "Add tighter values"):
        assert part in text
    assert "stress 0 GPa (target 0.1)" in text
    with pytest.raises(ConvergenceError, match="at least 3"):
        run(force=[0.0, 0.0])


def test_a_constant_energy_offset_is_no_error_but_a_difference_between_cells_is():
    before = {name: label(energy=-10.0) for name in CELLS}
    shifted = {name: label(energy=-9.0) for name in CELLS}
    assert change(before, shifted).energy_mev_per_atom == 0
    bent = shifted | {"stretched": label(energy=-9.004)}
    assert change(before, bent).energy_mev_per_atom == pytest.approx(2.0)


def test_not_a_number_is_never_converged():
    with pytest.raises(ConvergenceError):
        run(force=[np.nan] * 4)


def test_cells_have_no_vanishing_quantity_and_leave_the_parent_alone():
    parent = bulk("Si", cubic=True, a=5.47)
    before = parent.positions.copy()
    cells = convergence_cells(parent, Converge())
    assert tuple(cells) == CELLS
    assert (parent.positions == before).all()
    assert np.linalg.norm(cells["displaced"].positions - before, axis=1).max() == pytest.approx(0.2, abs=1e-7)
    assert cells["stretched"].get_volume() == pytest.approx(1.03 * parent.get_volume())
    assert cells["compressed"].get_volume() == pytest.approx(0.97**3 * parent.get_volume())
    for cell in cells.values():
        assert (cell.info["reference_cell"] == parent.cell.array).all()


def test_spacings_that_give_the_same_mesh_count_once():
    settings = held_settings("k_spacing_per_ang", Dft(), Converge())
    parent = bulk("Si", cubic=True, a=5.47)  # |b| = 1.1487 1/Å
    assert distinct_spacings((0.6, 0.59, 0.58, 0.4, 0.39, 0.3), parent, settings) == (0.6, 0.4, 0.3)
    converge = Converge(k_spacing_per_ang=(0.6, 0.59, 0.58))
    with pytest.raises(ConvergenceError, match="at least 3"):
        scan_parameter(
            "k_spacing_per_ang", parent, dft=Dft(), converge=converge, calculate=lambda atoms, settings: label()
        )


def test_every_parameter_is_scanned_with_the_others_held_and_the_choice_combined():
    converge = Converge(smearing_ev=(0.4, 0.2, 0.1, 0.05))
    dft = Dft(smearing_ev=0.7)
    seen = []

    def calculate(atoms, settings):
        seen.append(settings)
        errors = {
            "cutoff_ev": 300 / settings.cutoff_ev**2,
            "k": 0.1 * settings.k_spacing_per_ang**3,
            "tolerance": settings.scf_tolerance,
            "width": settings.smearing_ev**2 * 0.01,
        }
        return label(force=sum(errors.values()))

    scans = {
        name: scan_parameter(name, bulk("Si", cubic=True), dft=dft, converge=converge, calculate=calculate)
        for name in scanned_parameters(converge)
    }
    assert set(scans) == {"cutoff_ev", "k_spacing_per_ang", "scf_tolerance", "smearing_ev"}
    settings = combine(scans, dft)
    loosest = (converge.cutoff_ev[0], converge.k_spacing_per_ang[0], converge.scf_tolerance[0])
    assert settings == ReferenceSettings("gpaw", "PBE", False, 0.0, *loosest, 0.4)
    assert {item.smearing_ev for item in seen if item.k_spacing_per_ang == 0.3} == {0.2}
    assert len({item.scf_tolerance for item in seen}) == 3
    evidence = convergence_evidence(settings, scans, converge.targets)
    assert [item["parameter"] for item in evidence["scans"]][-1] == "k_spacing_per_ang"
    assert combine({name: item for name, item in scans.items() if name != "smearing_ev"}, dft).smearing_ev == 0.7
    with pytest.raises(DataError, match="cutoff_ev"):
        combine({}, dft)


def test_a_failed_calculation_names_the_value_and_the_cell():
    def calculate(atoms, settings):
        raise LabelError("scf", "no SCF.")

    with pytest.raises(LabelError, match=r"converge\.cutoff_ev at 200, displaced cell: no SCF") as caught:
        scan_parameter("cutoff_ev", bulk("Si"), dft=Dft(), converge=Converge(), calculate=calculate)
    assert caught.value.reason == "scf"
