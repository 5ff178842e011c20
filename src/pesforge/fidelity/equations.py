"""Normal equations of rows in classes of equal weight, and exact predictions of what was left out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from pesforge.potentials.normal import cholesky_factor
from pesforge.representations.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Solution:
    """Ridge regressions with one normal matrix H = Σ w x xᵀ + α, one per column of targets.

    Args:
        equations: rows and targets.
        root: (R,) square roots of the weights of the rows.
        targets: (R, M) targets.
        alpha: prior precision.
        cholesky: (P, P) lower triangle of H.
        vectors: (P, M) solutions.
    """

    equations: "Equations"
    root: FloatArray
    targets: FloatArray
    alpha: float
    cholesky: FloatArray
    vectors: FloatArray

    def left_out(self, blocks: Sequence[IntArray]) -> list[FloatArray]:
        """For every block of rows the predictions (r, M) by the fit without it, exact and without a refit.

        With e = √w (y − X v) and P = √w X H⁻¹ Xᵀ √w of the block they are X v − X H⁻¹ Xᵀ √w (I − P)⁻¹ e.

        Args:
            blocks: indices of the rows that are left out together.

        Raises:
            DataError: α is too small for the precision of the numbers.
        """
        matrix = self.equations.matrix
        found = []
        rows = np.concatenate(blocks)
        halves = scipy.linalg.solve_triangular(self.cholesky, matrix[rows].T, lower=True, check_finite=False)
        fitted = matrix[rows] @ self.vectors
        start = 0
        for block in blocks:
            here = slice(start, start + len(block))
            start += len(block)
            root, half = self.root[block], halves[:, here]
            weighted = half * root
            gap = np.eye(len(block)) - weighted.T @ weighted
            error = root[:, None] * (self.targets[block] - fitted[here])
            pulled = scipy.linalg.cho_solve((cholesky_factor(gap, self.alpha), True), error, check_finite=False)
            found.append(fitted[here] - half.T @ (weighted @ pulled))
        return found


class Equations:
    """Gram matrices of the rows of every class, so that weights cost no pass over the rows.

    Args:
        matrix: (R, P) scaled, unweighted rows.
        label_class: (R,) class of each row, below `n_classes`.
        targets: (R, T) targets.
        n_classes: number C of classes.
    """

    def __init__(self, matrix: FloatArray, label_class: IntArray, targets: FloatArray, n_classes: int) -> None:
        self.matrix, self.label_class, self.targets = matrix, label_class, targets
        members = [np.flatnonzero(label_class == name) for name in range(n_classes)]
        self.grams = np.stack([matrix[rows].T @ matrix[rows] for rows in members])
        self.rights = np.stack([matrix[rows].T @ targets[rows] for rows in members])

    def normal(self, weights: FloatArray, alpha: float) -> FloatArray:
        """H (P, P) of weights (C,) of the classes and the prior precision α."""
        normal: FloatArray = np.tensordot(weights, self.grams, axes=1)
        normal[np.diag_indices_from(normal)] += alpha
        return normal

    def solve(self, weights: FloatArray, alpha: float, mix: FloatArray) -> Solution:
        """The fit to M combinations of the targets.

        Args:
            weights: (C,) weights of the classes.
            alpha: prior precision.
            mix: (C, T, M) shares of the targets in what the rows of each class are fitted to.

        Raises:
            DataError: α is too small for the precision of the numbers.
        """
        cholesky = cholesky_factor(self.normal(weights, alpha), alpha)
        right = np.einsum("c,cpt,ctm->pm", weights, self.rights, mix)
        return Solution(
            equations=self,
            root=np.sqrt(weights)[self.label_class],
            targets=np.einsum("rt,rtm->rm", self.targets, mix[self.label_class]),
            alpha=alpha,
            cholesky=cholesky,
            vectors=scipy.linalg.cho_solve((cholesky, True), right, check_finite=False),
        )
