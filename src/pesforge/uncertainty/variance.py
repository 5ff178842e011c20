"""Errors of labels beside the two parts of their predicted variance, for linear potentials and for ensembles.

Every label has σ² = σ_a² n + s² h. The aleatoric part has the shape n (1 everywhere unless a noise model says
otherwise), the epistemic part the shape h: the leverage x H⁻¹ xᵀ of a linear fit, or the variance over the members of
an ensemble. The factors σ_a² and s² are one pair per kind of label and come from `pesforge.uncertainty.calibration`.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from pesforge.errors import DataError
from pesforge.folds import group_members
from pesforge.metrics import KINDS, Residuals
from pesforge.potentials.linear import LinearProblem, residuals
from pesforge.potentials.normal import Factor, Weights, stress_present
from pesforge.representations.arrays import BoolArray, FloatArray, IntArray
from pesforge.representations.design import Design

SYMMETRIC = 1e-10
"""Labels whose epistemic variance is below this share of the largest one vanish by symmetry, and are not counted."""


@dataclass(frozen=True)
class Labels:
    """R labels of one kind that a model has not seen, with its errors on them; what vanishes by symmetry is absent.

    Attributes:
        error: (R,) prediction minus label in eV/atom, eV/Å or eV/Å³.
        spread: (R,) h: epistemic variance up to a factor.
        noise: (R,) n: aleatoric variance up to a factor.
        owner: (R,) index of the structure that a label belongs to.
        symmetric: number of labels that are left out because they vanish by symmetry.

    Raises:
        DataError: lengths differ, or a variance is negative or not finite.
    """

    error: FloatArray
    spread: FloatArray
    noise: FloatArray
    owner: IntArray
    symmetric: int = 0

    def __post_init__(self) -> None:
        lengths = {len(self.error), len(self.spread), len(self.noise), len(self.owner)}
        variances = np.concatenate([self.spread, self.noise])
        if len(lengths) > 1 or not np.isfinite(variances).all() or (variances < 0).any():
            raise DataError(
                "errors and variances must be as many, the variances finite and not negative; found lengths "
                f"{sorted(lengths)}."
            )

    @classmethod
    def of(cls, error: FloatArray, spread: FloatArray, owner: IntArray, noise: FloatArray | None = None) -> Self:
        """Labels from arrays that still hold what has no label (NaN) and what vanishes by symmetry."""
        present = np.isfinite(error) & np.isfinite(spread)
        counted = present & (spread > SYMMETRIC * np.max(spread[present], initial=0.0))
        shape = np.ones(len(error)) if noise is None else noise
        symmetric = int(present.sum() - counted.sum())
        return cls(error[counted], spread[counted], shape[counted], owner[counted], symmetric)

    def select(self, structures: IntArray) -> Self:
        """The labels of some structures."""
        mine = np.isin(self.owner, structures)
        return type(self)(self.error[mine], self.spread[mine], self.noise[mine], self.owner[mine])


def _owners(n_atoms: IntArray) -> dict[str, IntArray]:
    structures = np.arange(len(n_atoms))
    return {"energy": structures, "force": np.repeat(structures, 3 * n_atoms), "stress": np.repeat(structures, 6)}


def labels_of(
    found: Residuals, spread: Mapping[str, FloatArray], noise: Mapping[str, FloatArray] | None = None
) -> dict[str, Labels]:
    """Per kind the labels that are counted, from errors and shapes of both variances of all labels.

    Args:
        found: errors.
        spread: epistemic variances by kind, of the lengths of the residuals; NaN where there is none.
        noise: aleatoric ones; a kind that is absent has 1 everywhere.
    """
    errors = {"energy": found.energy, "force": found.forces, "stress": found.stress}
    owners = _owners(found.n_atoms)
    shapes: Mapping[str, FloatArray] = {} if noise is None else noise
    return {kind: Labels.of(errors[kind], spread[kind], owners[kind], shapes.get(kind)) for kind in KINDS}


def linear_left_out(
    problem: LinearProblem,
    weights: Weights,
    alpha: float,
    labels: Sequence[Hashable],
    columns: BoolArray | None = None,
) -> dict[str, Labels]:
    """Per kind, errors and leverages of all labels by the linear fit that has not seen the structures of their group.

    Exact, from one factorisation (`Factor.outside`), with prior scales, centring, weights and α held fixed. A group
    that cannot be taken out within the precision of the numbers is left out of a fit of its own. The shape of the noise
    is one over the weight that a structure has in the fit (`Design.emphasis`): an inverse variance.

    Args:
        problem: labelled structures.
        weights: weights of the fit.
        alpha: prior precision.
        labels: (S,) what is left out together.
        columns: mask (K,) of functions; None: all.

    Raises:
        DataError: a factorisation fails, or the labels do not fit the design.
    """
    design = problem.design
    found = problem.leave_out(weights, alpha, labels, columns)
    factor = problem.factorise(weights, alpha, columns)
    spread = _empty(design)
    for structures in group_members(labels).values():
        block = design.select(structures)
        try:
            leverages = factor.outside(block)
        except DataError:
            rest = np.setdiff1d(np.arange(len(design.ids)), structures)
            leverages = factor.anew(design.select(rest)).leverages(block)
        _place(spread, leverages, design, structures)
    return labels_of(found, spread, _noise(design))


def linear_new(factor: Factor, design: Design) -> dict[str, Labels]:
    """Per kind, errors and leverages of all labels of structures that a linear fit has not seen.

    Args:
        factor: the fit.
        design: other structures.
    """
    spread = _empty(design)
    for structure in range(len(design.ids)):
        own = np.array([structure])
        _place(spread, factor.leverages(design.select(own)), design, own)
    return labels_of(residuals(design, factor.fit()), spread, _noise(design))


def _noise(design: Design) -> dict[str, FloatArray]:
    """Shapes of the noise of all labels: one over their weights beside those of the fit."""
    owners = _owners(design.n_atoms)
    return {kind: 1.0 / design.emphasis[owners[kind], place] for place, kind in enumerate(KINDS)}


def _empty(design: Design) -> dict[str, FloatArray]:
    sizes = {"energy": len(design.y_energy), "force": len(design.y_forces), "stress": len(design.y_stress)}
    return {kind: np.full(size, np.nan) for kind, size in sizes.items()}


def _place(
    spread: dict[str, FloatArray], leverages: Mapping[str, FloatArray], design: Design, structures: IntArray
) -> None:
    """Write the leverages of some structures to their places."""
    spread["energy"][structures] = leverages["energy"]
    spread["force"][design.force_rows(structures)] = leverages["force"]
    places = design.stress_rows(structures)
    spread["stress"][places[stress_present(design.select(structures))]] = leverages["stress"]


def by_members(
    members: Sequence[Residuals], noise: Mapping[str, FloatArray] | None = None, kept: BoolArray | None = None
) -> dict[str, Labels]:
    """Per kind, errors of the mean prediction and variances over the members of an ensemble, or over dropout.

    Args:
        members: residuals of each member on the same structures that no member has seen, two at least.
        noise: shapes of the aleatoric variance per kind, of the lengths of the residuals; None: 1 everywhere.
        kept: (M, S) which members have not seen a structure: the others say nothing about it; None: all.

    Raises:
        DataError: there are fewer than two members, for a structure too, or they are of different structures.
    """
    mean, spread = moments(members, kept)
    return labels_of(mean, spread, noise)


def moments(members: Sequence[Residuals], kept: BoolArray | None = None) -> tuple[Residuals, dict[str, FloatArray]]:
    """Residuals of the mean prediction and, per kind, variances over the members for all labels.

    Args:
        members: residuals of each member on the same structures, two at least.
        kept: (M, S) which members count for a structure; None: all.

    Raises:
        DataError: there are fewer than two members, for a structure too, or they are of different structures.
    """
    sizes = {part.n_atoms.tobytes() for part in members}
    if len(members) < 2 or len(sizes) > 1:
        raise DataError(f"a variance needs two members at least, all of the same structures; found {len(members)}.")
    n_atoms = members[0].n_atoms
    mask = np.ones((len(members), len(n_atoms)), dtype=np.bool_) if kept is None else kept
    if mask.shape != (len(members), len(n_atoms)) or mask.sum(axis=0).min() < 2:
        raise DataError("every structure needs two members at least that have not seen it. Train more members.")
    owners = _owners(n_atoms)
    stacks = {
        "energy": np.array([part.energy for part in members]),
        "force": np.array([part.forces for part in members]),
        "stress": np.array([part.stress for part in members]),
    }
    mean, spread = {}, {}
    for kind, values in stacks.items():
        own = mask[:, owners[kind]]
        count = own.sum(axis=0)
        mean[kind] = np.where(own, values, 0.0).sum(axis=0) / count
        spread[kind] = np.where(own, (values - mean[kind]) ** 2, 0.0).sum(axis=0) / (count - 1)
    return Residuals(mean["energy"], mean["force"], mean["stress"], n_atoms), spread
