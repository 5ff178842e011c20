"""The check of labels against finite differences, with EMT as the reference code."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from pesforge.dft.consistency import check_cells, label_checks, label_rows, pulay_stress_gpa, slopes
from pesforge.dft.label import Label
from pesforge.settings import Converge, Tolerances


def labels(force_factor=1.0, pressure=0.0, shear=0.0, push=0.0):
    """Labels of EMT with a planted defect: longer forces, a pressure, a shear stress, a force on the second atom."""

    def calculate(atoms):
        work = atoms.copy()
        work.calc = EMT()
        stress = work.get_stress()
        stress[:3] += pressure
        stress[3] += shear
        forces = force_factor * work.get_forces()
        forces[1:, 0] += push
        return Label(work.get_potential_energy(), forces, stress)

    return calculate


@pytest.fixture
def cells():
    return check_cells(bulk("Cu", "fcc", a=3.6, cubic=True), Converge())


def found(cells, **defects):
    rows = label_rows(cells, labels(**defects))
    return [check.passed for check in label_checks(rows, Tolerances())], rows


def test_conservative_labels_pass_and_no_tested_slope_vanishes(cells):
    passed, rows = found(cells)
    assert passed == [True] * 4
    assert len(rows) == 8
    for row in rows:
        assert abs(row["label"]) > 0.02, row
        assert row["deviation"] < (2e-3 if row["unit"] == "eV/Å" else 0.05), row
    assert abs(pulay_stress_gpa(rows)) < 0.02


@pytest.mark.parametrize(
    ("defect", "expected"),
    [
        ({"force_factor": 1.02}, [False, False, True, True]),
        ({"push": 0.05}, [True, False, True, True]),
        ({"pressure": 0.005}, [True, True, False, True]),
        ({"shear": 0.005}, [True, True, True, False]),
        ({"force_factor": np.nan}, [False, False, True, True]),
    ],
)
def test_every_defect_is_caught_by_the_check_that_it_concerns(cells, defect, expected):
    assert found(cells, **defect)[0] == expected


def test_a_pressure_that_is_no_slope_of_the_energy_is_the_pulay_stress(cells):
    assert pulay_stress_gpa(found(cells, pressure=0.005)[1]) == pytest.approx(0.801, abs=0.02)


def test_the_worst_cell_is_shown(cells):
    rows = label_rows(cells, labels())
    rows[4]["deviation"], rows[4]["label"], rows[4]["difference"] = 1.0, 2.0, 1.0
    along = label_checks(rows, Tolerances())[0]
    assert (along.value, along.reference, along.passed) == (2.0, 1.0, False)
    assert "stretched and displaced cell" in along.meaning


def test_a_cell_of_two_atoms_or_one_has_its_slopes():
    for parent in (bulk("Si", a=5.47), bulk("Cu", a=3.6)):
        for cell in check_cells(parent, Converge()).values():
            across = slopes(cell)[1].direction
            assert np.linalg.norm(across) == pytest.approx(1)
            assert np.abs(across @ cell.cell.array.sum(axis=0)).max() < 1e-9
