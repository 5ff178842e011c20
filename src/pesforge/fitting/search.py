"""Choice of cutoff, basis, regularisation and energy weight by groups left out of the training data alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.export import Potential
from pesforge.fields import FAMILY, GROUP
from pesforge.fitting.candidates import (
    FAR_L_MAX,
    FAR_SHARE,
    FAR_STEPS,
    NEAR_L_MAX,
    NEAR_STEPS,
    REACH,
    Family,
    FitSettings,
    all_pairs,
    cutoffs,
    mixed_channels,
    most_functions,
    spread_over,
)
from pesforge.folds import group_folds
from pesforge.potentials.grams import GramProblem
from pesforge.potentials.normal import LinearFit, Weights
from pesforge.potentials.posterior import Posterior
from pesforge.representations.ace import AceBasis
from pesforge.representations.arrays import BoolArray, IntArray
from pesforge.representations.columns import Columns
from pesforge.representations.stacked import Basis, stacked

Say = Callable[[str], None]
START_DECADE = -5
MARGIN = 0.005
"""Differences of scores below this do not decide between sizes: the smaller basis is taken."""
AROUND = 2
"""Decades of α on both sides of the best one that are tried with every energy weight."""
TRIAL_FUNCTIONS = 250
NEAR_ALONE = 350
"""Functions per species below which there is no far part: it doubles the pairs, and the time is better spent on more
functions of the near ones (left-out errors at equal time, on copper, molybdenum and silicon)."""
SEED = 0
SPOKEN = 10
"""How many times the progress through the structures is told."""


@dataclass(frozen=True)
class Size:
    """Some columns of the largest basis: how much the degrees of its parts are lowered; None leaves a part out."""

    reductions: tuple[int | None, ...]

    def mask(self, basis: Columns) -> BoolArray:
        """The columns (K,)."""
        pieces = [
            np.zeros(part.n_functions, dtype=np.bool_) if lowered is None else part.subset_mask(lowered)
            for part, lowered in zip(basis.parts, self.reductions, strict=True)
        ]
        return np.concatenate(pieces)

    def of(self, basis: Columns) -> Basis:
        """The basis of these columns alone, in the same order."""
        parts = [
            part.reduced(lowered)
            for part, lowered in zip(basis.parts, self.reductions, strict=True)
            if lowered is not None and part.subset_mask(lowered).any()
        ]
        return stacked(tuple(parts))


@dataclass(frozen=True)
class Chosen:
    """The best candidate.

    Args:
        problem: normal equations of the largest basis.
        size: the columns that are taken.
        weights: weights of squared residuals.
        alpha: prior precision.
        score: see `score_of`; errors of structures that were left out by folds of groups.
        tried: every point that was evaluated.
        limit: what decided the size of the largest basis.
    """

    problem: GramProblem
    size: Size
    weights: Weights
    alpha: float
    score: float
    tried: tuple[dict[str, Any], ...]
    limit: str

    @cached_property
    def mask(self) -> BoolArray:
        """Columns (K,) of the largest basis that are taken."""
        return self.size.mask(self.problem.basis)

    @cached_property
    def basis(self) -> Basis:
        """The basis of these columns."""
        return self.size.of(self.problem.basis)

    def potential(self, fit: LinearFit, posterior: Posterior | None = None) -> Potential:
        """The potential of a fit of the chosen functions."""
        zeros = dict(zip(self.basis.species, fit.zeros.tolist(), strict=True))
        return Potential("ace-linear", self.basis, fit.coefficients[self.mask], zeros, posterior=posterior)


def score_of(energy_mae: float, energy_rms: float, force_rms: float) -> float:
    """Logarithm of the force RMSE times the geometric mean of the MAE and the RMSE of the energy.

    Energies are few, and a few odd structures decide their RMSE; the MAE hardly sees them.
    """
    values = np.maximum([energy_mae, energy_rms, force_rms], np.finfo(np.float64).tiny)
    return float(np.array([0.5, 0.5, 1.0]) @ np.log(values))


Key = tuple[Size, float, int]


class _Points:
    """Held-out scores of one largest basis, each computed once."""

    def __init__(self, problem: GramProblem, settings: FitSettings, say: Say) -> None:
        self.problem, self.settings, self.say = problem, settings, say
        self.scores: dict[Key, float] = {}
        self.rows: list[dict[str, Any]] = []

    def weights(self, root_energy: float) -> Weights:
        return Weights(root_energy**2, 1.0, self.settings.root_stress_weight**2)

    def n_functions(self, size: Size) -> int:
        return int(size.mask(self.problem.basis).sum())

    def score(self, size: Size, root_energy: float, decade: int) -> float:
        key = (size, root_energy, decade)
        if key in self.scores:
            return self.scores[key]
        mask, parts = size.mask(self.problem.basis), self.problem.basis.parts
        reach = [part.cutoff_ang for part, lowered in zip(parts, size.reductions, strict=True) if lowered is not None]
        row = {
            "cutoffs_ang": reach,
            "n_functions": int(mask.sum()),
            "root_energy_weight": root_energy,
            "alpha": 10.0**decade,
        }
        try:
            found = self.problem.held_out(self.weights(root_energy), 10.0**decade, mask)
        except DataError:
            self.scores[key] = np.inf
            self.rows.append({**row, "score": None})
            return np.inf
        energy, force = 1e3 * float(np.mean(np.abs(found.energy))), found.force_rms
        rms = 1e3 * float(np.sqrt(np.mean(found.energy**2)))
        score = score_of(energy, rms, force)
        self.scores[key] = score
        self.rows.append(
            {
                **row,
                "score": score,
                "energy_mae_mev_per_atom": energy,
                "energy_rmse_mev_per_atom": rms,
                "force_rmse_ev_per_ang": force,
            }
        )
        self.say(
            f"cutoff {' and '.join(f'{cutoff:g}' for cutoff in reach)} Å, {mask.sum()} functions, w_E {root_energy:g}, "
            f"alpha 1e{decade}: {energy:.2f} meV/atom (MAE), {force:.4f} eV/Å (RMSE) left out"
        )
        return score

    def descend(self, size: Size, root_energy: float, start: int) -> int:
        """The decade of α with the lowest score near `start`: neighbours are tried until both are no better."""
        lowest, highest = self.settings.log10_alphas
        best = min(max(start, lowest), highest)
        score = self.score(size, root_energy, best)
        for step in (1, -1):
            moved = False
            while lowest <= best + step <= highest:
                other = self.score(size, root_energy, best + step)
                if np.isfinite(score) and not other < score:
                    break
                best, score, moved = best + step, other, True
            if moved:
                break
        return best

    def best(self) -> Key:
        """The point to take: of those about as good as the best, the one with the fewest functions."""
        lowest = min(self.scores.values())
        good = [key for key, score in self.scores.items() if score <= lowest + MARGIN]
        fewest = min(self.n_functions(size) for size, _, _ in good)
        few = [key for key in self.scores if self.n_functions(key[0]) == fewest]
        return min(few, key=lambda key: self.scores[key])

    def best_that_holds(self) -> Key:
        """The best point whose normal equations of all structures can be factorised as well as those of the folds.

        Raises:
            DataError: there is none.
        """
        while np.isfinite(min(self.scores.values())):
            key = self.best()
            size, root_energy, decade = key
            try:
                self.problem.factorise(self.weights(root_energy), 10.0**decade, size.mask(self.problem.basis))
            except DataError:
                self.scores[key] = np.inf
            else:
                return key
        raise DataError("no candidate could be fitted: the structures carry too little information. Add structures.")

    def climb(self, sizes: Sequence[Size]) -> None:
        """Score sizes from small to large at the first energy weight; then lighter and heavier ones while they gain."""
        decade = START_DECADE
        for size in sizes:
            decade = self.descend(size, self.settings.root_energy_weights[0], decade)
        size, _, decade = self.best()
        first = self.settings.root_energy_weights[0]
        lighter = sorted((w for w in self.settings.root_energy_weights if w < first), reverse=True)
        heavier = sorted(w for w in self.settings.root_energy_weights if w > first)
        start = self._around(size, first, decade)
        for direction in (lighter, heavier):
            lowest = start
            for root_energy in direction:
                found = self._around(size, root_energy, decade)
                if found > lowest:
                    break
                lowest = found

    def _around(self, size: Size, root_energy: float, decade: int) -> float:
        """The lowest score at one energy weight with the decades of α around a given one."""
        lowest, highest = self.settings.log10_alphas
        decades = range(max(decade - AROUND, lowest), min(decade + AROUND, highest) + 1)
        return min(self.score(size, root_energy, other) for other in decades)


def _sizes(basis: Basis, reductions: Sequence[int]) -> list[Size]:
    """Sizes from small to large: the near part grows, then the far part is added and grows."""
    falling = sorted(reductions, reverse=True)
    if len(basis.parts) == 1:
        sizes = [Size((lowered,)) for lowered in falling]
    else:
        sizes = [Size((lowered, None)) for lowered in falling] + [Size((falling[-1], lowered)) for lowered in falling]
    distinct = {int(size.mask(basis).sum()): size for size in reversed(sizes)}
    return [size for size in sizes if size in distinct.values() and size.mask(basis).any()]


def _folds(frames: Sequence[Atoms], settings: FitSettings) -> list[IntArray]:
    groups = [str(atoms.info[GROUP]) for atoms in frames]
    families = [str(atoms.info[FAMILY]) for atoms in frames]
    return group_folds(groups, min(settings.folds, len(set(groups))), SEED, families=families)


def _near_cutoff(frames: Sequence[Atoms], family: Family, most: int, settings: FitSettings, say: Say) -> float:
    """The near cutoff whose small basis predicts groups best that a part of the structures leaves out."""
    small = most < NEAR_ALONE * len(family.species)
    few = [frames[s] for s in spread_over(frames, settings.trial_atoms // 2 if small else settings.trial_atoms)]
    if len({str(atoms.info[GROUP]) for atoms in few}) < 2:
        few = list(frames)
    pairs = list(all_pairs(few))
    tried = cutoffs(pairs, settings)
    if len(tried) == 1:
        return tried[0]
    folds = _folds(few, settings)
    scores = {}
    for cutoff in tried:
        basis = family.reaching(cutoff).largest(max(min(TRIAL_FUNCTIONS * len(family.species), most), 1))
        problem = GramProblem(few, basis, folds, prior_power=settings.prior_power, pairs=pairs)
        points = _Points(problem, settings, say)
        points.descend(Size((0,)), settings.root_energy_weights[0], START_DECADE)
        scores[cutoff] = min(points.scores.values())
    return min(scores, key=lambda cutoff: scores[cutoff])


def _largest(family: Family, cutoff: float, most: int) -> tuple[AceBasis, ...]:
    """Near and far part of at most so many functions in all; the near part alone where few functions are asked for."""
    near = family.reaching(cutoff)
    if most < NEAR_ALONE * len(family.species):
        return (near.largest(most),)
    far = replace(family, cutoff_ang=round(REACH * cutoff, 2), steps=FAR_STEPS, l_max=FAR_L_MAX)
    try:
        second = far.largest(int(FAR_SHARE * most))
        return near.largest(most - second.n_functions), second
    except DataError:
        return (near.largest(most),)


def choose(frames: Sequence[Atoms], settings: FitSettings, say: Say) -> Chosen:
    """The candidate with the lowest score.

    A small basis and a part of the structures decide the near cutoff. Then Gram matrices of the largest basis at this
    cutoff are formed once; all sizes, α and energy weights are scored with them: sizes from small to large at the first
    energy weight, α being followed decade by decade from the best one of the size before; then, at the best size,
    lighter and heavier energy weights as long as they gain, each with the decades of α around the best one.

    Args:
        frames: labelled training structures with groups.
        settings: the candidates.
        say: takes lines of progress.

    Raises:
        DataError: all structures are of one group, or no candidate can be fitted.
    """
    if len({str(atoms.info[GROUP]) for atoms in frames}) < 2:
        raise DataError("all training structures are of one group; choosing a potential needs two at least.")
    species = tuple(sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()}))
    most, limit = most_functions(frames, settings)
    mixing, degrees = mixed_channels(len(species))
    family = Family(species, 1.0, NEAR_STEPS, NEAR_L_MAX, mixing, degrees)
    cutoff = _near_cutoff(frames, family, most, settings, say)
    basis = stacked(_largest(family, cutoff, most))
    say(
        f"cutoff {' and '.join(f'{part.cutoff_ang:g}' for part in basis.parts)} Å: {len(frames)} structures, "
        f"{basis.n_functions} functions"
    )
    problem = GramProblem(
        frames,
        basis,
        _folds(frames, settings),
        prior_power=settings.prior_power,
        keep_bytes=settings.memory_bytes,
        progress=told(say),
    )
    points = _Points(problem, settings, say)
    points.climb(_sizes(basis, settings.reductions))
    size, root_energy, decade = points.best_that_holds()
    score = points.scores[size, root_energy, decade]
    return Chosen(problem, size, points.weights(root_energy), 10.0**decade, score, tuple(points.rows), limit)


def told(say: Say) -> Callable[[int, int], None]:
    """Progress that is told a few times."""

    def progress(done: int, total: int) -> None:
        if done == total or done * SPOKEN // total > (done - 1) * SPOKEN // total:
            say(f"{done} of {total} structures described")

    return progress
