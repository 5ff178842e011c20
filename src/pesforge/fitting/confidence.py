"""How large a linear potential takes its own errors to be: from labels that fits have not seen."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pesforge.errors import DataError
from pesforge.fields import GROUP
from pesforge.fitting.search import Chosen
from pesforge.folds import group_members
from pesforge.metrics import KINDS, Residuals
from pesforge.potentials.linear import residuals
from pesforge.potentials.normal import Factor, stress_present
from pesforge.potentials.posterior import Posterior, quantile_scale, whitening_of
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.design import Design, Rows, assemble, rows_of
from pesforge.uncertainty.calibrated import Calibrated
from pesforge.uncertainty.calibration import raw_laws
from pesforge.uncertainty.evidence import judged_evidence
from pesforge.uncertainty.variance import Labels

MOST_ROWS = 3000
"""Force components that decide on their law where not all do: its error from their number is 1 %."""
EXACT_WORK = 5e10
"""Most multiplications, force components × functions², that leverages without every group may take: seconds."""
SEED = 0
METHOD = (
    "The variance is σ_a² + s² h: noise, and s² times the leverage h of the label by the fit that has not seen it. "
    "Before: s is the noise of a label of weight 1 that maximises the evidence, σ_a the same over the root of the "
    "label's weight, and errors are Gaussian. After: σ_a, s and the degrees of freedom of Student's t by the largest "
    "likelihood, then quantiles bent to those observed; each fold of groups is judged by a calibration on the others."
)


def left_out_labels(chosen: Chosen, factor: Factor) -> tuple[dict[str, Labels], str]:
    """Per kind, errors and leverages of labels by the fit without their group, and how they were found.

    Exact from one factorisation while rows are in memory and the work is bearable. Else energies of all structures, and
    forces and stresses of a random sample of them, by the fits without their fold of groups.

    Args:
        chosen: the choice.
        factor: its factorised normal equations of all structures.

    Raises:
        DataError: the normal equations of a fold cannot be factorised.
    """
    work = 3.0 * chosen.problem.n_atoms.sum() * float(chosen.mask.sum()) ** 2
    if chosen.problem.kept is not None and work <= EXACT_WORK:
        try:
            return _by_group(chosen, factor, chosen.problem.kept), "all labels, by the fit without their group"
        except DataError:
            pass  # Beyond the precision of the numbers: folds take more out at once, and are factorised anew.
    return _by_fold(chosen), (
        "energies, and forces and stresses of a random sample of structures, by the fit without their fold of groups"
    )


Part = tuple[FloatArray, FloatArray, IntArray]
"""Errors, leverages and structures of some labels of one kind."""


def _by_group(chosen: Chosen, factor: Factor, rows: Sequence[Rows]) -> dict[str, Labels]:
    frames = chosen.problem.frames
    found: dict[str, list[Part]] = {kind: [] for kind in KINDS}
    for members in group_members([str(atoms.info[GROUP]) for atoms in frames]).values():
        block = assemble([frames[s] for s in members], chosen.problem.basis, [rows[s] for s in members])
        _collect(found, block, residuals(block, factor.fit(factor.without(block))), factor.outside(block), members)
    return _joined(found)


def _by_fold(chosen: Chosen) -> dict[str, Labels]:
    problem = chosen.problem
    sampled, energy_rows = _sample(3 * problem.n_atoms), problem.energy_rows_of(chosen.mask)
    found: dict[str, list[Part]] = {kind: [] for kind in KINDS}
    for number, members in enumerate(problem.folds):
        factor = problem.factorise(chosen.weights, chosen.alpha, chosen.mask, number)
        own, fit = energy_rows[members], factor.fit()
        error = own @ factor.vector - problem.y_energy[members]
        found["energy"].append((error, np.sum(factor.half(own) ** 2, axis=0), members))
        for s in np.intersect1d(members, sampled):
            block = _block(chosen, int(s))
            apart: dict[str, list[Part]] = {"energy": [], "force": found["force"], "stress": found["stress"]}
            _collect(apart, block, residuals(block, fit), factor.leverages(block), np.array([s]))
    return _joined(found)


def _collect(
    found: dict[str, list[Part]],
    block: Design,
    wrong: Residuals,
    leverages: Mapping[str, FloatArray],
    members: IntArray,
) -> None:
    """Add the labels of some structures."""
    present = stress_present(block)
    errors = {"energy": wrong.energy, "force": wrong.forces, "stress": wrong.stress[present]}
    owners = {
        "energy": members,
        "force": np.repeat(members, 3 * block.n_atoms),
        "stress": np.repeat(members, 6)[present],
    }
    for kind in KINDS:
        found[kind].append((errors[kind], leverages[kind], owners[kind]))


def _joined(found: Mapping[str, Sequence[Part]]) -> dict[str, Labels]:
    joined = {}
    for kind, parts in found.items():
        error, leverage, owner = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        joined[kind] = Labels.of(error, leverage, owner.astype(np.int64))
    return joined


def posterior_of(factor: Factor, labels: Mapping[str, Labels]) -> Posterior:
    """The posterior of a fit, with a scale of each kind that 68.3 % of the errors left out lie within.

    Args:
        factor: the factorised normal equations of all structures.
        labels: errors left out; a kind without any has no scale.
    """
    scales = {kind: quantile_scale(own.error, own.spread) for kind, own in labels.items() if len(own.error)}
    return Posterior(whitening_of(factor), scales["energy"], scales.get("force"), scales.get("stress"))


def linear_own_errors(chosen: Chosen, factor: Factor) -> tuple[Posterior, Calibrated | None, dict[str, Any]]:
    """The posterior of a choice, the laws of its errors, and their evidence before and after calibration.

    Args:
        chosen: the choice.
        factor: its factorised normal equations of all structures.

    Raises:
        DataError: the normal equations of a fold cannot be factorised, or no energy is left to judge by.
    """
    labels, how = left_out_labels(chosen, factor)
    frames = chosen.problem.frames
    if not len(labels["energy"].error):
        raise DataError("no energy was left out by a fold of groups. Add structures.")
    groups = [str(atoms.info[GROUP]) for atoms in frames]
    found = judged_evidence(labels, raw_laws(factor), groups, chosen.problem.families, seed=SEED)
    source = f"leverages of {how}"
    return posterior_of(factor, labels), Calibrated.of_posterior(labels), {"source": source, "method": METHOD, **found}


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
