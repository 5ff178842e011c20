"""Greedy choice of the structures to label next, with the posterior updated after each pick."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from scipy.spatial.distance import cdist

from pesforge.acquisition.blocks import Blocks
from pesforge.acquisition.field import EnergyField
from pesforge.acquisition.posterior import Posterior
from pesforge.acquisition.rules import CRITERIA, Reference
from pesforge.errors import DataError
from pesforge.potentials.normal import Factor
from pesforge.representations.arrays import FloatArray, IntArray

TIE = 1e-9
"""Relative difference of scores that is rounding: among such candidates the first name wins."""
LAZY_CHUNK = 8
"""Candidates whose gain is computed at once where old gains are upper bounds."""
FIELD_RULE = "i_optimal_misfit"
RULES = ("random", FIELD_RULE, *CRITERIA)
COPY_SHARE = 1e-9
"""Distances below this share of the largest one are those of copies."""
UNITS = ("structure", "best_atom", "mean_atom")


@dataclass(frozen=True)
class Rule:
    """By what candidates are ranked: score = gain × (1 − k) / cost.

    k = max over the chosen c of exp(−d²/(2 ℓ²)) is the similarity to what is labelled or picked already, d being the
    distance of scaled mean descriptors: the prior standard deviation of the difference of two energies per atom, up to
    a factor. ℓ is the median distance of a candidate to its nearest other one. A copy of a chosen structure has the
    score 0.

    Args:
        name: `random`; `i_optimal_misfit`: by how much the energy label lowers the mean variance of the energy per atom
            of a reference, misfit included (`pesforge.acquisition.field`); or one of
            `pesforge.acquisition.rules.CRITERIA`.
        unit: `structure`: the gain of all labels; `best_atom`, `mean_atom`: the largest or mean gain of its atoms, the
            label of an atom being its force.
        diverse: whether 1 − k counts.
        per_cost: whether the cost counts: gain per second of the reference method.

    Raises:
        DataError: the name or unit is not known.
    """

    name: str = FIELD_RULE
    unit: Literal["structure", "best_atom", "mean_atom"] = "structure"
    diverse: bool = False
    per_cost: bool = False

    def __post_init__(self) -> None:
        if self.name not in RULES or self.unit not in UNITS:
            raise DataError(
                f"the rule {self.name!r} by {self.unit!r} is not known: rules are {', '.join(RULES)}; units "
                f"{', '.join(UNITS)}."
            )
        if self.name == FIELD_RULE and self.unit != "structure":
            raise DataError(f"{FIELD_RULE} looks at energies of whole structures: its unit is 'structure' alone.")


DEFAULT = Rule()
"""The rule that does best over all published sets of `benchmarks/active_learning.py`; on single sets others win.

Do not trust it where
- the pool is not what the potential is made for: it learns the mean of the pool, or of the `reference` it is given;
- every kind of structure counts alike: at equal seconds on three studies of many families it lowers the mean error, and
  the geometric mean over the families not clearly (`benchmarks/README.md`);
- forces decide: it looks at energies alone; with half of random's labels its forces are as good to 3 %, not better;
- labels are fewer than the kinds of structures in the pool: until each was seen, families fare as at random;
- labels are so many that the error stands at the misfit of the model: then no choice helps, a larger basis does;
- mean descriptors cannot tell apart what differs, such as one odd atom in a large cell;
- labels differ much in cost: gain per second buys something early where prices differ many times and are known, and
  nothing on three studies with measured times; there random picks that prefer cheap structures may do as well.
