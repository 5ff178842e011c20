"""Choice of a quadratic head by groups left out: number of projections, priors, energy weight, linear part."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from ase import Atoms
from pydantic import Field

from pesforge.errors import DataError
from pesforge.export import Potential
from pesforge.fitting.candidates import FitSettings
from pesforge.fitting.search import MARGIN, Chosen, Say, Size, score_of, told
from pesforge.potentials.grams import GramProblem
from pesforge.potentials.normal import LinearFit, Weights
from pesforge.potentials.posterior import Posterior
from pesforge.potentials.quadratic_head import QuadraticHead
from pesforge.representations.arrays import BoolArray, FloatArray
from pesforge.representations.principal import principal_projections
from pesforge.representations.quadratic import QuadraticBasis
from pesforge.representations.stacked import Basis
from pesforge.settings import Section

COUNTS = (4, 8, 16, 32, 64)
"""Numbers of projections that are tried, up to the one of the options."""
OCTAVES = (-9, -6, -3, 0)
"""Prior scales of the products that are tried: powers of two times 1 / rms of the force column."""
ROUNDS = 2
"""How often every coordinate of the choice is gone through."""


class QuadraticOptions(Section):
    """Options of a quadratic head on the invariants."""

    projections: Annotated[int, Field(ge=1, le=COUNTS[-1])] = Field(
        32, description="most principal projections of the invariants whose products the head takes"
    )


@dataclass(frozen=True)
class Point:
    """What the left-out groups decide.

    Args:
        count: projections whose products are taken; 0: none.
        lowered: how much the degrees of the linear part are lowered.
        octaves: power of two of the prior scale of the products.
        decade: decade of α.
        root_energy: weight of energy residuals before squaring.
    """

    count: int
    lowered: int
    octaves: int
    decade: int
    root_energy: float


@dataclass(frozen=True)
class QuadraticChosen(Chosen):
    """The best candidate; `size` is that of the linear part.

    Args:
        count: projections whose products are taken.
        octaves: power of two of the prior scale of the products.
    """

    count: int = 0
    octaves: int = 0

    @cached_property
    def quadratic(self) -> QuadraticBasis:
        """The columns of the problem."""
        assert isinstance(self.problem.basis, QuadraticBasis)
        return self.problem.basis

    @cached_property
    def mask(self) -> BoolArray:
        """Columns that are taken: of the linear part, then of the products."""
        return _mask(self.quadratic, self.size, self.count)

    @cached_property
    def basis(self) -> Basis:
        """All invariants: each of them is in the projections."""
        return self.quadratic.linear

    def potential(self, fit: LinearFit, posterior: Posterior | None = None) -> Potential:
        """The potential of a fit of these columns."""
        functions, kept = self.basis.n_functions, self.quadratic.product_mask(self.count)
        head = QuadraticHead.of_products(self.quadratic.mean[: self.count], fit.coefficients[functions:][kept])
        zeros = dict(zip(self.basis.species, (fit.zeros + head.shift_ev).tolist(), strict=True))
        if posterior is not None:
            posterior = replace(posterior, whitening=self._of_all_functions(posterior.whitening))
        return Potential(
            "ace-quadratic",
            self.basis,
            fit.coefficients[:functions],
            zeros,
            head,
            np.ascontiguousarray(self.quadratic.matrix[:, : self.count]),
            np.zeros(self.count),
            posterior,
        )

    def _of_all_functions(self, whitening: FloatArray) -> FloatArray:
        """Rows of zeros put in where the linear part lacks a function."""
        functions = self.mask[: self.basis.n_functions]
        whole = np.zeros((len(functions) + len(whitening) - int(functions.sum()), whitening.shape[1]))
        whole[np.append(functions, np.ones(len(whole) - len(functions), dtype=np.bool_))] = whitening
        return whole


def _mask(basis: QuadraticBasis, size: Size, count: int) -> BoolArray:
    return np.append(size.mask(basis), basis.product_mask(count))


class _Walk:
    """Held-out scores of one quadratic problem; neighbours are tried as long as they gain."""

    def __init__(self, problem: GramProblem, basis: QuadraticBasis, settings: FitSettings, say: Say) -> None:
        self.problem, self.basis, self.settings, self.say = problem, basis, settings, say
        self.scores: dict[Point, float] = {}
        self.rows: list[dict[str, Any]] = []
        self.octaves = 0
        lowest, highest = settings.log10_alphas
        counts = [count for count in COUNTS if count < len(basis.mean)] + [len(basis.mean)]
        smallest = min(settings.reductions)
        lowered = [value for value in settings.reductions if value == smallest or self.size(value).mask(basis).any()]
        self.axes: dict[str, Sequence[Any]] = {
            "count": counts,
            "decade": range(lowest, highest + 1),
            "octaves": OCTAVES,
            "root_energy": sorted(settings.root_energy_weights),
            "lowered": sorted(lowered),
        }

    def size(self, lowered: int) -> Size:
        return Size((lowered,) * len(self.basis.parts))

    def weights(self, point: Point) -> Weights:
        return Weights(point.root_energy**2, 1.0, self.settings.root_stress_weight**2)

    def prepare(self, point: Point) -> BoolArray:
        """Bring the prior scale of the products to that of the point; returns the columns of the point."""
        factor = np.ones(self.basis.n_functions)
        factor[self.basis.linear.n_functions :] = 2.0 ** (point.octaves - self.octaves)
        if point.octaves != self.octaves:
            self.problem.stretch(factor)
            self.octaves = point.octaves
        return _mask(self.basis, self.size(point.lowered), point.count)

    def score(self, point: Point) -> float:
        if point in self.scores:
            return self.scores[point]
        mask = self.prepare(point)
        row = {**asdict(point), "n_functions": int(mask.sum()), "alpha": 10.0**point.decade}
        try:
            found = self.problem.held_out(self.weights(point), 10.0**point.decade, mask)
        except DataError:
            self.scores[point] = np.inf
            self.rows.append({**row, "score": None})
            return np.inf
        energy, rms = 1e3 * float(np.mean(np.abs(found.energy))), 1e3 * float(np.sqrt(np.mean(found.energy**2)))
        score = self.scores[point] = score_of(energy, rms, found.force_rms)
        measured = {
            "energy_mae_mev_per_atom": energy,
            "energy_rmse_mev_per_atom": rms,
            "force_rmse_ev_per_ang": found.force_rms,
        }
        self.rows.append({**row, "score": score, **measured})
        self.say(
            f"{point.count} projections, {mask.sum()} columns, w_E {point.root_energy:g}, alpha 1e{point.decade}, "
            f"prior scale 2^{point.octaves}: {energy:.2f} meV/atom (MAE), {found.force_rms:.4f} eV/Å (RMSE) left out"
        )
        return score

    def along(self, point: Point, axis: str) -> Point:
        """The best point that neighbours along one axis lead to."""
        values = self.axes[axis]
        place = min(range(len(values)), key=lambda i: abs(values[i] - getattr(point, axis)))
        best = point
        for step in (1, -1):
            other = place + step
            while 0 <= other < len(values):
                tried = replace(point, **{axis: values[other]})
                if not self.score(tried) < self.score(best):
                    break
                best, other = tried, other + step
            if best != point:
                break
        return best

    def best(self, start: Point) -> Point:
        """The point to take: of those about as good as the best, the fewest projections, then the largest α.

        Raises:
            DataError: no point can be factorised.
        """
        point = start
        for _ in range(ROUNDS):
            found = [self.along(replace(point, count=count), "decade") for count in self.axes["count"]]
            lowest = min(map(self.score, found))
            point = next(each for each in found if self.score(each) <= lowest + MARGIN)
            before = point
            for axis in ("octaves", "decade", "root_energy", "lowered"):
                point = self.along(point, axis)
            if point == before:
                break
        lowest = min(self.scores.values())
        good = [each for each, score in self.scores.items() if score <= lowest + MARGIN]
        good.sort(key=lambda each: (each.count, -each.decade, self.scores[each]))
        for each in (*good, *sorted(self.scores, key=lambda each: self.scores[each])):
            if np.isfinite(self.scores[each]) and self._holds(each):
                return each
        raise DataError("no quadratic head could be fitted: the structures carry too little information.")

    def _holds(self, point: Point) -> bool:
        """Whether the normal equations of all structures can be factorised as well as those of the folds."""
        mask = self.prepare(point)
        try:
            self.problem.factorise(self.weights(point), 10.0**point.decade, mask)
        except DataError:
            return False
        return True


def choose_quadratic(
    frames: Sequence[Atoms], chosen: Chosen, settings: FitSettings, options: QuadraticOptions, say: Say
) -> QuadraticChosen:
    """The best quadratic head on the functions of a chosen linear potential.

    Args:
        frames: labelled training structures.
        chosen: the linear potential, whose folds decide.
        settings: the candidates of α, energy weights and sizes of the linear part.
        options: of the head.
        say: takes lines of progress.

    Raises:
        DataError: a structure cannot be described, or no point can be fitted.
    """
    basis, columns = chosen.basis, np.append(chosen.mask, np.zeros(chosen.problem.n_species, dtype=np.bool_))
    undamped = chosen.problem.scale[columns] * (1.0 + basis.degree) ** settings.prior_power
    matrix = principal_projections(frames, basis, undamped, options.projections)
    atoms = sum(len(each) for each in frames)
    mean = sum((basis.invariants(each).sum(axis=0) for each in frames), np.zeros(len(matrix))) @ matrix / atoms
    quadratic = QuadraticBasis(basis, matrix, mean)
    say(f"{len(mean)} principal projections of {basis.n_functions} functions: {quadratic.n_functions} columns")
    problem = GramProblem(
        frames,
        quadratic,
        chosen.problem.folds,
        prior_power=settings.prior_power,
        keep_bytes=settings.memory_bytes,
        progress=told(say),
    )
    walk = _Walk(problem, quadratic, settings, say)
    start = Point(0, min(settings.reductions), 0, round(np.log10(chosen.alpha)), chosen.weights.energy**0.5)
    point = walk.best(start)
    return QuadraticChosen(
        problem,
        walk.size(point.lowered),
        walk.weights(point),
        10.0**point.decade,
        walk.scores[point],
        tuple(walk.rows),
        chosen.limit,
        count=point.count,
        octaves=point.octaves,
    )
