"""Bayesian linear many-body potential: closed-form fit, exact leave-group-out, leverage and evidence from one matrix.

The mathematics of a single factorisation stands in `pesforge.potentials.normal`.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from pesforge.errors import DataError
from pesforge.folds import group_members
from pesforge.metrics import Residuals
from pesforge.potentials.evidence import Evidence, evidence_of
from pesforge.potentials.normal import (
    KINDS,
    Centring,
    Factor,
    LinearFit,
    Weights,
    cholesky_factor,
    emphasised_rows,
    stress_present,
)
from pesforge.representations.arrays import BoolArray, FloatArray
from pesforge.representations.design import Design

ZERO_SCALE = 10.0
"""Prior scale of the energy zeros in eV: wide beside what centring leaves, and harmless to the conditioning."""

SPREAD_FLOOR = 1e-12
"""Columns whose rms force is below this share of the largest one carry no information and get the coefficient 0."""


@dataclass(frozen=True)
class Prediction:
    """Energies (S,) in eV, forces (sum 3 n_s,) in eV/Å and stresses (6 S,) in eV/Å³ of a design's structures."""

    energy: FloatArray
    forces: FloatArray
    stress: FloatArray


@dataclass(frozen=True)
class Leverage:
    """Leverages h = x H⁻¹ xᵀ of the weighted rows, and their sum over each structure's block.

    Shapes: energy (S,), forces (sum 3 n_s,), stress (6 S,) with NaN where there is no label, structure (S,).
    """

    energy: FloatArray
    forces: FloatArray
    stress: FloatArray
    structure: FloatArray


def predict(design: Design, fit: LinearFit) -> Prediction:
    """Energies, forces and stresses of all structures of `design`; stress is NaN where its rows are."""
    energy = design.energy @ fit.coefficients + design.counts @ fit.zeros
    return Prediction(energy, design.forces @ fit.coefficients, design.stress @ fit.coefficients)


def residuals(design: Design, fit: LinearFit) -> Residuals:
    """Prediction minus label of every structure of `design`."""
    predicted = predict(design, fit)
    return Residuals(
        (predicted.energy - design.y_energy) / design.n_atoms,
        predicted.forces - design.y_forces,
        predicted.stress - design.y_stress,
        design.n_atoms,
    )


def _check(design: Design) -> None:
    if not len(design.n_atoms):
        raise DataError("there is no label to fit.")
    owner = np.repeat(np.arange(len(design.n_atoms)), 3 * design.n_atoms)
    finite = np.isfinite(design.y_energy)
    finite[owner[~np.isfinite(design.y_forces)]] = False
    if not finite.all():
        raise DataError(
            f"structure {design.ids[int(np.argmin(finite))]} has an energy or force that is not a number. "
            "Filter labels before the fit (pesforge.curation.filters.filter_labels)."
        )


def prior_scale(force_rms: FloatArray, degree: FloatArray, power: float, n_species: int) -> FloatArray:
    """Prior scales (K + Z,): 1/[rms force column × (1 + degree)^p], 0 where the column vanishes; then the energy zeros.

    Args:
        force_rms: (K,) rms of every force column in 1/Å.
        degree: (K,) degrees of the functions.
        power: p.
        n_species: number Z of energy zeros.

    Raises:
        DataError: no function has any force.
    """
    if not force_rms.max() > 0:
        raise DataError("no basis function changes with the positions: add displaced structures or raise the cutoff.")
    informative = force_rms > SPREAD_FLOOR * force_rms.max()
    damping = (1.0 + degree) ** power
    functions = np.divide(1.0, force_rms * damping, out=np.zeros_like(force_rms), where=informative)
    return np.append(functions, np.full(n_species, ZERO_SCALE))


