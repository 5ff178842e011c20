"""How well the structures that were kept stand for all of them, and how different they are."""

import numpy as np
from scipy.spatial.distance import cdist

from pesforge.curation.whitening import Whitening, nearest
from pesforge.representations.arrays import FloatArray, IntArray

KERNEL_REGULARISATION = 1e-6
MAX_KERNEL = 2000
"""Structures in the kernel matrix; more are thinned evenly, since its determinant costs their number cubed."""


def diversity(points: FloatArray, length: float) -> tuple[float, float]:
    """Smallest distance between two points (N, D), and log det per point of the kernel exp(−d²/2ℓ²) + 10⁻⁶ I.

    At most 2000 evenly thinned points enter the determinant, which is 0 for points far apart and falls with copies.
    """
    thinned = points[np.unique(np.linspace(0, len(points) - 1, min(len(points), MAX_KERNEL)).astype(np.int64))]
    kernel = np.exp(-0.5 * (cdist(thinned, thinned) / length) ** 2)
    kernel[np.diag_indices_from(kernel)] += KERNEL_REGULARISATION
    return float(nearest(points, points, same=True)[0].min()), float(np.linalg.slogdet(kernel)[1]) / len(thinned)


def coverage(values: FloatArray, kept: IntArray) -> dict[str, float]:
    """Distance of a pool from the structures kept of it, and how different these are.

    Distances are in the descriptor space whitened by the pool; the kernel's length is the pool's median distance of
    nearest neighbours. Which bins are filled says `pesforge.coverage`.

    Args:
        values: (S, K) per-atom mean descriptors of the pool.
        kept: indices of the structures kept; all of them for the figures before curation.

    Returns:
        `hausdorff_distance` from the pool to the kept set, `min_distance`, `kernel_log_det_per_structure` and
        `structures`.
    """
    white = Whitening.of(values).apply(values)
    own = nearest(white, white, same=True)[0]
    length = float(np.median(own[own > 0])) if (own > 0).any() else 1.0
    smallest, log_det = diversity(white[kept], length)
    return {
        "hausdorff_distance": float(nearest(white, white[kept])[0].max()),
        "min_distance": smallest,
        "kernel_log_det_per_structure": log_det,
        "structures": float(len(kept)),
    }
