"""How much of configuration space a set of structures covers, and how different its structures are."""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from scipy.spatial.distance import cdist

from pesforge.curation.whitening import Whitening, nearest
from pesforge.fields import STRAIN
from pesforge.pairs import find_pairs
from pesforge.representations.arrays import FloatArray, IntArray

BIN_WIDTH_ANG = 0.1
"""Width of pair-distance bins: about the thermal displacement of an atom."""

STRAIN_BINS = 6
"""Bins along each axis of the (I₁, √J₂) plane."""

KERNEL_REGULARISATION = 1e-6
MAX_KERNEL = 2000
"""Structures in the kernel matrix; more are thinned evenly, since its determinant costs their number cubed."""


def pair_distance_bins(frames: Sequence[Atoms], cutoff_ang: float, min_distance_factor: float) -> dict[str, float]:
    """Percentage of non-empty bins of the pair-distance histogram, keyed `pair_distance_bins_A_B_percent`.

    Bins of 0.1 Å run from the shortest believed distance of the pair to the cutoff.

    Args:
        frames: structures.
        cutoff_ang: upper end of the histogram in Å.
        min_distance_factor: lower end, over the sum of the pair's covalent radii.
    """
    species = sorted({int(number) for atoms in frames for number in atoms.numbers})
    pairs = list(combinations_with_replacement(range(len(species)), 2))
    start = {(a, b): min_distance_factor * (covalent_radii[species[a]] + covalent_radii[species[b]]) for a, b in pairs}
    n_bins = {pair: max(1, int(np.ceil((cutoff_ang - start[pair]) / BIN_WIDTH_ANG - 1e-9))) for pair in pairs}
    filled = {pair: np.zeros(n_bins[pair], dtype=np.bool_) for pair in pairs}
    for atoms in frames:
        i, j, distance = find_pairs(atoms, cutoff_ang, "ijd", both_ways=False)
        kind = np.searchsorted(species, atoms.numbers)
        ends = np.sort(np.stack([kind[i], kind[j]]), axis=0)
        for pair in pairs:
            here = distance[(ends[0] == pair[0]) & (ends[1] == pair[1])]
            bins = np.floor((here - start[pair]) / BIN_WIDTH_ANG).astype(np.int64)
            filled[pair][bins[(bins >= 0) & (bins < n_bins[pair])]] = True
    names = {pair: "_".join(chemical_symbols[species[index]] for index in pair) for pair in pairs}
    return {f"pair_distance_bins_{names[pair]}_percent": 100 * float(filled[pair].mean()) for pair in pairs}


def strain_invariants(frames: Sequence[Atoms]) -> FloatArray:
    """I₁ = tr ε and J₂ = ½ dev ε : dev ε of the structures that carry a strain, (M, 2)."""
    found = [atoms.info[STRAIN] for atoms in frames if STRAIN in atoms.info]
    strains = np.array(found, dtype=np.float64).reshape(-1, 6)
    trace = strains[:, :3].sum(axis=1)
    deviator = strains[:, :3] - trace[:, None] / 3
    return np.stack([trace, 0.5 * np.sum(deviator**2, axis=1) + np.sum(strains[:, 3:] ** 2, axis=1)], axis=1)


def strain_bins_percent(frames: Sequence[Atoms], pool: Sequence[Atoms]) -> float | None:
    """Percentage of covered bins of the (I₁, √J₂) plane over the pool's range; None where the pool has no strains.

    The square root makes equal bins equal in strain.
    """
    reference, values = strain_invariants(pool), strain_invariants(frames)
    if not len(reference) or not np.ptp(reference, axis=0).any():
        return None
    reference[:, 1], values[:, 1] = np.sqrt(reference[:, 1]), np.sqrt(values[:, 1])
    low, width = reference.min(axis=0), np.maximum(np.ptp(reference, axis=0), np.finfo(np.float64).tiny)
    bins = np.clip((STRAIN_BINS * (values - low) / width).astype(np.int64), 0, STRAIN_BINS - 1)
    return 100 * len(np.unique(bins, axis=0)) / STRAIN_BINS**2


def diversity(points: FloatArray, length: float) -> tuple[float, float]:
    """Smallest distance between two points (N, D), and log det per point of the kernel exp(−d²/2ℓ²) + 10⁻⁶ I.

    At most 2000 evenly thinned points enter the determinant, which is 0 for points far apart and falls with copies.
    """
    thinned = points[np.unique(np.linspace(0, len(points) - 1, min(len(points), MAX_KERNEL)).astype(np.int64))]
    kernel = np.exp(-0.5 * (cdist(thinned, thinned) / length) ** 2)
    kernel[np.diag_indices_from(kernel)] += KERNEL_REGULARISATION
    return float(nearest(points, points, same=True)[0].min()), float(np.linalg.slogdet(kernel)[1]) / len(thinned)


def coverage(
    frames: Sequence[Atoms], values: FloatArray, kept: IntArray, *, cutoff_ang: float, min_distance_factor: float
) -> dict[str, float | None]:
    """Coverage of a pool by the structures kept of it.

    Distances are in the descriptor space whitened by the pool; the kernel's length is the pool's median distance of
    nearest neighbours.

    Args:
        frames: the pool.
        values: (S, K) per-atom mean descriptors of the pool.
        kept: indices of the structures kept; all of them for the figures before curation.
        cutoff_ang: cutoff of the descriptors in Å.
        min_distance_factor: shortest believed distance over the sum of covalent radii.

    Returns:
        `pair_distance_bins_A_B_percent` per species pair, `strain_bins_percent`, `hausdorff_distance` from the pool to
        the kept set, `min_distance`, `kernel_log_det_per_structure` and `structures`.
    """
    chosen = [frames[int(index)] for index in kept]
    white = Whitening.of(values).apply(values)
    own = nearest(white, white, same=True)[0]
    length = float(np.median(own[own > 0])) if (own > 0).any() else 1.0
    smallest, log_det = diversity(white[kept], length)
    return {
        **pair_distance_bins(chosen, cutoff_ang, min_distance_factor),
        "strain_bins_percent": strain_bins_percent(chosen, frames),
        "hausdorff_distance": float(nearest(white, white[kept])[0].max()),
        "min_distance": smallest,
        "kernel_log_det_per_structure": log_det,
        "structures": float(len(kept)),
    }
