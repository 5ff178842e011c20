"""Supercells with one atom more, in the voids of the crystal."""

import numpy as np
import spglib
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from scipy.spatial import Voronoi, cKDTree

from pesforge.errors import DataError
from pesforge.family_settings import Interstitial
from pesforge.provenance import derive_seed
from pesforge.sampling.frames import FloatArray, make_cell_frame, thermal_displacements
from pesforge.sampling.lattice_planes import SYMPREC_ANG, standard_cell
from pesforge.sampling.measured import Measured

NAME = "interstitial"
SAME_ANG = 0.05
"""Voids nearer to each other than this, or to an image of each other, are one."""
DIGITS = 6


def sample(parent: Atoms, settings: Interstitial, measured: Measured, seed: int) -> list[Atoms]:
    """Unrelaxed interstitials of every element in every distinct void, in turn; one group per void and element.

    The first structure of a kind is the perfect supercell with the atom, all others have thermal displacements.

    Args:
        parent: parent crystal.
        settings: supercell, count, smallest void, temperature.
        measured: k_eff of every species.
        seed: seed of the study.

    Raises:
        DataError: no void is large enough for any element.
    """
    tried = [(void, int(number)) for void in voids(parent) for number in sorted(set(parent.numbers))]
    rooms = [room(parent, void, number) for void, number in tried]
    kinds = [kind for kind, size in zip(tried, rooms, strict=True) if size >= settings.distance_factor]
    if not kinds:
        best = max(rooms, default=0.0)
        raise DataError(
            f"no void is large enough: the largest has its nearest atom at {best:.2f} of the sum of covalent radii, "
            f"but `distance_factor` is {settings.distance_factor:g}; lower it."
        )
    supercell = parent.repeat(settings.supercell)
    frames = []
    for index in range(settings.count):
        number, kind = divmod(index, len(kinds))
        void, atom = kinds[kind]
        cell = supercell + Atoms(numbers=[atom], positions=[void])
        symbol, own = chemical_symbols[atom], derive_seed(seed, NAME, kind, number)
        temperature = settings.temperature_k if number else 0.0
        frames.append(
            make_cell_frame(
                cell,
                origin=parent,
                name=f"{NAME}-{kind:02d}-{symbol}-{number:03d}",
                family=NAME,
                group=f"{NAME}-{kind:02d}-{symbol}",
                seed=own,
                displacements=thermal_displacements(cell, measured.stiffness, temperature, own),
                temperature_k=temperature,
            )
        )
    return frames


def voids(crystal: Atoms) -> list[FloatArray]:
    """Positions (3,) in Å of the distinct voids, largest first: Voronoi vertices, which are far from all atoms.

    A vertex has at least four nearest atoms at one distance. Vertices that the space group maps onto each other are
    given once, by the one with the smallest coordinates.

    Args:
        crystal: periodic in three directions.
    """
    primitive = standard_cell(crystal, to_primitive=True)
    lattice = primitive.cell.array
    images = _images(primitive)
    tree = cKDTree(images)
    vertices = Voronoi(images).vertices
    inside = primitive.cell.scaled_positions(vertices)
    vertices = vertices[((inside > -1e-6) & (inside < 1 - 1e-6)).all(axis=1)]
    sizes = tree.query(vertices)[0]
    operations = _operations(primitive)
    candidates = sorted(
        (_representative(primitive.cell.scaled_positions(vertex), operations), -round(float(size), DIGITS))
        for vertex, size in zip(vertices, sizes, strict=True)
    )
    found: list[tuple[float, tuple[float, ...]]] = []
    for scaled, size in candidates:
        if all(_apart(scaled, other, operations, lattice) > SAME_ANG for _, other in found):
            found.append((size, scaled))
    return [np.array(scaled) @ lattice for _, scaled in sorted(found)]


def room(crystal: Atoms, void: FloatArray, number: int) -> float:
    """Distance of the nearest atom over the sum of covalent radii, for an atom in a void; the least over all atoms.

    Args:
        crystal: periodic in three directions.
        void: (3,) position in Å.
        number: atomic number of the atom in the void.
    """
    probe = crystal + Atoms(numbers=[number], positions=[void])
    distances = probe.get_distances(len(crystal), range(len(crystal)), mic=True)
    return float((distances / (covalent_radii[crystal.numbers] + covalent_radii[number])).min())


def _images(crystal: Atoms) -> FloatArray:
    """Positions (m, 3) in Å of all atoms that can be nearest to a point of the cell, and of those as far again.

    No point is farther from its nearest atom than half the sum of the lengths of the cell vectors. A vertex with an
    empty sphere among atoms up to twice that distance from the cell is then a vertex of the infinite crystal.
    """
    reach = float(crystal.cell.lengths().sum())
    margin = reach * np.linalg.norm(np.linalg.inv(crystal.cell.array), axis=0)
    turns = [np.arange(-int(np.ceil(share)) - 1, int(np.ceil(share)) + 2) for share in margin]
    shifts = np.stack(np.meshgrid(*turns, indexing="ij"), axis=-1).reshape(-1, 3)
    scaled = (crystal.get_scaled_positions()[:, None] + shifts[None]).reshape(-1, 3)
    near = ((scaled >= -margin) & (scaled <= 1 + margin)).all(axis=1)
    return np.asarray(scaled[near] @ crystal.cell.array)


def _operations(crystal: Atoms) -> list[tuple[FloatArray, FloatArray]]:
    """Rotations (3, 3) and translations (3,) of scaled coordinates."""
    cell = (crystal.cell.array, crystal.get_scaled_positions(), crystal.numbers)
    found = spglib.get_symmetry(cell, symprec=SYMPREC_ANG)
    if found is None:
        return [(np.eye(3), np.zeros(3))]
    return list(zip(found["rotations"].astype(float), found["translations"], strict=True))


def _representative(scaled: FloatArray, operations: list[tuple[FloatArray, FloatArray]]) -> tuple[float, ...]:
    """The image of a point in [0, 1) with the smallest coordinates."""
    images = np.array([rotation @ scaled + translation for rotation, translation in operations])
    rounded = np.round(images, DIGITS) % 1.0 + 0.0
    return tuple(float(value) for value in min(rounded.tolist()))


def _apart(
    first: tuple[float, ...],
    second: tuple[float, ...],
    operations: list[tuple[FloatArray, FloatArray]],
    lattice: FloatArray,
) -> float:
    """Smallest distance in Å of a point from all images of another, to the nearest lattice vector of scaled steps."""
    images = np.array([rotation @ np.array(second) + translation for rotation, translation in operations])
    steps = images - np.array(first)
    return float(np.linalg.norm((steps - np.rint(steps)) @ lattice, axis=1).min())
