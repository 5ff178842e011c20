"""Energies per atom of structures as a random field: what a linear model may say, and what it misses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.spatial.distance import cdist

from pesforge.acquisition.blocks import energy_rows
from pesforge.acquisition.descriptors import standardised
from pesforge.errors import DataError
from pesforge.potentials.normal import Factor
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.design import Design

MISFIT_SHARE = 1.0
"""Mean prior variance of the misfit over that of the model."""
MISFIT_LENGTH = 0.5
"""Length over which the misfit changes, in median distances of two structures."""
NOISE_SHARE = 1e-3
"""Variance of the noise of an energy label over the mean prior variance of the model."""


def prior_covariance(
    factor: Factor,
    designs: Sequence[Design],
    *,
    misfit_share: float = MISFIT_SHARE,
    misfit_length: float = MISFIT_LENGTH,
) -> FloatArray:
    """(T, T) covariance of model and misfit of the structures of some designs, before any label.

    Args:
        factor: a fit, for its prior scales and the centring of its functions.
        designs: structures; their labels are not looked at.
        misfit_share: ρ, mean prior variance of the misfit over that of the model, which is 1.
        misfit_length: ℓ in median distances of two structures.

    Raises:
        DataError: the structures do not differ, or a number is not above 0 (ρ may be 0).
    """
    if misfit_share < 0 or not misfit_length > 0:
        raise DataError(
            f"misfit share {misfit_share}, length {misfit_length}: the share must not be negative, the length must be "
            "above 0."
        )
    rows = np.concatenate([energy_rows(factor, design) for design in designs])
    rows -= rows.mean(axis=0)
    points = standardised(designs)
    distance = cdist(points, points)
    typical, variance = float(np.median(distance)), float(np.mean(np.sum(rows**2, axis=1)))
    if not (typical > 0 and variance > 0):
        raise DataError("the structures have the same descriptors: there is nothing to choose between.")
    covariance: FloatArray = rows @ rows.T / variance + misfit_share * np.exp(-distance / (misfit_length * typical))
    return covariance


@dataclass(frozen=True)
class EnergyField:
    """Covariance of energies per atom e = x v + δ of T structures, candidates first, given what is labelled.

    x v is the linear model with its prior, about the mean structure; δ is the misfit, a random function of the
    descriptors with covariance ρ exp(−d/ℓ), d being the distance of standardised mean descriptors. A model
    that ignores its misfit believes, after few labels with their many forces, that only the extremes are left to learn.

    Args:
        covariance: (T, T), the mean prior variance of x v being 1.
        reference: indices of the structures whose mean variance is to fall.
        noise: variance of the noise of a label.
    """

    covariance: FloatArray
    reference: IntArray
    noise: float

    @classmethod
    def of(
        cls,
        factor: Factor,
        candidates: Design,
        labelled: Design,
        reference: Design | None = None,
        *,
        misfit_share: float = MISFIT_SHARE,
        misfit_length: float = MISFIT_LENGTH,
        noise_share: float = NOISE_SHARE,
    ) -> Self:
        """The field given the labelled structures; no label is looked at.

        Args:
            factor: a fit, for its prior scales and the centring of its functions.
            candidates: what can be asked for.
            labelled: what was.
            reference: whose mean variance is to fall; None: candidates and labelled structures.
            misfit_share: ρ.
            misfit_length: ℓ in median distances of two structures.
            noise_share: variance of the noise of a label.

        Raises:
            DataError: the structures do not differ, or a number is not above 0 (ρ may be 0).
        """
        if not noise_share > 0:
            raise DataError(f"the noise of a label is {noise_share}: it must be above 0.")
        designs = [candidates, labelled] if reference is None else [candidates, labelled, reference]
        covariance = prior_covariance(factor, designs, misfit_share=misfit_share, misfit_length=misfit_length)
        asked, known = len(candidates.ids), len(labelled.ids)
        target = np.arange(asked + known) if reference is None else np.arange(asked + known, len(covariance))
        field = cls(covariance, target, noise_share)
        for label in range(asked, asked + known):
            field = field.after(label)
        return field

    def gains(self, chosen: IntArray) -> FloatArray:
        """By how much the mean variance of the reference falls with the energy label of each chosen structure (M,).

        Σ_r C_rc² / (C_cc + ν) over their number, by conditioning of a Gaussian.
        """
        shared = self.covariance[np.ix_(self.reference, chosen)]
        gains: FloatArray = np.mean(shared**2, axis=0) / (np.diag(self.covariance)[chosen] + self.noise)
        return gains

    def after(self, structure: int) -> Self:
        """The field once the energy of a structure is known."""
        column = self.covariance[:, structure]
        known = np.outer(column, column) / (column[structure] + self.noise)
        return replace(self, covariance=self.covariance - known)
