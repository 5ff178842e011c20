"""Influential labels: leverage and Cook's distance on the linear model, and the fit without the worst of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pesforge.metrics import errors
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import LinearFit, Weights
from pesforge.representations.arrays import BoolArray, FloatArray, IntArray
from pesforge.representations.design import Design

Select = Callable[[Design, IntArray], Design]
"""Gives the design of some structures of another, in memory or on the disk."""
Property = tuple[str, str, float]
"""Quantity, unit and value of a property of a fit, such as an elastic constant."""

COMPARED = (
    ("energy RMSE, leave-group-out", "meV/atom", "energy_rmse_mev_per_atom"),
    ("force RMSE, leave-group-out", "eV/Å", "force_rmse_ev_per_ang"),
    ("stress RMSE, leave-group-out", "GPa", "stress_rmse_gpa"),
)


@dataclass(frozen=True)
class Influence:
    """Cook's distances and leverages of S structures.

    Args:
        cook_energy: (S,) of the energy row alone.
        cook: (S,) of all labels of the structure together.
        leverage_energy: (S,) of the energy row.
        leverage: (S,) sum over the rows of the structure.
        effective_parameters: p, the sum of all leverages.
        noise: σ̂ of a residual of weight 1.
    """

    cook_energy: FloatArray
    cook: FloatArray
    leverage_energy: FloatArray
    leverage: FloatArray
    effective_parameters: float
    noise: float


def influence(problem: LinearProblem, weights: Weights, alpha: float, columns: BoolArray | None = None) -> Influence:
    """How far each label pulls the fit.

    For one weighted row, D = e² h / (p σ̂² (1 − h)²) with residual e and leverage h. For a structure g, whose labels
    come and go together, D = (v − v⁽⁻ᵍ⁾)ᵀ H (v − v⁽⁻ᵍ⁾) / (p σ̂²) = rᵀ P_g r / (p σ̂²) with r = (I − P_g)⁻¹ e_g, which
    for a single row is the same. p = tr P is the effective number of parameters and σ̂² = Σ e² / (N − p).

    Args:
        problem: labelled structures.
        weights: weights of the fit.
        alpha: prior precision.
        columns: mask (K,) of functions; None: all.
    """
    factor = problem.factorise(weights, alpha, columns)
    count = len(problem.design.n_atoms)
    cook_energy, cook, leverage_energy, leverage = (np.zeros(count) for _ in range(4))
    misfit = 0.0
    for structure in range(count):
        block = problem.design.select(np.array([structure]))
        rows, targets = factor.rows(block)
        residual = targets - rows @ factor.vector
        h = np.sum(factor.half(rows) ** 2, axis=0)
        shift = factor.cholesky.T @ (factor.vector - factor.without(block))
        leverage_energy[structure], leverage[structure] = h[0], h.sum()
        cook_energy[structure] = residual[0] ** 2 * h[0] / (1 - h[0]) ** 2
        cook[structure] = shift @ shift
        misfit += float(residual @ residual)
    parameters = float(leverage.sum())
    variance = misfit / max(factor.n_rows - parameters, 1.0)
    unit = max(parameters * variance, np.finfo(np.float64).tiny)
    return Influence(cook_energy / unit, cook / unit, leverage_energy, leverage, parameters, float(np.sqrt(variance)))


def compare_without(
    problem: LinearProblem,
    removed: IntArray,
    weights: Weights,
    alpha: float,
    *,
    prior_power: float,
    select: Select = Design.select,
    properties: Callable[[LinearFit], Sequence[Property]] | None = None,
) -> list[dict[str, str | float | None]]:
    """Held-out errors and properties of the fit on all labels beside the fit without some structures.

    Both errors are those of the remaining structures, each predicted without its group.

    Args:
        problem: labelled structures.
        removed: indices of the structures that the second fit does without.
        weights: weights of both fits.
        alpha: prior precision of both fits.
        prior_power: exponent of the prior scale of the second fit.
        select: gives the design of the structures that remain.
        properties: curvature of a fit (elastic constants, phonons), compared too; the same ones for every fit.

    Returns:
        Rows with `quantity`, `unit`, `all_labels` and `without_top`.
    """
    rest = np.setdiff1d(np.arange(len(problem.design.ids)), removed)
    reduced = LinearProblem(select(problem.design, rest), prior_power=prior_power)
    before = errors(problem.leave_out(weights, alpha, problem.design.groups).select(rest))
    after = errors(reduced.leave_out(weights, alpha, reduced.design.groups))
    rows: list[dict[str, str | float | None]] = [
        {"quantity": name, "unit": unit, "all_labels": before[key], "without_top": after[key]}
        for name, unit, key in COMPARED
    ]
    if properties is not None:
        pairs = zip(properties(problem.fit(weights, alpha)), properties(reduced.fit(weights, alpha)), strict=True)
        rows += [
            {"quantity": name, "unit": unit, "all_labels": value, "without_top": other}
            for (name, unit, value), (_, _, other) in pairs
        ]
    return rows
