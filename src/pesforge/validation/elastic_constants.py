"""Independent elastic constants of every crystal system, in the crystal's standard axes.

The names and axes are those of Nye, Physical Properties of Crystals (1957), table 9: z along the axis of highest order,
x along a twofold axis across it where there is one; of a monoclinic crystal y along the twofold axis.
"""

from dataclasses import dataclass

import numpy as np
import spglib
from ase import Atoms

from pesforge.errors import DataError
from pesforge.fields import EV_PER_ANG3_IN_GPA
from pesforge.validation.spacegroup import SYMPREC_ANG, FloatArray, operations

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
CUBIC = ("C11", "C12", "C44")
HEXAGONAL = ("C11", "C12", "C13", "C33", "C44")
TETRAGONAL = ("C11", "C12", "C13", "C33", "C44", "C66")
ORTHORHOMBIC = ("C11", "C12", "C13", "C22", "C23", "C33", "C44", "C55", "C66")
MONOCLINIC = ("C11", "C12", "C13", "C15", "C22", "C23", "C25", "C33", "C35", "C44", "C46", "C55", "C66")
TRICLINIC = tuple(f"C{row}{column}" for row in range(1, 7) for column in range(row, 7))
SYSTEMS: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("23", "m-3", "432", "-43m", "m-3m"), ("cubic", CUBIC)),
    **dict.fromkeys(("6", "-6", "6/m", "622", "6mm", "-62m", "-6m2", "6/mmm"), ("hexagonal", HEXAGONAL)),
    **dict.fromkeys(("32", "3m", "-3m"), ("trigonal", (*HEXAGONAL[:3], "C14", *HEXAGONAL[3:]))),
    **dict.fromkeys(("3", "-3"), ("trigonal", (*HEXAGONAL[:3], "C14", "C15", *HEXAGONAL[3:]))),
    **dict.fromkeys(("422", "4mm", "-42m", "-4m2", "4/mmm"), ("tetragonal", TETRAGONAL)),
    **dict.fromkeys(("4", "-4", "4/m"), ("tetragonal", (*TETRAGONAL[:3], "C16", *TETRAGONAL[3:]))),
    **dict.fromkeys(("222", "mm2", "mmm"), ("orthorhombic", ORTHORHOMBIC)),
    **dict.fromkeys(("2", "m", "2/m"), ("monoclinic", MONOCLINIC)),
    **dict.fromkeys(("1", "-1"), ("triclinic", TRICLINIC)),
}
"""Crystal system and names of the independent constants by point group."""
PARALLEL = 1e-5


@dataclass(frozen=True)
class Axes:
    """The standard axes of a crystal.

    Args:
        system: crystal system.
        names: of the independent constants.
        rotation: (3, 3); a vector v of the crystal as it lies becomes R v in the standard axes.
    """

    system: str
    names: tuple[str, ...]
    rotation: FloatArray


def standard_axes(crystal: Atoms) -> Axes:
    """Crystal system, independent constants and standard axes of a crystal.

    Args:
        crystal: periodic in three directions, in any orientation and any cell.

    Raises:
        DataError: spglib finds no lattice.
    """
    cell = (crystal.cell.array, crystal.get_scaled_positions(wrap=False), crystal.numbers)
    found = spglib.get_symmetry_dataset(cell, symprec=SYMPREC_ANG)
    if found is None:
        raise DataError("spglib finds no lattice in the crystal; are atoms on top of each other?")
    system, names = SYSTEMS[str(found.pointgroup)]
    rotation = np.array(found.std_rotation_matrix, dtype=float)
    if system == "trigonal":
        rotation = _twofold_along_x(crystal, rotation)
    return Axes(system, names, rotation)


def _twofold_along_x(crystal: Atoms, rotation: FloatArray) -> FloatArray:
    """Axes turned about z so that a twofold axis, or the normal of a mirror plane, lies along x where there is one."""
    turns = rotation @ operations(crystal).rotations @ rotation.T
    proper = turns * np.sign(np.linalg.det(turns))[:, None, None]
    for turn in proper:
        # A twofold axis n across z: R = 2 n nᵀ − 1.
        if abs(np.trace(turn) + 1) < PARALLEL and abs(turn[2, 2] + 1) < PARALLEL:
            axis = np.linalg.eigh(turn + turn.T)[1][:, -1]
            return np.array([axis, np.cross([0.0, 0.0, 1.0], axis), [0.0, 0.0, 1.0]]) @ rotation
    return rotation


def rotated_tensor(tensor: FloatArray, rotation: FloatArray) -> FloatArray:
    """Elastic tensor (6, 6), Voigt order with engineering shear, in other axes: C'_ijkl = R_ia R_jb R_kc R_ld C_abcd.

    Args:
        tensor: (6, 6) in any unit.
        rotation: (3, 3) from the old to the new axes.
    """
    full = np.empty((3, 3, 3, 3))
    for row, (i, j) in enumerate(VOIGT):
        for column, (k, m) in enumerate(VOIGT):
            full[i, j, k, m] = full[j, i, k, m] = full[i, j, m, k] = full[j, i, m, k] = tensor[row, column]
    turned = np.einsum("ia,jb,kc,ld,abcd->ijkl", rotation, rotation, rotation, rotation, full, optimize=True)
    first, second = np.array(VOIGT).T
    return np.asarray(turned[first[:, None], second[:, None], first[None], second[None]])


def named_constants(tensor: FloatArray, crystal: Atoms) -> dict[str, float]:
    """The independent elastic constants in GPa of a crystal, in its standard axes.

    Args:
        tensor: (6, 6) in eV/Å³, in the axes in which the crystal lies.
        crystal: the crystal.
    """
    axes = standard_axes(crystal)
    gpa = rotated_tensor(tensor, axes.rotation) * EV_PER_ANG3_IN_GPA
    return {name: float(gpa[int(name[1]) - 1, int(name[2]) - 1]) for name in axes.names}
