"""Potentials of one level and of two, each with its choices made by groups left out of its own training part.

Left-out labels are always those of the level that counts: of the high one wherever it is there. No test structure is
seen by any choice.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from pesforge.errors import DataError
from pesforge.fidelity.blend import N_CLASSES, BlendPoint, Noise, by_kind, class_weights, mixing
from pesforge.fidelity.equations import Equations, Solution
from pesforge.fidelity.rows import HIGH, LOW, LevelRows
from pesforge.potentials.normal import KINDS, Weights
from pesforge.representations.arrays import BoolArray, FloatArray, IntArray

TINY = np.finfo(np.float64).tiny
TIGHTER = np.logspace(1, 5, 5)
"""Prior precisions of δ beyond the largest one of the study, in units of it."""
MIN_GROUPS = 2
"""Groups that a choice by groups left out needs."""


class TooFewGroupsError(DataError):
    """Labels of fewer groups than a choice by groups left out needs."""


@dataclass(frozen=True)
class Fitted:
    """A fitted potential and how it was chosen.

    Args:
        vector: (P,) scaled unknowns.
        left_out_mse: (3,) mean squared error per kind on groups left out of the training part.
        chosen: what was chosen, by name.
    """

    vector: FloatArray
    left_out_mse: FloatArray
    chosen: dict[str, float] = field(default_factory=dict)


def score(mse: FloatArray) -> float:
    """Sum of the logarithms of the mean squared errors of the kinds that have labels."""
    return float(np.nansum(np.log(np.maximum(mse, TINY))))


class TwoLevels:
    """Training structures of both levels, ready for all methods.

    Args:
        rows: rows and labels.
        groups: (S,) group of each structure, numbered.
        weights: weights of the kinds in the study.
        priors: prior precisions to choose from.

    Raises:
        TooFewGroupsError: fewer than two groups.
    """

    def __init__(self, rows: LevelRows, groups: IntArray, weights: Weights, priors: Sequence[float]) -> None:
        self.rows, self.priors, self.weights = rows, tuple(priors), weights
        self.equations = Equations(rows.matrix, rows.label_class, rows.targets, N_CLASSES)
        self.base = np.array([weights.of_kind(kind) for kind in KINDS])
        owner_group = groups[rows.owner]
        self.blocks = [np.flatnonzero(owner_group == group) for group in np.unique(owner_group)]
        self.paired_blocks = [block for block in self.blocks if rows.paired[block].any()]
        if len(self.blocks) < MIN_GROUPS:
            raise TooFewGroupsError(
                "a choice by groups left out needs labels of two groups at least; raise the budgets."
            )

    def _mse(self, errors: Iterable[FloatArray], blocks: Sequence[IntArray], used: BoolArray) -> FloatArray:
        """(3,) mean squared errors per kind of the rows of the blocks that are in use (R,)."""
        rows, found = np.concatenate(blocks), np.concatenate(list(errors))
        mask = used[rows]
        return by_kind(found[mask] ** 2, self.rows.kind[rows][mask])

    def _single(self, level: int) -> tuple[Fitted, Solution]:
        """The fit to the labels of one level alone, its prior chosen by left-out labels of that level."""
        mix = np.zeros((N_CLASSES, 2, 1))
        mix[:, level] = 1.0
        used = np.ones(len(self.rows.kind), dtype=np.bool_)
        best: tuple[float, Fitted, Solution] | None = None
        for prior in self.priors:
            solution = self.equations.solve(np.tile(self.base, 2), prior, mix)
            errors = [
                predicted[:, 0] - self.rows.targets[block, level]
                for block, predicted in zip(self.blocks, solution.left_out(self.blocks), strict=True)
            ]
            mse = self._mse(errors, self.blocks, used)
            if best is None or score(mse) < best[0]:
                best = score(mse), Fitted(solution.vectors[:, 0], mse, {"prior": prior}), solution
        assert best is not None
        return best[1], best[2]

    def one_level(self, level: int) -> Fitted:
        """The control: a fit to the labels of one level, which all structures must have.

        Args:
            level: LOW or HIGH.
        """
        return self._single(level)[0]

    def autoregressive(self, rho: float | None) -> "Autoregression":
        """f_H = ρ f_L + δ, f_L being the fit to all low labels and δ that to y_H − ρ y_L where both labels are there.

        ρ = Σ w y_L y_H / Σ w y_L² over the labels of both levels makes what is left to δ smallest. One ρ serves all
        kinds: forces and stresses are derivatives of one energy. Found together with a δ whose functions can follow
        y_L itself, ρ would be the ratio of what neither follows, of noise. The prior of δ may be tighter than those of
        whole potentials, as δ is smaller.

        Args:
            rho: ρ; None: found as above. 1 is Δ-learning.

        Raises:
            TooFewGroupsError: fewer than two groups have both labels.

        Source: M. C. Kennedy and A. O'Hagan, Biometrika 87, 1 (2000), with linear models for Gaussian processes.
        """
        if len(self.paired_blocks) < MIN_GROUPS:
            raise TooFewGroupsError("autoregression needs at least two groups with both labels; raise the budgets.")
        low, low_solution = self._single(LOW)
        outside = [predicted[:, 0] for predicted in low_solution.left_out(self.paired_blocks)]
        weights = np.concatenate([np.zeros(len(KINDS)), self.base])
        mix = np.zeros((N_CLASSES, 2, 2))
        mix[len(KINDS) :] = np.eye(2)
        squares = [self._squares(block) for block in self.paired_blocks]
        whole = np.sum(squares, axis=0)
        found = ratio(whole) if rho is None else rho
        best: Autoregression | None = None
        for prior in (*self.priors, *(max(self.priors) * TIGHTER)):
            solution = self.equations.solve(weights, prior, mix)
            errors, gaps = [], []
            for block, low_outside, square, predicted in zip(
                self.paired_blocks, outside, squares, solution.left_out(self.paired_blocks), strict=True
            ):
                without = ratio(whole - square) if rho is None else rho
                delta = predicted[:, HIGH] - without * predicted[:, LOW]
                truth = self.rows.targets[block]
                errors.append(without * low_outside + delta - truth[:, HIGH])
                gaps.append(truth[:, HIGH] - without * truth[:, LOW] - delta)
            mse = self._mse(errors, self.paired_blocks, self.rows.paired)
            if best is None or score(mse) < score(best.fitted.left_out_mse):
                delta = solution.vectors[:, HIGH] - found * solution.vectors[:, LOW]
                chosen = {"rho": found, "prior_low": low.chosen["prior"], "prior_delta": prior}
                best = Autoregression(
                    Fitted(found * low.vector + delta, mse, chosen),
                    low=low,
                    delta=delta,
                    unexplained=self._mse(gaps, self.paired_blocks, self.rows.paired),
                )
        assert best is not None
        return best

    def _squares(self, block: IntArray) -> FloatArray:
        """(2,) sums of w y_L² and w y_L y_H over the rows of a block that have both labels."""
        rows = block[self.rows.paired[block]]
        targets, weights = self.rows.targets[rows], self.base[self.rows.kind[rows]]
        sums: FloatArray = (weights * targets[:, LOW]) @ targets
        return sums

    def noise(self, difference: "Autoregression") -> Noise:
        """Noise and bias of the levels, estimated from left-out residuals of Δ-learning (ρ = 1).

        The variance of a level is the mean square of its left-out residuals, that of the difference of both is what δ
        does not foresee of y_H − y_L; the two and the variance of a difference give the correlation. The rest of the
        mean square of y_H − y_L is bias.

        Args:
            difference: Δ-learning on these labels.
        """
        paired = self.rows.paired
        gap = (self.rows.targets[paired, HIGH] - self.rows.targets[paired, LOW]) ** 2
        low, high = np.maximum(difference.low.left_out_mse, TINY), np.maximum(difference.fitted.left_out_mse, TINY)
        unexplained = np.minimum(difference.unexplained, by_kind(gap, self.rows.kind[paired]))
        correlation = np.clip((low + high - unexplained) / (2 * np.sqrt(low * high)), 0.0, 1.0)
        explained = by_kind(gap, self.rows.kind[paired]) - unexplained
        values = (low, high, correlation, explained)
        # Kinds without labels, such as the stress of molecules, have no rows that these numbers could weigh.
        return Noise(*(np.nan_to_num(value, nan=fill) for value, fill in zip(values, (1, 1, 0, 0), strict=True)))

    def blends(self, noise: Noise, points: Iterable[BlendPoint]) -> list[tuple[BlendPoint, FloatArray]]:
        """Every choice of a blend with its mean squared errors (3,) of left-out high labels.

        Args:
            noise: of the labels.
            points: choices.

        Raises:
            TooFewGroupsError: fewer than two groups have both labels.
        """
        return [(point, self.blend_at(noise, point)[1]) for point in points]

    def blend(self, noise: Noise, tried: Sequence[tuple[BlendPoint, FloatArray]]) -> Fitted:
        """The blended fit of the choice that foresees left-out high labels best.

        Args:
            noise: of the labels.
            tried: choices with their errors, from `blends`.
        """
        point, mse = min(tried, key=lambda pair: score(pair[1]))
        return Fitted(self.blend_at(noise, point)[0].vectors[:, 0], mse, asdict(point))

    def blend_at(self, noise: Noise, point: BlendPoint) -> tuple[Solution, FloatArray]:
        """The blended fit of one point, and its mean squared errors (3,) of left-out high labels.

        Args:
            noise: of the labels.
            point: λ, α, τ and the prior.

        Raises:
            TooFewGroupsError: fewer than two groups have both labels.
        """
        if len(self.paired_blocks) < MIN_GROUPS:
            raise TooFewGroupsError("blending needs at least two groups with both labels; raise the budgets.")
        solution = self.equations.solve(class_weights(noise, self.weights, point), point.prior, mixing(point.lam))
        errors = [
            predicted[:, 0] - self.rows.targets[block, HIGH]
            for block, predicted in zip(self.paired_blocks, solution.left_out(self.paired_blocks), strict=True)
        ]
        return solution, self._mse(errors, self.paired_blocks, self.rows.paired)


@dataclass(frozen=True)
class Autoregression:
    """f_H = ρ f_L + δ.

    Args:
        fitted: the potential of the high level.
        low: f_L.
        delta: (P,) scaled unknowns of δ.
        unexplained: (3,) mean square per kind of what δ leaves of y_H − ρ y_L on left-out groups.
    """

    fitted: Fitted
    low: Fitted
    delta: FloatArray
    unexplained: FloatArray


def ratio(squares: FloatArray) -> float:
    """ρ from the sums (2,) of w y_L² and w y_L y_H; 1 where the low labels are all 0."""
    return float(squares[HIGH] / squares[LOW]) if squares[LOW] > TINY else 1.0
