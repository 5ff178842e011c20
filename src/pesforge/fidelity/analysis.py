"""The blend against its parameters: left-out error, and bias, variance and mean squared error by the formulas."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pesforge.fidelity.blend import BlendPoint, class_weights, moments
from pesforge.fidelity.methods import TwoLevels, score
from pesforge.fidelity.rows import Rows
from pesforge.fidelity_settings import Fidelity
from pesforge.representations.arrays import FloatArray
from pesforge.settings import Crossvalidate


def blend_map(
    problem: TwoLevels,
    settings: Fidelity,
    model: Crossvalidate,
    at: Rows,
    held_out: Callable[[FloatArray], FloatArray],
) -> dict[str, Any]:
    """Left-out errors over λ and α with the best prior of each, and the moments of the estimate against λ.

    The moments take for the truth the potential of Δ-learning on all labels of the training part, for the bias of the
    low labels what its δ says, and for their noise what left-out groups show. They are averaged over the structures of
    the training side, of which only the descriptors are used.

    Args:
        problem: labels of both levels.
        settings: λ and α.
        model: prior precisions.
        at: rows of the training side.
        held_out: errors (3,) on held-out structures of scaled unknowns (P,); they decide nothing here.

    Returns:
        `map` with `lam`, `trust`, `left_out_mse` (3,) and `score`; `chosen`; `curve` with `lam`, `bias_squared`,
        `variance`, `mse`, `left_out_mse` and `held_out_mse`, each (3,); `noise` (3,) of a high label.
    """
    difference = problem.autoregressive(1.0)
    noise = problem.noise(difference)
    surface: list[dict[str, Any]] = []
    for lam in settings.lambdas:
        for trust in settings.trusts:
            points = [BlendPoint(lam, trust, 0.0, prior) for prior in model.alphas]
            fitted = problem.blend(noise, points)
            mse = fitted.left_out_mse
            prior = fitted.chosen["prior"]
            surface.append({"lam": lam, "trust": trust, "prior": prior, "left_out_mse": mse, "score": score(mse)})
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
