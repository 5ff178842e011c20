"""A noise that depends on the surroundings of the atoms: a log-linear law of their features, learned from errors."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize

from pesforge.errors import DataError
from pesforge.folds import group_folds
from pesforge.metrics import KINDS, Residuals
from pesforge.representations.arrays import BoolArray, FloatArray, IntArray

RIDGE = 1e-3
"""Penalty of squared weights beside the mean loss of an atom: features that tell nothing keep weights near zero."""
PRIORS = (0.0, 0.3, 1.0)
"""Standard deviations of a log variance before any error is seen, among which folds of groups decide; 0: a constant."""
INNER_FOLDS = 4
FARTHEST = 3.0
"""Standard deviations at which features are cut off: an exponential must not run away where nothing was learned."""


@dataclass(frozen=True)
class NoiseShape:
    """Relative aleatoric variance of an atom, exp(w · φ), with φ its standardised features, their squares and 1.

    Attributes:
        mean, scale: (P,) of the features of the atoms that taught it.
        weights: (2P + 1,) w, the constant last.
    """

    mean: FloatArray
    scale: FloatArray
    weights: FloatArray

    def of(self, features: FloatArray) -> FloatArray:
        """Relative variances (N,) of atoms with features (N, P)."""
        return np.asarray(np.exp(self._rows(features) @ self.weights))

    def stored(self) -> dict[str, list[float]]:
        """The numbers of the shape, builtin types only."""
        return {key: value.tolist() for key, value in vars(self).items()}

    @classmethod
    def of_stored(cls, found: Mapping[str, Any]) -> "NoiseShape":
        """The shape that `stored` gave."""
        return cls(**{key: np.array(found[key]) for key in ("mean", "scale", "weights")})

    def _rows(self, features: FloatArray) -> FloatArray:
        z = np.clip((features - self.mean) / self.scale, -FARTHEST, FARTHEST)
        return np.concatenate([z, z**2 - 1.0, np.ones((len(z), 1))], axis=1)

    @classmethod
    def learned(
        cls, features: FloatArray, errors: FloatArray, spread: FloatArray | None = None, *, ridge: float = RIDGE
    ) -> "NoiseShape":
        """The shape of the largest Gaussian likelihood of errors; without an epistemic part the loss is convex.

        Args:
            features: (N, P) of the atoms, or of whole structures.
            errors: (N, C) errors of their labels, such as three components of the force; NaN where there is none.
            spread: (N, C) epistemic variances up to one factor, which is learned beside the noise and forgotten, so
                that what the model does not know is not taken for noise; None: all of the error is noise.
            ridge: penalty of squared weights beside the mean loss; infinite: the noise is the same everywhere.

        Raises:
            DataError: there are no errors, or all of them vanish.
        """
        return _fitted(_Table(features, errors, np.zeros(errors.shape) if spread is None else spread), ridge)[0]


class _Table(NamedTuple):
    """Labels of one kind: features (N, P), errors (N, C), NaN where there is none, and epistemic variances (N, C)."""

    features: FloatArray
    errors: FloatArray
    spread: FloatArray

    def part(self, chosen: BoolArray) -> "_Table":
        return _Table(self.features[chosen], self.errors[chosen], self.spread[chosen])


def _fitted(table: _Table, ridge: float) -> tuple[NoiseShape, Callable[[_Table], FloatArray]]:
    """A shape, and the Gaussian losses (N,) (twice the negative log likelihood) of other rows of labels by it."""
    features, errors, spread = table
    present = np.isfinite(errors)
    squares = np.where(present, errors, 0.0) ** 2
    if not squares.any():
        raise DataError("no force errors to learn the noise from. Add labels.")
    width = features.std(axis=0)
    shape = NoiseShape(features.mean(axis=0), np.where(width > 0, width, 1.0), np.zeros(2 * features.shape[1] + 1))
    unit = squares[present].mean()
    known_unit = float(spread[present].mean()) or 1.0
    free = np.isfinite(ridge)

    def parts(place: FloatArray, rows: FloatArray, variances: FloatArray) -> tuple[FloatArray, FloatArray]:
        noise = np.exp(np.clip(rows @ place[:-1], -50.0, 50.0))[:, None]
        return noise, np.exp(place[-1]) * variances / known_unit

    rows, share = shape._rows(features), present / present.sum()
    relative, known = squares / unit, np.where(present, spread, 0.0)

    def loss(place: FloatArray) -> tuple[float, FloatArray]:
        noise, epistemic = parts(place, rows, known)
        variance, own = noise + epistemic, place[:-2]
        value = float(np.sum(share * (np.log(variance) + relative / variance)))
        pull = share * (1.0 - relative / variance) / variance
        slope = np.append((pull * noise).sum(axis=1) @ rows, np.sum(pull * epistemic))
        if free:
            slope[:-2] += 2.0 * ridge * own
            value += ridge * float(own @ own)
        return value, slope

    fixed = (None, None) if free else (0.0, 0.0)
    bounds = [fixed] * (len(shape.weights) - 1) + [(None, None), (-20.0, 5.0)]
    start = np.append(shape.weights, -1.0 if known.any() else -20.0)
    best = scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    found = NoiseShape(shape.mean, shape.scale, best[:-1])

    def judged(others: _Table) -> FloatArray:
        counted = np.isfinite(others.errors)
        noise, epistemic = parts(best, found._rows(others.features), np.where(counted, others.spread, 0.0))
        variance = noise + epistemic
        losses = np.log(variance) + np.where(counted, others.errors, 0.0) ** 2 / unit / variance + np.log(unit)
        return np.where(counted, losses, 0.0).sum(axis=1)

    return found, judged


def by_kind(variance: FloatArray, n_atoms: IntArray) -> dict[str, FloatArray]:
    """Shapes of the noise of every label of S structures: energies and stresses have the mean over their atoms.

    Args:
        variance: (N,) relative variances of the atoms of all structures.
        n_atoms: (S,) atoms of each structure.
    """
    starts = np.concatenate([[0], np.cumsum(n_atoms)[:-1]])
    mean = np.add.reduceat(variance, starts) / n_atoms
    return {"energy": mean, "force": np.repeat(variance, 3), "stress": np.repeat(mean, 6)}


@dataclass(frozen=True)
class NoiseHead:
    """Log variances of the noise of forces, energies per atom and stresses, each a law of the projections of its own.

    It is trained after the mean, on errors of structures that no member has seen, with the mean frozen: the mean stays
    what it was, and errors of training, which are smaller than those to come, teach nothing. Forces have the variance
    of their atom; energies and stresses one of the mean projections of their structure.

    How far a head may depart from a constant noise is decided by folds of the groups that teach it: where few labels
    tell little, the constant stays.

    Attributes:
        shapes: by kind; a kind without labels has none.
    """

    shapes: Mapping[str, NoiseShape]

    def of(self, features: FloatArray, n_atoms: IntArray) -> dict[str, FloatArray]:
        """Relative variances of every label of S structures by kind.

        Args:
            features: (N, P) projections of the atoms of all structures.
            n_atoms: (S,) atoms of each structure.
        """
        rows = {"force": features, "energy": _means(features, n_atoms)}
        repeats = {"energy": 1, "force": 3, "stress": 6}
        return {
            kind: np.repeat(shape.of(rows.get(kind, rows["energy"])), repeats[kind])
            for kind, shape in self.shapes.items()
        }

    def stored(self) -> dict[str, Any]:
        """The numbers of the head by kind, builtin types only."""
        return {kind: own.stored() for kind, own in self.shapes.items()}

    @classmethod
    def learned(
        cls,
        features: FloatArray,
        errors: Residuals,
        spread: Mapping[str, FloatArray],
        groups: Sequence[Hashable],
        seen: IntArray,
        *,
        floor: float,
        seed: int,
    ) -> "NoiseHead":
        """The head of the largest Gaussian likelihood of the errors of some structures, with a prior on its weights.

        Args:
            features: (N, P) projections of the atoms of all S structures.
            errors: of the mean prediction, by members that have not seen the structures.
            spread: per kind the variances over the members, of the lengths of the residuals.
            groups: (S,) group of each structure.
            seen: the structures that teach it.
            floor: share of the largest spread of a kind below which a label vanishes by symmetry and teaches nothing.
            seed: of the folds of groups.

        Raises:
            DataError: all errors vanish.
        """
        n_atoms, means = errors.n_atoms, _means(features, errors.n_atoms)
        owners = {"force": np.repeat(np.arange(len(n_atoms)), n_atoms)}
        taught = [groups[structure] for structure in seen]
        folds = group_folds(taught, min(INNER_FOLDS, len(set(taught))), seed) if len(set(taught)) > 1 else []
        parts, found = [seen[fold] for fold in folds], {}
        for kind, values in zip(KINDS, (errors.energy, errors.forces, errors.stress), strict=True):
            rows, owner = (features if kind == "force" else means), owners.get(kind, np.arange(len(n_atoms)))
            error, variance = (array.reshape(len(rows), -1) for array in (values, spread[kind]))
            present = np.isfinite(error) & np.isfinite(variance)
            counted = present & (variance > floor * np.max(variance[present], initial=0.0))
            chosen = np.isin(owner, seen)
            if counted[chosen].any():
                table = _Table(rows, np.where(counted, error, np.nan), np.where(counted, variance, 0.0))
                prior = _simplest([_unseen(table, owner, parts, prior) for prior in PRIORS]) if parts else PRIORS[0]
                found[kind] = _fitted(table.part(chosen), _ridge(prior, rows, len(seen)))[0]
        return cls(found)


def _ridge(prior: float, features: FloatArray, structures: int) -> float:
    """Penalty of squared weights beside the mean loss; labels of one structure count as one, since they are alike."""
    return 2.0 * features.shape[1] / (prior**2 * structures) if prior else np.inf


def _unseen(table: _Table, owner: IntArray, parts: Sequence[IntArray], prior: float) -> FloatArray:
    """Losses of a prior on every structure of folds of groups, each judged by what the others teach."""
    every, found = np.concatenate(parts), []
    for part in parts:
        rest = np.setdiff1d(every, part)
        inside, outside = np.isin(owner, part), np.isin(owner, rest)
        losses = np.zeros(int(inside.sum()))
        if np.isfinite(table.errors[outside]).any():
            losses = _fitted(table.part(outside), _ridge(prior, table.features, len(rest)))[1](table.part(inside))
        found.append(np.bincount(np.searchsorted(part, owner[inside]), weights=losses, minlength=len(part)))
    return np.concatenate(found)


def _simplest(losses: Sequence[FloatArray]) -> float:
    """The smallest prior that is not worse than the best one by more than a standard error over structures.

    Source: Breiman, Friedman, Olshen and Stone, Classification and Regression Trees (1984), rule of one standard error.
    """
    best = min(losses, key=lambda found: float(found.sum()))
    excess = [found - best for found in losses]
    return next(p for p, e in zip(PRIORS, excess, strict=True) if e.sum() <= np.std(e) * np.sqrt(len(e)))


def _means(features: FloatArray, n_atoms: IntArray) -> FloatArray:
    """Features (S, P) of structures: means over their atoms."""
    starts = np.concatenate([[0], np.cumsum(n_atoms)[:-1]])
    return np.asarray(np.add.reduceat(features, starts, axis=0) / n_atoms[:, None])
