"""Projections that are analytic functions of the positions, independent of the descriptors of the package."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from pesforge.representations.projections import ProjectionSet

CUTOFF = 3.6
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass
class Cell:
    """A periodic cell."""

    positions: np.ndarray
    cell: np.ndarray


def projected(cell: Cell, count: int) -> SimpleNamespace:
    """`count` projections Σ_j (1 - r²/r_c²)³ exp(-(r - c)²) and, as the last one, a linear energy; with derivatives."""
    n = len(cell.positions)
    shifts = np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).reshape(3, -1).T @ cell.cell
    vectors = cell.positions[None, :, None] + shifts[None, None] - cell.positions[:, None, None]
    distance = np.linalg.norm(vectors, axis=-1)
    i, j, s = np.nonzero((distance < CUTOFF) & (distance > 1e-9))
    vector, r = vectors[i, j, s], distance[i, j, s]
    centres = np.append(np.linspace(1.5, 3.2, count), 2.4)
    taper, bell = (1 - (r / CUTOFF) ** 2)[:, None], np.exp(-((r[:, None] - centres) ** 2))
    value = taper**3 * bell
    slope = (-6 * r / CUTOFF**2)[:, None] * taper**2 * bell - 2 * (r[:, None] - centres) * value
    value[:, -1], slope[:, -1] = 0.3 * value[:, -1], 0.3 * slope[:, -1]
    pull = slope[:, None, :] * (vector / r[:, None])[:, :, None]
    rho = np.zeros((n, count + 1))
    np.add.at(rho, i, value)
    dense = np.zeros((n, n, 3, count + 1))
    np.add.at(dense, (i, j), pull)
    np.add.at(dense, (i, i), -pull)
    strain = np.zeros((n, 6, count + 1))
    for v, (a, b) in enumerate(VOIGT):
        symmetric = 0.5 * (pull[:, a] * vector[:, b, None] + pull[:, b] * vector[:, a, None])
        np.add.at(strain[:, v], i, symmetric)
    centre, neighbour = (index.ravel() for index in np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))
    return SimpleNamespace(
        rho=rho,
        centre=centre,
        neighbour=neighbour,
        gradient=dense.reshape(n * n, 3, count + 1),
        strain=strain,
        volume=abs(np.linalg.det(cell.cell)),
    )


def projection_set(cells: Sequence[Cell], count: int) -> ProjectionSet:
    """The projections of some cells."""
    parts = [projected(cell, count) for cell in cells]
    n_atoms = np.array([len(part.rho) for part in parts])
    offsets = np.concatenate([[0], np.cumsum(n_atoms)])

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    return ProjectionSet(
        rho=joined("rho"),
        species=np.zeros(offsets[-1], dtype=np.int64),
        structure=np.repeat(np.arange(len(cells)), n_atoms),
        centre=np.concatenate([part.centre + start for part, start in zip(parts, offsets, strict=False)]),
        neighbour=np.concatenate([part.neighbour + start for part, start in zip(parts, offsets, strict=False)]),
        gradient=joined("gradient"),
        strain=joined("strain"),
        volumes=np.array([part.volume for part in parts]),
        atom_offsets=offsets,
        edge_offsets=np.concatenate([[0], np.cumsum(n_atoms**2)]),
    )


def random_cells(number: int, seed: int, atoms: int = 8) -> list[Cell]:
    """Rattled and strained simple-cubic cells."""
    rng = np.random.default_rng(seed)
    side = round(atoms ** (1 / 3))
    grid = np.array(np.meshgrid(*[np.arange(side)] * 3)).reshape(3, -1).T * 2.3
    cells = []
    for _ in range(number):
        strain = rng.normal(0, 0.02, (3, 3))
        deformation = np.eye(3) + (strain + strain.T) / 2
        positions = (grid + rng.normal(0, 0.12, grid.shape)) @ deformation
        cells.append(Cell(positions, side * 2.3 * deformation))
    return cells
