"""Names and axes of elastic constants against brute force over the operations of point groups, and hcp by hand."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from ase.spacegroup import crystal as crystal_of
from crystals import evaluate

from pesforge.fields import EV_PER_ANG3_IN_GPA
from pesforge.validation.elastic import elastic_tensor, residual_stress, strained_cells
from pesforge.validation.elastic_constants import named_constants, rotated_tensor, standard_axes
from pesforge.validation.phonon import displacements, force_constants
from pesforge.validation.spacegroup import operations

CELLS = {
    "cubic": [5, 5, 5, 90, 90, 90],
    "hexagonal": [4, 4, 7, 90, 90, 120],
    "trigonal": [4, 4, 7, 90, 90, 120],
    "tetragonal": [4, 4, 6, 90, 90, 90],
    "orthorhombic": [4, 5, 6, 90, 90, 90],
    "monoclinic": [4, 5, 6, 90, 103, 90],
    "triclinic": [4, 5, 6, 83, 97, 105],
}
# Space groups of all Laue classes; of 32 and 3m both settings of the twofold axes.
GROUPS = {
    "cubic": (198, 200, 215),
    "hexagonal": (173, 194),
    "trigonal": (144, 148, 149, 150, 152, 156, 157, 164, 166),
    "tetragonal": (75, 82, 123, 111, 115),
    "orthorhombic": (19, 62),
    "monoclinic": (4, 14),
    "triclinic": (1, 2),
}


def general(number, system):
    """A crystal with a general position, so that it has no symmetry beyond its group's."""
    return crystal_of(
        ["Si", "C"],
        [(0.13, 0.21, 0.34), (0.41, 0.07, 0.18)],
        spacegroup=number,
        cellpar=CELLS[system],
        onduplicates="keep",
    )


def invariant_tensors(crystal, axes):
    """An orthonormal basis of all elastic tensors that the point group leaves as they are, in standard axes."""
    turns = axes.rotation @ operations(crystal).rotations @ axes.rotation.T
    turns = np.unique(np.round(turns, 6), axis=0)
    found = []
    for row in range(6):
        for column in range(row, 6):
            unit = np.zeros((6, 6))
            unit[row, column] = unit[column, row] = 1
            found.append(np.mean([rotated_tensor(unit, turn) for turn in turns], axis=0).ravel())
    values, vectors = np.linalg.eigh(np.array(found).T @ np.array(found))
    return vectors[:, values > 1e-8].T.reshape(-1, 6, 6)


@pytest.mark.parametrize(("system", "number"), [(system, n) for system, numbers in GROUPS.items() for n in numbers])
def test_the_named_constants_determine_the_tensor_and_no_other_is_needed(system, number):
    crystal = general(number, system)
    rng = np.random.default_rng(number)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.linalg.det(turn)
    crystal.set_cell(crystal.cell.array @ turn.T, scale_atoms=True)
    axes = standard_axes(crystal)
    assert axes.system == system
    basis = invariant_tensors(crystal, axes)
    entries = [(int(name[1]) - 1, int(name[2]) - 1) for name in axes.names]
    seen = np.array([[tensor[entry] for entry in entries] for tensor in basis])
    assert len(axes.names) == len(basis)
    assert np.linalg.svd(seen, compute_uv=False).min() > 0.05


def test_hexagonal_constants_in_any_orientation_equal_energies_by_hand():
    """C33 and C11 + C12 from the curvature of the energy, C13 from two strains at once; strain moves no ions here."""
    minimum = bulk("Cu", "hcp", a=2.55, c=4.2)
    minimum.calc = EMT()
    BFGS(FrechetCellFilter(minimum), logfile=None).run(fmax=1e-5)
    parent = minimum.copy()
    phi = force_constants(parent, frames := displacements(parent, 1e-3), [evaluate(it, EMT)[1] for it in frames])
    cells = strained_cells(parent, 2e-3)
    _, forces, stresses = zip(*(evaluate(cell, EMT) for cell in cells), strict=True)
    tensor = elastic_tensor(parent, cells, stresses=stresses, forces=forces, phi=phi)
    found = named_constants(tensor, parent)
    assert list(found) == ["C11", "C12", "C13", "C33", "C44"]

    def energy(first, third):
        cell = parent.copy()
        cell.set_cell(parent.cell.array @ np.diag([1 + first, 1 + first, 1 + third]), scale_atoms=True)
        return evaluate(cell, EMT)[0]

    step, volume = 2e-3, parent.get_volume()
    gpa = EV_PER_ANG3_IN_GPA / volume / step**2
    middle = energy(0, 0)
    along = (energy(0, step) + energy(0, -step) - 2 * middle) * gpa
    both = (energy(step, step) + energy(-step, -step) - energy(step, -step) - energy(-step, step)) / 4 * gpa
    plane = (energy(step, 0) + energy(-step, 0) - 2 * middle) * gpa
    assert found["C33"] == pytest.approx(along, rel=1e-3)
    assert 2 * found["C13"] == pytest.approx(both, rel=1e-3)
    assert 2 * (found["C11"] + found["C12"]) == pytest.approx(plane, rel=1e-3)
    assert np.abs(residual_stress(parent, cells, stresses)).max() < 5e-5, "second order in the strain"
    turned = parent.copy()
    turned.rotate(37, (1, 2, 3), rotate_cell=True)
    rotation = np.linalg.solve(parent.cell.array, turned.cell.array).T
    again = named_constants(rotated_tensor(tensor, rotation), turned)
    assert again == pytest.approx(found, rel=1e-6)


def test_a_rotation_of_the_tensor_is_that_of_strain_energies():
    rng = np.random.default_rng(3)
    tensor = rng.normal(size=(6, 6))
    tensor = tensor + tensor.T
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    strain = rng.normal(size=(3, 3))
    strain = strain + strain.T

    def energy(matrix, c):
        vector = np.array(
            [matrix[0, 0], matrix[1, 1], matrix[2, 2], *(2 * matrix[i, j] for i, j in ((1, 2), (0, 2), (0, 1)))]
        )
        return vector @ c @ vector

    assert energy(turn @ strain @ turn.T, rotated_tensor(tensor, turn)) == pytest.approx(energy(strain, tensor))