Diversity is off: it helps on one study and on no other set. Size and length of the misfit were chosen in sight of test
errors of silicon, copper and molybdenum. Keep random as the control.
"""


@dataclass(frozen=True)
class Problem:
    """What is known and what can be asked for.

    Args:
        factor: the fit to the labels so far.
        blocks: what the N candidates would say.
        reference: whose mean variance an I-optimal rule lowers, such as the whole pool; other rules need none.
        field: energies of candidates and reference with their misfit, for the rule that sees it; others need none.
        labelled: (M, P) energy rows of what is labelled, for diversity; None: nothing is.
        cost_s: (N,) expected seconds of each label; None: all cost the same.

    Raises:
        DataError: lengths differ, or a cost is not positive.
    """

    factor: Factor
    blocks: Blocks
    reference: Reference | None = None
    field: EnergyField | None = None
    labelled: FloatArray | None = None
    cost_s: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.cost_s is not None and (
            self.cost_s.shape != (len(self.blocks.ids),) or not (np.isfinite(self.cost_s) & (self.cost_s > 0)).all()
        ):
            raise DataError(f"{len(self.blocks.ids)} candidates need as many costs in seconds, all above 0.")


@dataclass(frozen=True)
class Pick:
    """One chosen candidate: its place among the candidates, its name, and the gain and score it was chosen with."""

    index: int
    id: str
    gain: float
    score: float


@dataclass(frozen=True)
class _Novelty:
    """1 − k of every candidate: how little it resembles what is chosen.

    Args:
        points: (N, P) energy rows of the candidates.
        length: ℓ.
        values: (N,) 1 − k.
    """

    points: FloatArray
    length: float
    values: FloatArray

    @classmethod
    def of(cls, problem: Problem) -> Self:
        points = problem.blocks.energy
        own = cdist(points, points)
        apart = np.where(own > COPY_SHARE * own.max(initial=0.0), own, np.inf).min(axis=1, initial=np.inf)
        apart = apart[np.isfinite(apart)]
        start = cls(points, float(np.median(apart)) if len(apart) else 1.0, np.ones(len(points)))
        return start if problem.labelled is None else start.beside(problem.labelled)

    def beside(self, chosen: FloatArray) -> Self:
        """1 − k with more chosen points (M, P)."""
        squares = cdist(self.points, chosen, "sqeuclidean").min(axis=1, initial=np.inf)
        return replace(self, values=np.minimum(self.values, -np.expm1(-0.5 * squares / self.length**2)))


Gains = Callable[[IntArray], FloatArray]
"""Gains (M,) of the given candidates under one posterior."""


@dataclass(frozen=True)
class _Known:
    """What the picks so far have taught, as far as a rule asks for it."""

    problem: Problem
    rule: Rule
    posterior: Posterior | None
    field: EnergyField | None

    @classmethod
    def of(cls, problem: Problem, rule: Rule) -> Self:
        """What is known before the first pick."""
        field = problem.field if rule.name == FIELD_RULE else None
        return cls(problem, rule, Posterior.of(problem.factor) if rule.name in CRITERIA else None, field)

    def gains(self, draws: FloatArray) -> Gains:
        """The gains of now; `draws` (N,) are those of the rule `random`."""
        if self.field is not None:
            return self.field.gains
        if self.posterior is None:
            return lambda chosen: draws[chosen]
        criterion, blocks, posterior = CRITERIA[self.rule.name], self.problem.blocks, self.posterior
        target = np.empty((len(posterior.root), 0))
        if criterion.target is not None and self.problem.reference is not None:
            target = criterion.target(self.problem.reference, posterior)
        if self.rule.unit == "structure":
            return lambda chosen: criterion.structures(posterior, blocks.select(chosen), target)
        reduce = np.max if self.rule.unit == "best_atom" else np.mean
        return lambda chosen: np.array(
            [float(reduce(criterion.atoms(posterior.whiten(blocks.atoms[s]), target))) for s in chosen]
        )

    def after(self, chosen: int) -> Self:
        """What is known once a candidate has its labels."""
        posterior = None if self.posterior is None else self.posterior.after(self.problem.blocks.rows[chosen])
        return replace(self, posterior=posterior, field=None if self.field is None else self.field.after(chosen))


def _weighted(gains: Gains, factors: FloatArray) -> Gains:
    """Gains times the factors (N,) of the candidates."""
    return lambda chosen: gains(chosen) * factors[chosen]


def _rescore(score: Gains, scores: FloatArray, order: IntArray, lazy: bool) -> float:
    """Write new scores of candidates until none of the rest can be best; returns the best one.

    Args:
        score: computes scores.
        scores: (N,) old scores, which are upper bounds where `lazy` is true; changed in place.
        order: candidates by falling old score.
        lazy: whether to stop early.
    """
    best, step = -np.inf, LAZY_CHUNK if lazy else len(order)
    for start in range(0, len(order), step):
        chunk = order[start : start + step]
        if scores[chunk[0]] < best - TIE * abs(best):
            break
        scores[chunk] = score(chunk)
        best = max(best, float(scores[chunk].max()))
    return best


def _check(problem: Problem, rule: Rule, count: int) -> None:
    total = len(problem.blocks.ids)
    if not 0 <= count <= total:
        raise DataError(f"{count} picks out of {total} candidates are not possible; pick between 0 and {total}.")
    if rule.per_cost and problem.cost_s is None:
        raise DataError("the rule divides gains by costs, but the candidates have none. Give their seconds per label.")
    if rule.name == FIELD_RULE and problem.field is None:
        raise DataError(f"{FIELD_RULE} needs the field of the energies: EnergyField.of the candidates.")
    if rule.name in CRITERIA and CRITERIA[rule.name].target is not None and problem.reference is None:
        raise DataError(f"{rule.name} needs a reference whose variance is to fall: Reference.of the pool, for example.")


def select(problem: Problem, rule: Rule, count: int, *, seed: int = 0) -> tuple[Pick, ...]:
    """The candidates to label next, best first.

    After each pick the posterior is that with the labels of the pick, so that a batch does not ask the same twice.
    Where a gain can only fall by the picks of others, candidates whose old score is below the best new one are not
    computed again. Equal scores go to the first name, so that the order of the candidates has no say.

    Args:
        problem: what is known and what can be asked for.
        rule: by what to choose.
        count: number of picks.
        seed: decides what `random` draws; no other rule draws anything.

    Raises:
        DataError: there are fewer candidates than picks, or the rule needs costs or a reference that are missing.
    """
    _check(problem, rule, count)
    total = len(problem.blocks.ids)
    rank = np.argsort(np.argsort(np.array(problem.blocks.ids, dtype=object))).astype(np.int64)
    cost = problem.cost_s if rule.per_cost and problem.cost_s is not None else np.ones(total)
    lazy = rule.name in CRITERIA and CRITERIA[rule.name].submodular
    draws = np.random.default_rng(seed).uniform(size=total)[rank]
    known = _Known.of(problem, rule)
    novelty = _Novelty.of(problem) if rule.diverse else None
    scores, left = np.full(total, np.inf), np.ones(total, dtype=np.bool_)
    picks: list[Pick] = []
    for _ in range(count):
        per_second = (np.ones(total) if novelty is None else novelty.values) / cost
        gains = known.gains(draws)
        candidates = np.flatnonzero(left)
        order = candidates[np.lexsort((rank[candidates], -scores[candidates]))]
        best = _rescore(_weighted(gains, per_second), scores, order, lazy)
        tied = candidates[scores[candidates] >= best - TIE * abs(best)]
        chosen = int(tied[np.argmin(rank[tied])])
        gain = float(gains(np.array([chosen]))[0])
        picks.append(Pick(chosen, problem.blocks.ids[chosen], gain, float(scores[chosen])))
        left[chosen], known = False, known.after(chosen)
        novelty = None if novelty is None else novelty.beside(problem.blocks.energy[chosen : chosen + 1])
    return tuple(picks)
