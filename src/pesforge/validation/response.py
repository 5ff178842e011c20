"""How far the force on an atom feels the displacement of another: force constants by distance.

An atom's energy depends on what lies within the cutoff r_c around it. A potential's force on an atom then answers to
displacements up to r_c in pair terms, and up to 2 r_c where both atoms are neighbours of a third.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from ase import Atoms

from pesforge.errors import DataError
from pesforge.fields import BOLTZMANN_EV_PER_K
from pesforge.pairs import find_pairs
from pesforge.validation.spacegroup import FloatArray

SAME_DISTANCE_ANG = 1e-3
"""Distances closer than this belong to one shell."""


@dataclass(frozen=True)
class PairDistances:
    """Distinct atoms of a periodic cell, each pair at the distance of its nearest images.

    Attributes:
        first: atom i of each pair (P,).
        second: atom j of each pair (P,), never i; both ways.
        distance_ang: distance of the nearest images (P,).
        images: how many images are equally near (P,); the force constants of the cell are sums over all images.
        whole_to_ang: half of the shortest translation of the cell: up to there a pair is nearer than any other image.
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    distance_ang: FloatArray
    images: npt.NDArray[np.int64]
    whole_to_ang: float

    @classmethod
    def of(cls, crystal: Atoms) -> Self:
        """The pairs of a crystal that is periodic in three directions.

        Raises:
            DataError: it is not, or it holds one atom.
        """
        n = len(crystal)
        if n < 2 or not crystal.pbc.all():
            raise DataError(
                f"a cell of {n} atoms, periodic along {int(crystal.pbc.sum())} vectors, has no pairs to measure; a "
                "locality study needs a periodic cell of two atoms or more: enlarge `analysis.locality.supercell`."
            )
        reach = float(np.linalg.norm(crystal.cell.array, axis=1).sum()) / 2 + SAME_DISTANCE_ANG
        first, second, distance = find_pairs(crystal, reach, "ijd")
        shortest = float(distance[first == second].min())
        between = first != second
        key, distance = (first * n + second)[between], distance[between]
        nearest = np.full(n * n, np.inf)
        np.minimum.at(nearest, key, distance)
        images = np.bincount(key[distance < nearest[key] + SAME_DISTANCE_ANG], minlength=n * n)
        found = np.flatnonzero(np.isfinite(nearest))
        return cls(found // n, found % n, nearest[found], images[found], shortest / 2)


def _norms(phi: FloatArray, pairs: PairDistances) -> FloatArray:
    """Frobenius norm in eV/Å² of the 3 × 3 block of each pair, (P,)."""
    n = len(phi) // 3
    blocks = phi.reshape(n, 3, n, 3)[pairs.first, :, pairs.second, :]
    return np.asarray(np.linalg.norm(blocks, axis=(1, 2)))


def _shells(crystal: Atoms, pairs: PairDistances) -> npt.NDArray[np.int64]:
    """Number of the shell of each pair (P,): the same two species at the same distance; rising with the distance."""
    numbers = np.sort(crystal.numbers[np.stack([pairs.first, pairs.second])], axis=0)
    order = np.lexsort((numbers[1], numbers[0]))
    species = np.empty(len(order), dtype=np.int64)
    changes = np.abs(np.diff(numbers[:, order], axis=1)).sum(axis=0) > 0
    species[order] = np.cumsum(np.concatenate([[0], changes]))
    order = np.lexsort((pairs.distance_ang, species))
    starts = (np.diff(species[order]) > 0) | (np.diff(pairs.distance_ang[order]) > SAME_DISTANCE_ANG)
    shell = np.empty(len(order), dtype=np.int64)
    shell[order] = np.cumsum(np.concatenate([[0], starts]))
    mean = np.bincount(shell, pairs.distance_ang) / np.bincount(shell)
    rank = np.empty(len(mean), dtype=np.int64)
    rank[np.argsort(mean, kind="stable")] = np.arange(len(mean))
    return rank[shell]


def force_from_beyond(norms: FloatArray, pairs: PairDistances, variance_ang2: FloatArray, radius_ang: float) -> float:
    """Root mean square force component in eV/Å that displacements of all atoms beyond a radius cause.

    ⟨F_ia²⟩ = Σ_j |Φ_ij|² ⟨u_j²⟩ / 3 for independent displacements with the variance ⟨u_j²⟩ per component, averaged over
    atoms and directions.

    Args:
        norms: Frobenius norm of the block of each pair in eV/Å², (P,).
        pairs: pairs of the cell.
        variance_ang2: variance of a component of the displacement of each atom in Å², (n,).
        radius_ang: atoms at this distance count as within it.
    """
    far = pairs.distance_ang > radius_ang + SAME_DISTANCE_ANG
    squares = norms[far] ** 2 * variance_ang2[pairs.second[far]]
    return float(np.sqrt(squares.sum() / (3 * len(variance_ang2))))


def disagreement(supercell: FloatArray, parent: FloatArray) -> float:
    """How far force constants of one source in two cells contradict each other: their noise, and that of the meshes.

    Those of a repeated cell, summed over the copies of each atom, are those of the cell that was repeated.

    Args:
        supercell: force constants in eV/Å² of whole copies of the parent one after the other, (3cn, 3cn).
        parent: those of the parent, (3n, 3n).

    Returns:
        Root mean square over the pairs of the Frobenius norm of their difference in eV/Å².
    """
    n, copies = len(parent) // 3, len(supercell) // len(parent)
    summed = supercell.reshape(copies, n, 3, copies, n, 3).sum(axis=3)
    squares = (summed - parent.reshape(n, 3, n, 3)) ** 2
    return float(np.sqrt(squares.sum() / (copies * n * n)))


def response_by_distance(
    crystal: Atoms, reference: FloatArray, potential: FloatArray, *, cutoff_ang: float, temperature_k: float
) -> dict[str, Any]:
    """Force constants of two sources by distance, and the forces from atoms beyond each distance.

    The variance of the displacements is that of an Einstein crystal, k_B T / k_eff, with the on-site force constant
    k_eff of the reference for every atom.

    Args:
        crystal: periodic cell.
        reference: force constants Φ of DFT in eV/Å², (3n, 3n), atom-major.
        potential: those of the potential in the same cell.
        cutoff_ang: cutoff radius of the potential in Å.
        temperature_k: temperature in K.

    Returns:
        `n_atoms`, `whole_to_ang`, `temperature_k`; `shells`, one row for each distance and pair of species, with the
        root mean squares over its pairs of |Φ_ij| (Frobenius norm, eV/Å²) of both and of their difference; `beyond`,
        rows of a distance and the force component in eV/Å from all atoms farther away, None where the cell has none;
        `at_cutoff`, the same at r_c and at 2 r_c.

    Raises:
        DataError: an on-site force constant is not positive, or the cell has no pairs.
    """
    pairs, n = PairDistances.of(crystal), len(crystal)
    stiffness = np.einsum("iaia->i", reference.reshape(n, 3, n, 3)) / 3
    if stiffness.min() <= 0:
        raise DataError(
            f"an on-site force constant is {stiffness.min():.3g} eV/Å², not positive: the parent is unstable. Correct "
            "`structure`, or remove `analysis.locality`."
        )
    variance = BOLTZMANN_EV_PER_K * temperature_k / stiffness
    norms = {
        "dft": _norms(reference, pairs),
        "potential": _norms(potential, pairs),
        "difference": _norms(potential - reference, pairs),
    }
    shell = _shells(crystal, pairs)
    count = np.bincount(shell)
    means = {key: np.sqrt(np.bincount(shell, values**2) / count) for key, values in norms.items()}
    _, example = np.unique(shell, return_index=True)
    rows: list[dict[str, Any]] = [
        {
            "pair": "-".join(sorted((crystal.symbols[pairs.first[p]], crystal.symbols[pairs.second[p]]))),
            "distance_ang": float(pairs.distance_ang[p]),
            "images": int(pairs.images[p]),
            "neighbours": float(count[number] / n),
            **{f"{key}_ev_per_ang2": float(values[number]) for key, values in means.items()},
        }
        for number, p in enumerate(example)
    ]
    farthest = float(pairs.distance_ang.max())

    def beyond(radius: float) -> dict[str, Any]:
        """Forces from all atoms beyond a radius; None where the cell has none so far apart, which tells nothing."""
        far = radius < farthest - SAME_DISTANCE_ANG
        forces = {
            f"{key}_ev_per_ang": force_from_beyond(values, pairs, variance, radius) if far else None
            for key, values in norms.items()
        }
        return {"distance_ang": radius, **forces}

    return {
        "n_atoms": n,
        "whole_to_ang": pairs.whole_to_ang,
        "farthest_ang": farthest,
        "temperature_k": temperature_k,
        "shells": rows,
        "beyond": [beyond(radius) for radius in [0.0, *dict.fromkeys(row["distance_ang"] for row in rows)]],
        "at_cutoff": [{"radius": name, **beyond(factor * cutoff_ang)} for name, factor in (("r_c", 1), ("2 r_c", 2))],
    }
