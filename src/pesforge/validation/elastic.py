"""Elastic constants from the stress of strained cells, with the relaxation of the atoms by linear response."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.fields import REFERENCE_CELL
from pesforge.validation.spacegroup import FloatArray, operations, span_rank

DECIMALS = 8
SAME = 1e-8
RELATIVE_ZERO = 1e-6
"""Modes of Φ below this share of the stiffest are rigid shifts: they never relax."""
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def strained_cells(parent: Atoms, amplitude: float) -> list[Atoms]:
    """Strained cells, atoms moved affinely, as few as determine the elastic tensor; `strain` and `reference_cell` set.

    The images of the chosen strains under the point group span all strains; each is also applied with the opposite
    sign unless symmetry does that. Diamond and other cubic crystals need ±e_xx and e_yz.

    Args:
        parent: periodic crystal.
        amplitude: strain ε_xx of a longitudinal cell; ε_yz of a shear cell is half of it.
    """
    rotations = operations(parent).rotations
    candidates = [_tensor(row) for row in np.eye(6)]
    covered = np.empty((0, 6))
    strains = []
    while span_rank(covered) < 6:
        images = [_voigt(rotations @ tensor @ rotations.transpose(0, 2, 1)) for tensor in candidates]
        gains = [span_rank(np.vstack([covered, image])) - span_rank(covered) for image in images]
        best = int(np.argmax(gains))
        backwards = bool((np.abs(images[best] + _voigt(candidates[best])).max(axis=1) < SAME).any())
        strains += [candidates[best]] if backwards else [candidates[best], -candidates[best]]
        covered = np.vstack([covered, images[best]])
    return [_strained(parent, amplitude * strain) for strain in strains]


def _strained(parent: Atoms, strain: FloatArray) -> Atoms:
    cell = parent.copy()
    cell.set_cell(parent.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    cell.positions = np.round(cell.positions, DECIMALS)
    cell.info = {
        REFERENCE_CELL: parent.cell.array.copy(),
        "strain": np.array([strain[row, column] for row, column in VOIGT]),
    }
    return cell


def elastic_tensor(
    parent: Atoms,
    frames: Sequence[Atoms],
    *,
    stresses: Sequence[FloatArray],
    forces: Sequence[FloatArray],
    phi: FloatArray,
) -> FloatArray:
    """Elastic tensor in eV/Å³, (6, 6), Voigt order with engineering shear, symmetric, atoms relaxed.

    C = C₀ − Λᵀ Φ⁺ Λ / V, with the clamped C₀ = ∂σ/∂η, Λ = −∂F/∂η and the rigid shifts left out of Φ⁺ (Wu, Vanderbilt
    and Hamann, Phys. Rev. B 72, 035105 (2005)). The derivatives are least squares over all symmetry images of
    ±strains, so that constants and even orders drop out. At a finite stress σ₀ of the parent the result differs from
    other definitions by terms of the size of σ₀.

    Args:
        parent: periodic crystal.
        frames: cells of `strained_cells`.
        stresses: (6,) of each in eV/Å³, ASE's sign and order.
        forces: (n, 3) of each in eV/Å.
        phi: (3n, 3n) force constants of the parent in eV/Å².

    Raises:
        DataError: the frames do not determine the tensor.
    """
    design, sigma, responses, scale = _images(parent, frames, stresses, forces)
    clamped = np.linalg.lstsq(design, sigma, rcond=None)[0][1:] / scale
    coupling = -np.linalg.lstsq(design, responses, rcond=None)[0][1:].T / scale
    softening = coupling.T @ np.linalg.pinv(phi, rcond=RELATIVE_ZERO, hermitian=True) @ coupling / parent.get_volume()
    tensor = clamped - softening
    return (tensor + tensor.T) / 2


def residual_stress(parent: Atoms, frames: Sequence[Atoms], stresses: Sequence[FloatArray]) -> FloatArray:
    """Stress (6,) of the parent without strain in eV/Å³, from those of its strained cells: what they share.

    Args:
        parent: periodic crystal.
        frames: cells of `strained_cells`.
        stresses: (6,) of each in eV/Å³, ASE's sign and order.

    Raises:
        DataError: the frames do not determine it.
    """
    none = [np.zeros((len(parent), 3))] * len(frames)
    design, sigma, _, _ = _images(parent, frames, stresses, none)
    return np.asarray(np.linalg.lstsq(design, sigma, rcond=None)[0][0])


def _images(
    parent: Atoms, frames: Sequence[Atoms], stresses: Sequence[FloatArray], forces: Sequence[FloatArray]
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Design (m, 7) of a constant and scaled strains, stresses (m, 6), forces (m, 3n) of all images, and the scale."""
    symmetry = operations(parent)
    inverse = np.linalg.inv(parent.cell.array)
    rows, sigma, responses = [], [], []
    for frame, stress, force in zip(frames, stresses, forces, strict=True):
        strain = inverse @ frame.cell.array - np.eye(3)
        if np.abs(strain - strain.T).max() > SAME:
            raise DataError("a strained cell is rotated against its parent; use the cells of `strained_cells`.")
        for rotation, permutation in zip(symmetry.rotations, symmetry.permutations, strict=True):
            turned = np.empty((len(parent), 3))
            turned[permutation] = np.asarray(force) @ rotation.T
            responses.append(turned.ravel())
            rows.append(_engineering(rotation @ strain @ rotation.T))
            sigma.append(_voigt(rotation @ _matrix(stress) @ rotation.T))
    strains = np.array(rows)
    scale = float(np.abs(strains).max())
    design = np.column_stack([np.ones(len(strains)), strains / scale])
    if span_rank(design) < 7:
        raise DataError("the strained cells do not determine the elastic tensor; use those of `strained_cells`.")
    return design, np.array(sigma), np.array(responses), scale


def _tensor(engineering: FloatArray) -> FloatArray:
    """Symmetric strain tensor (3, 3) of six components with engineering shear."""
    tensor = np.zeros((3, 3))
    for value, (row, column) in zip(engineering, VOIGT, strict=True):
        tensor[row, column] = tensor[column, row] = value if row == column else value / 2
    return tensor


def _matrix(stress: FloatArray) -> FloatArray:
    """Symmetric stress tensor (3, 3) of six components."""
    return _tensor(np.asarray(stress, dtype=float) * [1, 1, 1, 2, 2, 2])


def _voigt(tensor: FloatArray) -> FloatArray:
    """Six components (…, 6) of symmetric tensors (…, 3, 3), shear not doubled."""
    return np.stack([tensor[..., row, column] for row, column in VOIGT], axis=-1)


def _engineering(strain: FloatArray) -> FloatArray:
    """Six components of a strain tensor, shear doubled."""
    return _voigt(strain) * [1, 1, 1, 2, 2, 2]
