"""Recorded labels of aluminium, a metal whose energies swing with the mesh, decide the scans as they should."""

import numpy as np
import pytest

from pesforge.dft.label import Label
from pesforge.dft.scan import scan
from pesforge.errors import ConvergenceError
from pesforge.fields import EV_PER_ANG3_IN_GPA
from pesforge.settings import ConvergenceTargets

CELLS = ("displaced", "stretched", "compressed")
SHAPES = ("parent", "primitive", "block (1 1 1)")
SPACINGS = (0.389, 0.312, 0.26, 0.223, 0.195, 0.173)
# Aluminium, 4 atoms, a = 4.04 Å, GPAW, PBE, 200 eV, Fermi-Dirac 0.2 eV, Γ-centred meshes 4³ to 9³ of the cubic cell.
# Energies per atom above −3.76 eV in meV: the three cells, then parent, primitive cell, (111) block of 3 planes.
ENERGIES = (
    (22.56, 5.38, 40.11, 1.05, -40.51, -16.59),
    (11.97, -5.82, 30.51, -8.86, 21.20, 4.78),
    (5.56, -11.09, 22.46, -17.77, -6.63, 0.81),
    (21.05, 2.79, 38.99, -1.33, 1.65, -4.40),
    (20.56, 1.37, 38.73, -2.30, 3.45, 0.29),
    (24.43, 4.47, 42.31, 1.72, -2.39, -0.73),
)
# Force on the displaced atom along x in eV/Å, σ_xx of the stretched cell in GPa.
FORCES = (-0.5169, -0.4990, -0.5543, -0.5344, -0.5453, -0.5421)
STRESSES = (3.385, 2.560, 4.518, 2.852, 2.689, 2.120)


def aluminium(value, name):
    """The recorded label of a cell."""
    index = SPACINGS.index(value)
    energy = dict(zip((*CELLS, *SHAPES), ENERGIES[index], strict=True))[name]
    forces, stress = np.zeros((4, 3)), np.zeros(6)
    forces[0] = FORCES[index] if name == "displaced" else 0.0
    stress[0] = STRESSES[index] / EV_PER_ANG3_IN_GPA if name == "stretched" else 0.0
    return Label(4 * (energy / 1e3 - 3.76), forces, stress)


def recorded(targets, shapes=()):
    return scan("k_spacing_per_ang", SPACINGS, aluminium, cells=CELLS, targets=targets, shapes=shapes)


def test_cells_of_the_parents_shape_accept_a_mesh_of_aluminium_that_other_shapes_refuse():
    targets = ConvergenceTargets(energy_mev_per_atom=2.0, force_ev_per_ang=0.02, stress_gpa=0.8)
    assert recorded(targets).chosen == 0.223
    with pytest.raises(ConvergenceError) as caught:
        recorded(targets, SHAPES)
    text = str(caught.value)
    assert "the perfect crystal in cells of different shape, at 0.223, 2.98 meV/atom (target 2, missed)" in text


def test_energies_that_agree_by_chance_do_not_hide_forces_that_do_not():
    """Energy differences change by 1.6, 1.2 and 2.8 meV/atom among 4³, 5³ and 6³, forces by up to 0.055 eV/Å."""
    loose = ConvergenceTargets(energy_mev_per_atom=3.0, force_ev_per_ang=0.02, stress_gpa=2.0)
    assert recorded(loose).chosen == 0.223
    blind = ConvergenceTargets(energy_mev_per_atom=3.0, force_ev_per_ang=1.0, stress_gpa=10.0)
    assert recorded(blind).chosen == 0.389


WIDTHS = (0.4, 0.3, 0.2, 0.1)
# The same aluminium on the mesh 7³: free energies as above, force on the displaced atom, σ_xx of the compressed cell.
FREE_ENERGIES = {
    "displaced": (-58.25, -12.28, 21.05, 42.25),
    "stretched": (-78.41, -31.31, 2.79, 24.06),
    "compressed": (-35.56, 7.66, 38.99, 58.52),
}
WIDTH_FORCES = (-0.5379, -0.5364, -0.5344, -0.5346)
WIDTH_STRESSES = (-9.824, -9.502, -9.244, -8.970)


def smeared(value, name):
    """The recorded label of a cell at a width."""
    index = WIDTHS.index(value)
    forces, stress = np.zeros((4, 3)), np.zeros(6)
    forces[0] = WIDTH_FORCES[index] if name == "displaced" else 0.0
    stress[:3] = WIDTH_STRESSES[index] / EV_PER_ANG3_IN_GPA if name == "compressed" else 0.0
    return Label(4 * (FREE_ENERGIES[name][index] / 1e3 - 3.76), forces, stress)


def test_the_scan_of_the_width_sees_what_is_left_of_the_entropy_between_cells():
    """The entropy itself, 100 meV/atom between these widths, is common to the cells; 8 meV/atom are not."""
    targets = ConvergenceTargets(energy_mev_per_atom=5.0, force_ev_per_ang=0.02, stress_gpa=0.8)
    found = scan("smearing_ev", WIDTHS, smeared, cells=CELLS, targets=targets)
    assert found.chosen == 0.3
    assert found.residuals.energy_mev_per_atom == pytest.approx(4.5, abs=0.1)
    with pytest.raises(
        ConvergenceError, match=r"converge\.smearing_ev .* energy differences 4\.51 meV/atom \(target 1"
    ):
        scan("smearing_ev", WIDTHS, smeared, cells=CELLS, targets=ConvergenceTargets())


def test_the_recorded_free_energies_fall_with_the_square_of_the_width():
    """−(π²/6) g σ² (Sommerfeld), with g of some 0.4 states per eV and atom; the mesh leaves a few per cent."""
    for energies in FREE_ENERGIES.values():
        slopes = np.diff(energies) / -np.diff(np.square(WIDTHS)) / (np.pi**2 / 6) / 1e3
        assert slopes == pytest.approx(0.40, abs=0.04)
