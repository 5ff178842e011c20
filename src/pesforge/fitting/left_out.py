"""Errors of structures that the chosen potential has not seen: by group, exactly where affordable, and by family."""

from collections.abc import Iterable, Sequence

import numpy as np

from pesforge.errors import DataError
from pesforge.export import Potential
from pesforge.fields import GROUP
from pesforge.fitting.evaluation import evaluate_frames
from pesforge.fitting.search import Chosen
from pesforge.folds import group_members
from pesforge.metrics import Residuals
from pesforge.potentials.grams import stored_labels
from pesforge.potentials.linear import residuals
from pesforge.potentials.normal import Factor, LinearFit
from pesforge.representations.arrays import IntArray
from pesforge.representations.design import Rows, assemble

EXACT_WORK = 1.5e11
"""Most multiplications, force components × functions², that leave-one-group-out may take."""


def by_group(chosen: Chosen, factor: Factor) -> tuple[Residuals, str]:
    """Residuals of every structure without its group, and how they were found.

    Exact from one factorisation while rows are in memory, the work is bearable and the numbers are precise enough; else
    one fit per fold of groups, the folds that chose the potential.

    Args:
        chosen: the choice.
        factor: factorised normal equations of all structures.
    """
    problem = chosen.problem
    work = 3.0 * problem.n_atoms.sum() * float(chosen.mask.sum()) ** 2
    reason = "" if problem.kept is not None and work <= EXACT_WORK else "leaving out each is too much work"
    if problem.kept is not None and not reason:
        try:
            return _exact(chosen, factor, problem.kept), "every group left out, exact"
        except DataError:
            reason = "leaving out each exactly is beyond the precision of the numbers"
    return _refitted(chosen, enumerate(problem.folds)), f"groups left out in {len(problem.folds)} folds; {reason}"


def _exact(chosen: Chosen, factor: Factor, rows: Sequence[Rows]) -> Residuals:
    parts, order = [], []
    for members in group_members([str(atoms.info[GROUP]) for atoms in chosen.problem.frames]).values():
        frames = [chosen.problem.frames[s] for s in members]
        block = assemble(frames, chosen.problem.basis, [rows[s] for s in members])
        parts.append(residuals(block, factor.fit(factor.without(block))))
        order.append(members)
    return _ordered(parts, order)


def by_family(chosen: Chosen) -> Residuals | None:
    """Residuals of every structure without its whole family; None where there is but one family.

    Raises:
        DataError: the fit without a family is beyond the precision of the numbers.
    """
    families = np.array(chosen.problem.families)
    if not chosen.problem.family_sums:
        return None
    return _refitted(chosen, ((name, np.flatnonzero(families == name)) for name in chosen.problem.family_sums))


def of_training(chosen: Chosen, fit: LinearFit, potential: Potential) -> Residuals:
    """Residuals of the training structures.

    Args:
        chosen: the choice.
        fit: its coefficients.
        potential: the potential that they make.
    """
    problem = chosen.problem
    if problem.kept is None:
        return evaluate_frames(potential, problem.frames)
    return _known(chosen, fit, np.arange(len(problem.frames)), problem.kept)


def _known(chosen: Chosen, fit: LinearFit, members: IntArray, rows: Sequence[Rows]) -> Residuals:
    """Residuals of some structures from their rows in memory."""
    problem = chosen.problem
    sizes = problem.n_atoms[members]
    energy, forces, stress = [], [], []
    for s in members:
        per_energy, per_force, per_stress = rows[s]
        y_energy, y_forces, y_stress = stored_labels(problem.frames[s])
        energy.append(per_energy @ fit.coefficients + problem.counts[s] @ fit.zeros - y_energy)
        forces.append(per_force @ fit.coefficients - y_forces)
        stress.append(np.full(6, np.nan) if y_stress is None else per_stress @ fit.coefficients - y_stress)
    return Residuals(np.array(energy) / sizes, np.concatenate(forces), np.concatenate(stress), sizes)


def _refitted(chosen: Chosen, parts: Iterable[tuple[str | int, IntArray]]) -> Residuals:
    """Residuals of the members of each part by a fit without it."""
    found, order = [], []
    for without, members in parts:
        factor = chosen.problem.factorise(chosen.weights, chosen.alpha, chosen.mask, without)
        if (rows := chosen.problem.kept) is None:
            frames = [chosen.problem.frames[s] for s in members]
            found.append(evaluate_frames(chosen.potential(factor.fit()), frames))
        else:
            found.append(_known(chosen, factor.fit(), members, rows))
        order.append(members)
    return _ordered(found, order)


def _joined(parts: Sequence[Residuals]) -> Residuals:
    return Residuals(
        np.concatenate([part.energy for part in parts]),
        np.concatenate([part.forces for part in parts]),
        np.concatenate([part.stress for part in parts]),
        np.concatenate([part.n_atoms for part in parts]),
    )


def _ordered(parts: Sequence[Residuals], order: Sequence[IntArray]) -> Residuals:
    """Residuals of all structures in their own order."""
    return _joined(parts).select(np.argsort(np.concatenate(order), kind="stable"))
