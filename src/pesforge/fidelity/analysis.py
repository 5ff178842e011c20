"""The blend against its parameters: left-out error, and bias, variance and mean squared error by the formulas."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from pesforge.fidelity.blend import BlendPoint, Noise, class_weights, moments
from pesforge.fidelity.methods import Autoregression, TwoLevels, score
from pesforge.fidelity.rows import Rows
from pesforge.fidelity_settings import Fidelity
from pesforge.representations.arrays import FloatArray
from pesforge.settings import Crossvalidate


@dataclass(frozen=True)
class Blends:
    """All choices of a blend of one purchase, with their left-out errors.

    Args:
        difference: Δ-learning on the same labels.
        noise: of the labels, from it.
        tried: choices with mean squared errors (3,) of left-out high labels.
    """

    difference: Autoregression
    noise: Noise
    tried: list[tuple[BlendPoint, FloatArray]]

    @property
    def published(self) -> list[tuple[BlendPoint, FloatArray]]:
        """The choices with the published weight, τ = 0."""
        return [pair for pair in self.tried if pair[0].low_trust == 0.0]

    @classmethod
    def of(cls, problem: TwoLevels, settings: Fidelity, model: Crossvalidate) -> "Blends":
        """Every choice of the settings, the published weight among them.

        Args:
            problem: labels of both levels.
            settings: λ, α and τ.
            model: prior precisions.

        Raises:
            TooFewGroupsError: fewer than two groups have both labels.
        """
        difference = problem.autoregressive(1.0)
        noise = problem.noise(difference)
        low_trusts = dict.fromkeys((0.0, *settings.low_trusts))
        grid = product(settings.lambdas, settings.trusts, low_trusts, model.alphas)
        return cls(difference, noise, problem.blends(noise, (BlendPoint(*values) for values in grid)))


def blend_map(
    problem: TwoLevels, blends: Blends, settings: Fidelity, at: Rows, held_out: Callable[[FloatArray], FloatArray]
) -> dict[str, Any]:
    """Left-out errors over λ and α with the best prior of each, and the moments of the estimate against λ.

    The moments take for the truth the potential of Δ-learning on all labels of the training part, for the bias of the
    low labels what its δ says, and for their noise what left-out groups show. They are averaged over the structures of
    the training side, of which only the descriptors are used.

    Args:
        problem: labels of both levels.
        blends: all choices of a blend.
        settings: λ and α.
        at: rows of the training side.
        held_out: errors (3,) on held-out structures of scaled unknowns (P,); they decide nothing here.

    Returns:
        `map` with `lam`, `trust`, `prior`, `left_out_mse` (3,) and `score`; `chosen`; `curve` with `lam`,
        `bias_squared`, `variance`, `mse`, `left_out_mse` and `held_out_mse`, each (3,); `noise` (3,) of a high label.
    """
    difference, noise = blends.difference, blends.noise
    surface: list[dict[str, Any]] = []
    for lam, trust in product(settings.lambdas, settings.trusts):
        here = [pair for pair in blends.published if (pair[0].lam, pair[0].trust) == (lam, trust)]
        point, mse = min(here, key=lambda pair: score(pair[1]))
        surface.append({"lam": lam, "trust": trust, "prior": point.prior, "left_out_mse": mse, "score": score(mse)})
    best = min(surface, key=lambda row: float(row["score"]))
    curve = []
    for lam in settings.lambdas:
        point = BlendPoint(lam, best["trust"], 0.0, best["prior"])
        solution, left_out = problem.blend_at(noise, point)
        found = moments(
            problem.equations,
            point,
            weights=class_weights(noise, problem.weights, point),
            low_bias=-problem.rows.matrix @ difference.delta,
            truth=difference.fitted.vector,
            noise=noise,
            at=at.matrix,
            kind=at.kind,
        )
        curve.append(
            {
                "lam": lam,
                "bias_squared": found.bias_squared,
                "variance": found.variance,
                "mse": found.mse,
                "left_out_mse": left_out,
                "held_out_mse": held_out(solution.vectors[:, 0]) ** 2,
            }
        )
    chosen = {key: best[key] for key in ("lam", "trust", "prior")}
    return {"map": surface, "chosen": chosen, "curve": curve, "noise": np.array(noise.high_variance)}
