"""Equation of state: the fit gives back what the equation was made from."""

import numpy as np
import pytest
from ase.calculators.emt import EMT
from crystals import copper, evaluate
from pymatgen.analysis.eos import BirchMurnaghan

from pesforge.errors import DataError
from pesforge.fields import EV_PER_ANG3_IN_GPA
from pesforge.validation.eos import fit_eos, volume_cells


def birch_murnaghan(volume, energy, v0, b0, b1):
    eta = (v0 / volume) ** (2 / 3) - 1
    return energy + 9 * v0 * b0 / 16 * (eta**3 * b1 + eta**2 * (6 - 4 * (v0 / volume) ** (2 / 3)))


def test_the_parameters_of_a_made_up_crystal_come_back():
    parent = copper()
    volumes = np.array([cell.get_volume() for cell in volume_cells(parent, 7, 0.05)])
    v0 = 1.02 * parent.get_volume()
    energies = birch_murnaghan(volumes, -14.0, v0, 140 / EV_PER_ANG3_IN_GPA, 5.3)
    fit = fit_eos(parent, volumes, energies)
    assert fit.lattice_scale == pytest.approx(1.02 ** (1 / 3), rel=1e-8)
    assert fit.volume_ang3_per_atom == pytest.approx(v0 / 4, rel=1e-8)
    assert fit.energy_ev_per_atom == pytest.approx(-3.5, abs=1e-9)
    assert fit.bulk_modulus_gpa == pytest.approx(140, rel=1e-6)
    assert fit.bulk_modulus_derivative == pytest.approx(5.3, rel=1e-5)
    assert fit.residual_mev_per_atom < 1e-6
    noisy = fit_eos(parent, volumes, energies + 0.004 * np.array([1, -1, 1, -1, 1, -1, 1]))
    assert 0.1 < noisy.residual_mev_per_atom < 1.0
    assert list(fit.to_dict())[:2] == ["lattice_scale", "volume_ang3_per_atom"]


def test_the_fit_equals_pymatgen_on_a_real_potential():
    cells = volume_cells(copper(), 9, 0.04)
    volumes = [cell.get_volume() for cell in cells]
    energies = [evaluate(cell, EMT)[0] for cell in cells]
    fit = fit_eos(copper(), volumes, energies)
    other = BirchMurnaghan(volumes, energies)
    other.fit()
    assert fit.volume_ang3_per_atom == pytest.approx(other.v0 / 4, rel=1e-5)
    assert fit.bulk_modulus_gpa == pytest.approx(other.b0_GPa, rel=1e-3)
    assert fit.bulk_modulus_derivative == pytest.approx(other.b1, rel=1e-2)


def test_a_minimum_outside_the_range_and_few_points_are_refused():
    volumes = np.linspace(40, 44, 7)
    with pytest.raises(DataError, match="no minimum between"):
        fit_eos(copper(), volumes, birch_murnaghan(volumes, 0.0, 47.0, 0.9, 5.0))
    with pytest.raises(DataError, match="at least 5"):
        fit_eos(copper(), volumes[:4], volumes[:4])


def test_cells_span_the_range_and_keep_the_reference_cell():
    parent = copper()
    cells = volume_cells(parent, 5, 0.02)
    assert [cell.cell[0, 0] / parent.cell[0, 0] for cell in cells] == pytest.approx([0.98, 0.99, 1.0, 1.01, 1.02])
    for cell in cells:
        assert cell.get_scaled_positions() == pytest.approx(parent.get_scaled_positions(), abs=1e-7)
        assert (cell.info["reference_cell"] == parent.cell.array).all()
