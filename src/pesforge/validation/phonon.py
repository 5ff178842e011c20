"""Force constants at Γ of a cell from the forces on displaced atoms, by finite differences and symmetry.

The direct method of Parlinski, Li and Kawazoe, Phys. Rev. Lett. 78, 4063 (1997): Φ_ij = ∂²E/∂r_i∂r_j summed over the
periodic images of j. Nothing here knows where the forces come from.
"""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from ase.units import _amu, _e

from pesforge.errors import DataError
from pesforge.fields import REFERENCE_CELL
from pesforge.validation.spacegroup import FloatArray, Operations, operations, span_rank

THZ = float(np.sqrt(_e / _amu) * 1e10 / (2 * np.pi) * 1e-12)
"""Frequency in THz of an eigenvalue of 1 eV/(Å² u)."""
DECIMALS = 8
MOVED_ANG = 1e-5
DIRECTIONS = np.array(
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 1, -1], [1, 0, -1], [1, -1, 0], [1, 1, 1]],
    dtype=float,
)


def displacements(parent: Atoms, distance_ang: float) -> list[Atoms]:
    """Cells with one displaced atom each, as few as determine all force constants.

    One atom of every symmetry class is moved along directions whose images under the symmetry of its site span space;
    a direction is also walked backwards unless symmetry does that.

    Args:
        parent: periodic crystal.
        distance_ang: displacement in Å.
    """
    symmetry = operations(parent)
    cells = []
    for atom in np.unique(symmetry.permutations.min(axis=0)):
        site = symmetry.rotations[symmetry.permutations[:, atom] == atom]
        for step in _steps(parent, site):
            cell = parent.copy()
            cell.positions[atom] += distance_ang * step
            cell.positions = np.round(cell.positions, DECIMALS)
            cell.info = {REFERENCE_CELL: parent.cell.array.copy()}
            cells.append(cell)
    return cells


def _steps(parent: Atoms, site: FloatArray) -> list[FloatArray]:
    """Unit vectors whose images under the site's rotations, backwards included, span space."""
    lattice = DIRECTIONS @ parent.cell.array
    candidates = [vector / np.linalg.norm(vector) for vector in [*lattice, *DIRECTIONS]]
    chosen: list[FloatArray] = []
    covered = np.empty((0, 3))
    while span_rank(covered) < 3:
        scores = []
        for index, vector in enumerate(candidates):
            images = site @ vector
            gain = span_rank(np.vstack([covered, images])) - span_rank(covered)
            backwards = bool((np.abs(images + vector).max(axis=1) < MOVED_ANG).any())
            kept = int((np.abs(images - vector).max(axis=1) < MOVED_ANG).sum())
            scores.append((gain, backwards, kept, -index))
        _, backwards, _, negative = max(scores)
        best = candidates[-negative]
        chosen += [best] if backwards else [best, -best]
        covered = np.vstack([covered, site @ best])
    return chosen


def force_constants(parent: Atoms, frames: Sequence[Atoms], forces: Sequence[FloatArray]) -> FloatArray:
    """Φ in eV/Å², (3n, 3n), atom-major x, y, z; symmetric, and invariant under rigid shifts and the space group.

    Forces on the undisplaced parent, where it is not at its minimum, drop out with the backward displacement.

    Args:
        parent: periodic crystal.
        frames: cells of `displacements`.
        forces: (n, 3) of each in eV/Å.

    Raises:
        DataError: a frame is not the parent with one moved atom, or the frames do not determine Φ.
    """
    symmetry = operations(parent)
    n = len(parent)
    phi = np.zeros((n, n, 3, 3))
    moved: dict[int, list[tuple[FloatArray, FloatArray]]] = {}
    for frame, force in zip(frames, forces, strict=True):
        atom, step = _displacement(parent, frame)
        moved.setdefault(atom, []).append((step, np.asarray(force, dtype=float)))
    done = np.zeros(n, dtype=bool)
    for atom, measured in moved.items():
        rows = _row_of_atom(atom, measured, symmetry)
        for rotation, permutation in zip(symmetry.rotations, symmetry.permutations, strict=True):
            image = permutation[atom]
            if not done[image]:
                phi[image, permutation] = rotation @ rows @ rotation.T
                done[image] = True
    if not done.all():
        raise DataError(f"no displacement determines the force constants of atom {int(np.argmin(done))}.")
    matrix = phi.transpose(0, 2, 1, 3).reshape(3 * n, 3 * n)
    rigid = np.eye(3 * n) - np.tile(np.eye(3), (n, n)) / n
    return rigid @ (matrix + matrix.T) @ rigid / 2


