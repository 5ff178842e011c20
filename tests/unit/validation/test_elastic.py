"""Elastic constants against the energy of cells whose atoms were relaxed by hand."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.morse import MorsePotential
from ase.optimize import BFGS
from crystals import CASES, copper, evaluate, silicon, tersoff, triclinic

from pesforge.errors import DataError
from pesforge.fields import EV_PER_ANG3_IN_GPA
from pesforge.validation.elastic import elastic_tensor, strained_cells
from pesforge.validation.phonon import displacements, force_constants


def tensor_of(parent, make, amplitude=2e-3):
    frames = displacements(parent, 1e-3)
    phi = force_constants(parent, frames, [evaluate(frame, make)[1] for frame in frames])
    cells = strained_cells(parent, amplitude)
    _, forces, stresses = zip(*(evaluate(cell, make) for cell in cells), strict=True)
    return elastic_tensor(parent, cells, stresses=stresses, forces=forces, phi=phi)


def relaxed(parent, make):
    work = parent.copy()
    work.calc = make()
    BFGS(work, logfile=None).run(fmax=1e-6, steps=300)
    return work


def by_hand(parent, make, step=1e-3):
    """∂σ/∂η by central differences, the atoms relaxed in every strained cell."""
    tensor = np.empty((6, 6))
    for column in range(6):
        stresses = []
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            row, other = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))[column]
            strain[row, other] = strain[other, row] = sign * step / (1 if row == other else 2)
            cell = parent.copy()
            cell.set_cell(parent.cell.array @ (np.eye(3) + strain), scale_atoms=True)
            stresses.append(relaxed(cell, make).get_stress())
        tensor[:, column] = (stresses[0] - stresses[1]) / (2 * step)
    return (tensor + tensor.T) / 2


@pytest.mark.parametrize("name", ["copper", "silicon", "tetragonal", "triclinic"])
def test_the_tensor_equals_relaxed_differences(name):
    parent, make = CASES[name]
    minimum = relaxed(parent(), make)
    minimum.calc = None
    expected = by_hand(minimum, make)
    found = tensor_of(minimum, make)
    assert np.abs(found - expected).max() < 4e-3 * np.abs(expected).max()
    assert np.abs(found - found.T).max() < 1e-12


def test_silicon_has_the_published_constants_and_internal_strain():
    parent = silicon()
    parent.set_cell(np.eye(3) * 5.432, scale_atoms=True)
    gpa = tensor_of(parent, tersoff) * EV_PER_ANG3_IN_GPA
    # Balamane, Halicioglu and Tiller, Phys. Rev. B 46, 2250 (1992), potential T2
    assert gpa[0, 0] == pytest.approx(121.7, abs=0.5)
    assert gpa[0, 1] == pytest.approx(85.8, abs=0.5)
    assert gpa[3, 3] == pytest.approx(10.3, abs=0.5)
    assert gpa[4, 4] == pytest.approx(gpa[3, 3])
    assert abs(gpa[0, 3]) < 1e-6
    cells = strained_cells(parent, 2e-3)
    stresses = [evaluate(cell, tersoff)[2] for cell in cells]
    clamped = elastic_tensor(parent, cells, stresses=stresses, forces=[np.zeros((8, 3))] * 3, phi=np.eye(24))
    assert clamped[3, 3] * EV_PER_ANG3_IN_GPA == pytest.approx(92.3, abs=0.5)


def test_cells_are_few_symmetric_and_complete():
    assert len(strained_cells(silicon(), 0.01)) == 3
    assert len(strained_cells(copper(), 0.01)) == 3
    assert len(strained_cells(triclinic(), 0.01)) == 12
    cell = strained_cells(silicon(), 0.01)[0]
    strain = np.linalg.inv(silicon().cell.array) @ cell.cell.array - np.eye(3)
    assert np.abs(strain - np.diag([0.01, 0, 0])).max() < 1e-12
    assert cell.info["reference_cell"] == pytest.approx(silicon().cell.array)


def test_the_pair_potential_of_a_bravais_crystal_obeys_cauchy():
    """With central forces C₁₂ = C₄₄ at zero pressure; EMT's embedding breaks it. Checks order and factors of shear."""

    def morse():
        return MorsePotential(epsilon=0.4, rho0=4.5, r0=2.7, rcut1=4.0, rcut2=4.8)

    parent = bulk("Cu", a=3.6)
    scales = np.linspace(0.92, 1.08, 33)
    energies = []
    for scale in scales:
        cell = parent.copy()
        cell.set_cell(parent.cell.array * scale, scale_atoms=True)
        energies.append(evaluate(cell, morse)[0])
    near = np.argsort(energies)[:5]
    coefficients = np.polyfit(scales[near], np.array(energies)[near], 2)
    parent.set_cell(parent.cell.array * (-coefficients[1] / (2 * coefficients[0])), scale_atoms=True)
    pair, embedded = tensor_of(parent, morse), tensor_of(copper(), EMT)
    assert pair[0, 1] == pytest.approx(pair[3, 3], rel=0.01)
    assert embedded[0, 1] > 1.2 * embedded[3, 3]


def test_incomplete_or_rotated_cells_are_refused():
    parent = copper()
    cells = strained_cells(parent, 0.01)
    phi, forces, stress = np.eye(12), np.zeros((4, 3)), np.zeros(6)
    with pytest.raises(DataError, match="do not determine"):
        elastic_tensor(parent, cells[:2], stresses=[stress] * 2, forces=[forces] * 2, phi=phi)
    turned = parent.copy()
    turned.rotate(1, "z", rotate_cell=True)
    with pytest.raises(DataError, match="rotated"):
        elastic_tensor(parent, [turned], stresses=[stress], forces=[forces], phi=phi)
