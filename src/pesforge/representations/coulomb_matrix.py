"""Sorted spectrum of the Coulomb matrix of a molecule."""

import numpy as np
from ase import Atoms
from ase.units import Bohr

from pesforge.errors import DataError
from pesforge.representations.arrays import FloatArray
from pesforge.representations.neighbours import COINCIDENT_ANG, check_structure


def coulomb_spectrum(molecule: Atoms, size: int) -> FloatArray:
    """Eigenvalues of C in Hartree, by falling absolute value, zeros behind them up to `size`.

    C_ii = Z_i^2.4 / 2 and C_ij = Z_i Z_j / |r_i − r_j|. Eigenvalues know no order of the atoms; distances no frame. A
    periodic structure has no such matrix: its sums over images do not converge, and the nearest images alone would
    depend on the cell.

    Args:
        molecule: atoms that are not periodic.
        size: length of the result, at least the number of atoms.

    Raises:
        DataError: it is periodic, larger than `size`, or has two atoms at one point.

    Source: Rupp, Tkatchenko, Müller and von Lilienfeld, Phys. Rev. Lett. 108, 058301 (2012).
    """
    check_structure(molecule)
    if molecule.pbc.any():
        raise DataError(
            f"The structure is periodic along {int(molecule.pbc.sum())} vectors, the Coulomb matrix is for molecules. "
            "Switch periodicity off, or take another representation."
        )
    n = len(molecule)
    if n > size:
        raise DataError(f"The molecule has {n} atoms, the spectrum has room for {size}: raise `size`.")
    difference = molecule.positions[:, None] - molecule.positions
    distance = np.sqrt((difference**2).sum(axis=2))
    distance[np.diag_indices(n)] = np.inf
    if distance.min() < COINCIDENT_ANG:
        worst = np.unravel_index(distance.argmin(), distance.shape)
        raise DataError(f"Atoms {worst[0]} and {worst[1]} are at the same place; drop the structure.")
    charges = molecule.numbers.astype(float)
    matrix = np.outer(charges, charges) / (distance / Bohr)
    matrix[np.diag_indices(n)] = charges**2.4 / 2
    values = np.linalg.eigvalsh(matrix)
    values = values[np.argsort(-np.abs(values), kind="stable")]
    return np.concatenate([values, np.zeros(size - n)])