def _displacement(parent: Atoms, frame: Atoms) -> tuple[int, FloatArray]:
    """Index and displacement of the one atom that was moved."""
    if len(frame) != len(parent) or np.abs(frame.cell.array - parent.cell.array).max() > MOVED_ANG:
        raise DataError("a displaced cell must have the atoms and the lattice vectors of its parent.")
    steps, lengths = find_mic(frame.positions - parent.positions, parent.cell, parent.pbc)
    moved = np.flatnonzero(lengths > MOVED_ANG)
    if len(moved) != 1:
        raise DataError(f"a displaced cell must have one moved atom; found {len(moved)}.")
    return int(moved[0]), np.asarray(steps[moved[0]])


def _row_of_atom(atom: int, measured: list[tuple[FloatArray, FloatArray]], symmetry: Operations) -> FloatArray:
    """(n, 3, 3) blocks Φ[atom, j], from least squares over all images of the measurements under the site's symmetry."""
    steps, responses = [], []
    for rotation, permutation in zip(symmetry.rotations, symmetry.permutations, strict=True):
        if permutation[atom] != atom:
            continue
        for step, force in measured:
            turned = np.empty_like(force)
            turned[permutation] = force @ rotation.T
            steps.append(np.concatenate([[1.0], rotation @ step]))
            responses.append(turned.ravel())
    design = np.array(steps)
    scale = np.abs(design[:, 1:]).max()
    design[:, 1:] /= scale
    if span_rank(design) < 4:
        raise DataError(
            f"the displacements of atom {atom} do not determine its force constants; they must span three directions, "
            "forwards and backwards."
        )
    solution = np.linalg.lstsq(design, np.array(responses), rcond=None)[0]
    return -(solution[1:] / scale).reshape(3, -1, 3).transpose(1, 0, 2)


def stiffness_per_species(parent: Atoms, phi: FloatArray) -> dict[str, float]:
    """k_eff of every species in eV/Å²: the mean of a third of the trace of the on-site blocks Φ_ii.

    With this Einstein constant, independent displacements of variance k_B T / k_eff raise the harmonic energy by
    (3/2) k_B T per atom on average, because the off-site blocks average out.

    Args:
        parent: crystal.
        phi: its force constants.

    Raises:
        DataError: a constant is not positive: the parent is unstable, or its cell holds a single atom.
    """
    blocks = phi.reshape(len(parent), 3, len(parent), 3)
    traces = np.einsum("iaia->i", blocks) / 3
    result = {}
    for symbol in dict.fromkeys(parent.symbols):
        value = float(traces[parent.symbols == symbol].mean())
        if value <= MOVED_ANG:
            raise DataError(
                f"the on-site force constant of {symbol} is {value:.4g} eV/Å², not positive. A cell with a single atom "
                "has none: enlarge `structure.supercell`. Otherwise the parent is unstable; check `structure`."
            )
        result[str(symbol)] = value
    return result


def gamma_frequencies_thz(phi: FloatArray, masses: FloatArray) -> FloatArray:
    """Frequencies at Γ of the cell in THz, (3n,), rising; imaginary ones are negative.

    Args:
        phi: force constants in eV/Å².
        masses: (n,) in u.
    """
    return _frequencies(_dynamical_matrix(phi, masses))


def optical_phonon_thz(parent: Atoms, phi: FloatArray) -> float | None:
    """Highest frequency in THz at Γ of the *primitive* cell, or None when that cell holds one atom.

    A larger cell folds other wave vectors onto its Γ; only displacements that are equal in all primitive cells count.

    Args:
        parent: crystal.
        phi: its force constants.
    """
    translations = operations(parent).translations
    n = len(parent)
    if len(translations) == n:
        return None
    average = np.zeros((n, n))
    for permutation in translations:
        average[permutation, np.arange(n)] += 1 / len(translations)
    values, vectors = np.linalg.eigh(np.kron(average, np.eye(3)))
    periodic = vectors[:, values > 0.5]
    matrix = periodic.T @ _dynamical_matrix(phi, parent.get_masses()) @ periodic
    return float(_frequencies(matrix)[-1])


def _dynamical_matrix(phi: FloatArray, masses: FloatArray) -> FloatArray:
    weights = 1 / np.sqrt(np.repeat(masses, 3))
    return phi * np.outer(weights, weights)


def _frequencies(matrix: FloatArray) -> FloatArray:
    values = np.linalg.eigvalsh(matrix)
    return THZ * np.sign(values) * np.sqrt(np.abs(values))