class LinearProblem:
    """Normal equations of a labelled design, ready for any weights, α and subset of functions.

    The Gram matrices of energies, forces and stresses are formed once. The prior scale of function k is
    1/[rms force column × (1 + degree)^p], 0 where the column vanishes; energies and their rows are centred by least
    squares on the composition, so that the species' energy zeros keep a prior of 10 eV around the optimal offset.

    Args:
        design: labelled structures.
        prior_power: p.

    Raises:
        DataError: the design is empty, an energy or force is not finite, or no function has any force.
    """

    def __init__(self, design: Design, *, prior_power: float) -> None:
        _check(design)
        self.design = design
        self.centring = Centring.of(design.counts, design.energy, design.y_energy, design.emphasis[:, 0])
        self.n_species = design.counts.shape[1]
        squares: FloatArray = sum(np.sum(part.forces**2, axis=0) for part in design.parts())
        force_rms = np.sqrt(squares / len(design.y_forces))
        self.scale: FloatArray = prior_scale(force_rms, design.degree, prior_power, self.n_species)
        self._gram = {kind: np.zeros((len(self.scale), len(self.scale))) for kind in KINDS}
        self._right = {kind: np.zeros(len(self.scale)) for kind in KINDS}
        self._squares, self._counts = dict.fromkeys(KINDS, 0.0), dict.fromkeys(KINDS, 0)
        for part in design.parts():
            for kind, (columns, zeros, targets) in emphasised_rows(part, self.centring).items():
                cross = columns.T @ zeros
                self._gram[kind] += np.block([[columns.T @ columns, cross], [cross.T, zeros.T @ zeros]])
                self._right[kind] += np.append(targets @ columns, targets @ zeros)
                self._squares[kind] += float(targets @ targets)
                self._counts[kind] += len(targets)
        for kind in KINDS:
            self._gram[kind] = self._gram[kind] * self.scale[:, None] * self.scale
            self._right[kind] *= self.scale

    def factorise(self, weights: Weights, alpha: float, columns: BoolArray | None = None) -> Factor:
        """Cholesky factor and solution for one choice of weights, α and columns (a mask (K,); None: all).

        Raises:
            DataError: the mask selects nothing, or the normal matrix is not positive definite.
        """
        n_functions = len(self.design.degree)
        mask = np.ones(n_functions, dtype=np.bool_) if columns is None else np.asarray(columns, dtype=np.bool_)
        if mask.shape != (n_functions,) or not mask.any():
            raise DataError(f"the mask of functions must have length {n_functions} and select at least one.")
        chosen = np.flatnonzero(np.append(mask, np.ones(self.n_species, dtype=np.bool_)))
        block = np.ix_(chosen, chosen)
        normal: FloatArray = np.sum([weights.of_kind(kind) * self._gram[kind][block] for kind in KINDS], axis=0)
        right: FloatArray = np.sum([weights.of_kind(kind) * self._right[kind][chosen] for kind in KINDS], axis=0)
        normal[np.diag_indices_from(normal)] += alpha
        cholesky = cholesky_factor(normal, alpha)
        return Factor(
            weights=weights,
            alpha=alpha,
            columns=mask,
            scale=self.scale[chosen],
            centring=self.centring,
            normal=normal,
            right=right,
            cholesky=cholesky,
            vector=scipy.linalg.cho_solve((cholesky, True), right, check_finite=False),
            n_rows=sum(self._counts[kind] for kind in KINDS if weights.of_kind(kind) > 0),
            weighted_squares=sum(weights.of_kind(kind) * self._squares[kind] for kind in KINDS),
        )

    def fit(self, weights: Weights, alpha: float, columns: BoolArray | None = None) -> LinearFit:
        """The posterior mean."""
        return self.factorise(weights, alpha, columns).fit()

    def leave_out(
        self,
        weights: Weights,
        alpha: float,
        labels: Sequence[Hashable],
        columns: BoolArray | None = None,
        absent: BoolArray | None = None,
    ) -> Residuals:
        """Prediction minus label of every structure by the fit that has not seen the structures of its label.

        Exact, from one factorisation, with prior scales, centring, weights and α held fixed (`Factor.without`);
        `absent` structures cost a second one (`Factor.reduced`). Where a label alone knows some directions, such as
        the only crystal of an element, its residuals cannot be scaled back within the precision of the numbers; the
        rows of all others are then factorised anew.

        Args:
            weights: weights of the fit; a kind of weight 0 is predicted, not fitted.
            alpha: prior precision.
            labels: (S,) what is left out together: groups, families or ids.
            columns: mask (K,) of functions; None: all.
            absent: mask (S,) of structures that no fit sees, whatever their label; None: none.

        Raises:
            DataError: a factorisation fails, or the labels do not fit the design.
        """
        design = self.design
        if len(labels) != len(design.n_atoms):
            raise DataError(f"{len(labels)} labels for {len(design.n_atoms)} structures.")
        factor = self.factorise(weights, alpha, columns)
        unseen = np.zeros(len(labels), dtype=np.bool_) if absent is None else absent
        if unseen.any():
            factor = factor.reduced(design.select(unseen))
        energy, forces, stress = np.empty(len(labels)), np.empty(len(design.y_forces)), np.empty(len(design.y_stress))
        for structures in group_members(labels).values():
            block = design.select(structures)
            seen = block.select(~unseen[structures]) if unseen[structures].any() else block
            try:
                vector = factor.without(seen) if len(seen.ids) else factor.vector
            except DataError:
                vector = factor.of(design.select(np.setdiff1d(np.flatnonzero(~unseen), structures)))
            held_out = residuals(block, factor.fit(vector))
            energy[structures] = held_out.energy
            forces[design.force_rows(structures)] = held_out.forces
            stress.reshape(-1, 6)[structures] = held_out.stress.reshape(-1, 6)
        return Residuals(energy, forces, stress, design.n_atoms)

    def leverage(self, weights: Weights, alpha: float, columns: BoolArray | None = None) -> Leverage:
        """Leverage of every row and structure; its sum over structures is the effective number of parameters."""
        design = self.design
        factor = self.factorise(weights, alpha, columns)
        energy, total = np.empty(len(design.n_atoms)), np.empty(len(design.n_atoms))
        forces = np.empty(len(design.y_forces))
        stress = np.full(len(design.y_stress), np.nan)
        for structure, n_atoms in enumerate(design.n_atoms):
            block = design.select(np.array([structure]))
            h = np.sum(factor.half(factor.rows(block)[0]) ** 2, axis=0)
            energy[structure], total[structure] = h[0], h.sum()
            forces[design.force_rows(np.array([structure]))] = h[1 : 1 + 3 * n_atoms]
            places = 6 * structure + np.flatnonzero(stress_present(block))
            stress[places] = h[1 + 3 * n_atoms :]
        return Leverage(energy, forces, stress, total)

    def evidence(self, weights: Weights, columns: BoolArray | None = None) -> Evidence:
        """α that the evidence takes with these weights and functions."""
        return evidence_of(self.factorise(weights, 1.0, columns))
