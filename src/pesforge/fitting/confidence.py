"""How large a linear potential takes its own errors to be: the scales that errors left out give its posterior."""

from dataclasses import replace

import numpy as np

from pesforge.errors import DataError
from pesforge.fitting.search import Chosen
from pesforge.metrics import Residuals
from pesforge.potentials.normal import Factor, stress_present
from pesforge.potentials.posterior import Posterior, posterior_of, quantile_scale
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.design import Design, assemble, rows_of

MOST_ROWS = 3000
"""Force components that decide on their scale: its error from their number is 1 %, their time a part of a second."""
SYMMETRIC = 1e-10
"""Labels of a leverage below this share of the largest one vanish by symmetry: it and the error are rounding."""
SEED = 0


def calibrated_posterior(chosen: Chosen, factor: Factor, left_out: Residuals) -> Posterior:
    """The posterior of a fit with scales of energies, forces and stresses from errors left out.

    Energies of all structures count; forces and stresses of a random sample of structures, each with the leverage that
    it has for the fit without its labels. A structure whose labels cannot be taken out in the precision of the numbers
    does not count; where none can, forces have no scale.

    Args:
        chosen: the choice.
        factor: its factorised normal equations.
        left_out: residuals of all structures without their groups.
    """
    problem = chosen.problem
    posterior = posterior_of(factor, problem.energy_rows_of(chosen.mask), left_out.energy)
    ends = np.concatenate([[0], np.cumsum(3 * problem.n_atoms)])
    errors: dict[str, list[FloatArray]] = {"force": [], "stress": []}
    leverages: dict[str, list[FloatArray]] = {"force": [], "stress": []}
    for s in _sample(3 * problem.n_atoms):
        block = _block(chosen, int(s))
        try:
            found = factor.outside(block)
        except DataError:
            continue
        errors["force"].append(left_out.forces[ends[s] : ends[s + 1]])
        errors["stress"].append(left_out.stress[6 * s : 6 * s + 6][stress_present(block)])
        for kind, values in leverages.items():
            values.append(found[kind])
    scales = {kind: _scale(values, leverages[kind]) for kind, values in errors.items()}
    return replace(posterior, force_scale=scales["force"], stress_scale=scales["stress"])


def _scale(errors: list[FloatArray], leverages: list[FloatArray]) -> float | None:
    """The scale of one kind of label; None where none counts."""
    error, leverage = np.concatenate([np.empty(0), *errors]), np.concatenate([np.empty(0), *leverages])
    counted = leverage > SYMMETRIC * leverage.max(initial=0.0)
    return quantile_scale(error[counted], leverage[counted]) if counted.any() else None


def _sample(sizes: IntArray) -> IntArray:
    """Structures in random order until their rows are enough, one at least."""
    order = np.random.default_rng(SEED).permutation(len(sizes))
    return order[: int(np.searchsorted(np.cumsum(sizes[order]), MOST_ROWS)) + 1]


def _block(chosen: Chosen, structure: int) -> Design:
    """The rows and labels of one structure."""
    problem = chosen.problem
    atoms = problem.frames[structure]
    rows = rows_of(atoms, problem.basis, str(structure)) if problem.kept is None else problem.kept[structure]
    return assemble([atoms], problem.basis, [rows])
