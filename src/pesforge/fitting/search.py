"""Choice of cutoff, basis, regularisation and energy weight by exact leave-group-out on the training data alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.fitting.candidates import FitSettings, cutoffs, largest_basis, most_functions
from pesforge.metrics import errors
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import Weights
from pesforge.representations.ace import AceBasis
from pesforge.representations.arrays import BoolArray
from pesforge.representations.design import describe

Say = Callable[[str], None]
START_DECADE = -5
MARGIN = 0.005
"""Differences of scores below this decide nothing: the smaller basis, then the larger α is taken."""


@dataclass(frozen=True)
class Chosen:
    """The best candidate.

    Args:
        basis: its largest basis.
        problem: normal equations of that basis.
        reduction: how much the largest degrees are lowered.
        weights: weights of squared residuals.
        alpha: prior precision.
        score: sum of the logarithms of the RMSE of energy (meV/atom) and force (eV/Å), left out by group.
        tried: every point that was evaluated.
        limit: what decided the size of the largest basis.
    """

    basis: AceBasis
    problem: LinearProblem
    reduction: int
    weights: Weights
    alpha: float
    score: float
    tried: tuple[dict[str, Any], ...]
    limit: str

    @property
    def mask(self) -> BoolArray:
        """Columns (K,) of the chosen size."""
        return self.basis.subset_mask(self.reduction)


class _Points:
    """Held-out scores of one design, each computed once."""

    def __init__(self, problem: LinearProblem, basis: AceBasis, settings: FitSettings, say: Say) -> None:
        self.problem, self.basis, self.settings, self.say = problem, basis, settings, say
        self.scores: dict[tuple[int, float, int], float] = {}
        self.rows: list[dict[str, Any]] = []

    def weights(self, root_energy: float) -> Weights:
        return Weights(root_energy**2, 1.0, self.settings.root_stress_weight**2)

    def score(self, reduction: int, root_energy: float, decade: int) -> float:
        key = (reduction, root_energy, decade)
        if key in self.scores:
            return self.scores[key]
        mask, groups = self.basis.subset_mask(reduction), self.problem.design.groups
        row = {
            "cutoff_ang": self.basis.cutoff_ang,
            "n_functions": int(mask.sum()),
            "root_energy_weight": root_energy,
            "alpha": 10.0**decade,
        }
        try:
            found = errors(self.problem.leave_out(self.weights(root_energy), 10.0**decade, groups, mask))
        except DataError:
            self.scores[key] = np.inf
            self.rows.append({**row, "score": None})
            return np.inf
        energy, force = found["energy_rmse_mev_per_atom"], found["force_rmse_ev_per_ang"]
        score = float(sum(np.log(max(value or 0.0, np.finfo(np.float64).tiny)) for value in (energy, force)))
        self.scores[key] = score
        self.rows.append({**row, "score": score, **found})
        self.say(
            f"cutoff {self.basis.cutoff_ang:g} Å, {mask.sum()} functions, w_E {root_energy:g}, alpha 1e{decade}: "
            f"{energy:.2f} meV/atom, {force:.4f} eV/Å left out"
        )
        return score

    def descend(self, reduction: int, root_energy: float, start: int) -> int:
        """The decade of α with the lowest score near `start`: neighbours are tried until both are no better."""
        lowest, highest = self.settings.log10_alphas
        best = min(max(start, lowest), highest)
        score = self.score(reduction, root_energy, best)
        for step in (1, -1):
            moved = False
            while lowest <= best + step <= highest:
                other = self.score(reduction, root_energy, best + step)
                if np.isfinite(score) and not other < score + step * MARGIN:
                    break
                best, score, moved = best + step, other, True
            if moved:
                break
        return best

    def best(self) -> tuple[int, float, int]:
        """Reduction, root of the energy weight and decade of the point to take."""
        lowest = min(self.scores.values())
        good = [key for key, score in self.scores.items() if score <= lowest + MARGIN]
        return max(good, key=lambda key: (key[0], key[2], -self.scores[key]))


def _masks(basis: AceBasis, reductions: Sequence[int]) -> list[int]:
    """Reductions that leave functions and give different sizes, from the smallest basis to the largest."""
    sizes = {int(basis.subset_mask(reduction).sum()): reduction for reduction in sorted(reductions, reverse=True)}
    return [sizes[size] for size in sorted(sizes) if size > 0]


def choose(frames: Sequence[Atoms], settings: FitSettings, say: Say) -> Chosen:
    """The candidate with the lowest score; the design matrix is built once per cutoff.

    Per cutoff sizes are tried from small to large at the first energy weight, α being followed decade by decade from
    the best one of the size before; then the other energy weights at the best size.

    Args:
        frames: labelled training structures with groups.
        settings: the candidates.
        say: takes lines of progress.

    Raises:
        DataError: all structures are of one group, or no candidate can be fitted.
    """
    if len({str(atoms.info["group"]) for atoms in frames}) < 2:
        raise DataError("all training structures are of one group; choosing a potential needs two at least.")
    species = tuple(sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()}))
    most, limit = most_functions(frames, len(species), settings)
    best: Chosen | None = None
    tried: list[dict[str, Any]] = []
    for cutoff in cutoffs(frames, settings):
        basis = largest_basis(species, cutoff, most)
        say(f"cutoff {cutoff:g} Å: design matrix of {len(frames)} structures, {basis.n_functions} functions")
        problem = LinearProblem(describe(frames, basis), prior_power=settings.prior_power)
        points = _Points(problem, basis, settings, say)
        decade = START_DECADE
        for reduction in _masks(basis, settings.reductions):
            decade = points.descend(reduction, settings.root_energy_weights[0], decade)
        reduction, _, decade = points.best()
        for root_energy in settings.root_energy_weights[1:]:
            points.descend(reduction, root_energy, decade)
        tried += points.rows
        reduction, root_energy, decade = points.best()
        score = points.scores[reduction, root_energy, decade]
        if np.isfinite(score) and (best is None or score < best.score):
            weights = points.weights(root_energy)
            best = Chosen(basis, problem, reduction, weights, 10.0**decade, score, (), limit)
    if best is None:
        raise DataError("no candidate could be fitted: the structures carry too little information. Add structures.")
    return Chosen(**{**vars(best), "tried": tuple(tried)})
