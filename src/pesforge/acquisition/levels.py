"""Labels of two levels of the reference method in one linear model: what a label of either says about the high one.

f_H = ρ f_L + δ, f_L and δ being linear potentials with independent priors. Written as one linear model whose functions
are those of f_L and of δ, a label of the low level has the row (x, 0) and one of the high level (ρ x, x), with an
energy zero of each level. Fit, posterior, blocks, reference and every rule are then those of one level, and exact: the
posterior covariance is that of both potentials together.

The noise of the labels of both levels counts as independent in the rules of blocks. Where it is misfit of the model it
is shared, and a high label beside a low one promises too much; the field of energies knows that. What no smooth δ can
follow, such as other k-points in other cells, neither knows: the rules then buy too many low labels
(`benchmarks/two_levels.py`: on real labels of silicon no gain over choosing at the high level alone).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from pesforge.acquisition.field import NOISE_SHARE, EnergyField, prior_covariance
from pesforge.acquisition.model import Frame
from pesforge.errors import DataError
from pesforge.potentials.linear import LinearFit
from pesforge.potentials.normal import Centring, Factor
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.design import Design

LOW, HIGH = 0, 1
LEVELS = ("low", "high")
LEAST_SHARE = 1e-3
"""Smallest prior scale of δ over that of f_L: two levels that agreed on a few forces are not one."""


@dataclass(frozen=True)
class Coupling:
    """How the levels hang together.

    Args:
        rho: ρ.
        share: prior standard deviation of the coefficients of δ over that of f_L's.

    Raises:
        DataError: the share is not positive, or a number is not finite.
    """

    rho: float
    share: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.rho) and np.isfinite(self.share) and self.share > 0):
            raise DataError(f"the levels are coupled by ρ = {self.rho}, δ = {self.share}: δ must be above 0.")

    @classmethod
    def of(cls, low: Design, high: Design) -> Self:
        """The coupling that forces of both levels show: ρ = Σ F_L F_H / Σ F_L², the rest being δ.

        Forces know no energy zero.

        Args:
            low: structures with labels of the low level.
            high: the same structures with labels of the high level.

        Raises:
            DataError: the structures differ, a force is missing, or all are 0.
        """
        if low.ids != high.ids:
            raise DataError("the levels are coupled by structures with labels of both: give the same ones twice.")
        squares = float(low.y_forces @ low.y_forces)
        if not (np.isfinite(low.y_forces).all() and np.isfinite(high.y_forces).all() and squares > 0):
            raise DataError(
                "no force of both levels is there to couple them by. Label a displaced structure at both levels."
            )
        rho = float(low.y_forces @ high.y_forces) / squares
        rest = high.y_forces - rho * low.y_forces
        return cls(rho, max(float(np.sqrt(rest @ rest / squares)), LEAST_SHARE))


def joint_design(low: Design, high: Design, coupling: Coupling) -> Design:
    """The design of 2 S labels with 2 K functions and 2 Z energy zeros: S low labels, then S high ones.

    Args:
        low: S structures with what is known of their low labels.
        high: the same structures with what is known of their high ones.
        coupling: of the levels.

    Raises:
        DataError: the structures differ.
    """
    if low.ids != high.ids:
        raise DataError("both levels need the same structures in the same order.")

    def rows(cheap: FloatArray, dear: FloatArray) -> FloatArray:
        whole = [[cheap, np.zeros_like(cheap)], [coupling.rho * dear, dear]]
        return np.concatenate([np.concatenate(half, axis=1) for half in whole])

    def both(cheap: FloatArray, dear: FloatArray) -> FloatArray:
        return np.concatenate([cheap, dear])

    return Design(
        ids=tuple(f"{name} {level}" for level in LEVELS for name in low.ids),
        families=low.families * 2,
        groups=low.groups * 2,
        n_atoms=np.tile(low.n_atoms, 2),
        counts=np.kron(np.eye(2), low.counts).astype(np.float64),
        energy=rows(low.energy, high.energy),
        forces=rows(low.forces, high.forces),
        stress=rows(low.stress, high.stress),
        y_energy=both(low.y_energy, high.y_energy),
        y_forces=both(low.y_forces, high.y_forces),
        y_stress=both(low.y_stress, high.y_stress),
        degree=np.tile(low.degree, 2),
        order=np.tile(low.order, 2),
        emphasis=both(low.emphasis, high.emphasis),
    )


def joint_frame(single: Frame, joint: Design, coupling: Coupling) -> Frame:
    """Prior scales and centre of the joint model.

    Args:
        single: scales of one level.
        joint: of `joint_design`; its labels are not looked at.
        coupling: of the levels.
    """
    n_species = joint.counts.shape[1] // 2
    functions, zeros = single.scale[:-n_species], single.scale[-n_species:]
    scale = np.concatenate([functions, coupling.share * functions, zeros, zeros])
    return Frame(scale, Centring.of(joint.counts, joint.energy, np.zeros(len(joint.ids))).functions)


def high_potential(factor: Factor, coupling: Coupling) -> LinearFit:
    """The potential of the high level, ρ f_L + δ, with its energy zeros.

    Args:
        factor: fit of the joint model.
        coupling: of the levels.
    """
    fit = factor.fit()
    low, delta = np.split(fit.coefficients, 2)
    columns = np.split(fit.columns, 2)[0]
    return replace(fit, coefficients=coupling.rho * low + delta, zeros=np.split(fit.zeros, 2)[HIGH], columns=columns)


def joint_field(
    factor: Factor,
    structures: Design,
    coupling: Coupling,
    *,
    candidates: IntArray,
    labelled: Sequence[int],
    noise_share: float = NOISE_SHARE,
) -> EnergyField:
    """Energies of both levels with their misfit, candidates first, given what is labelled.

    Model and misfit of f_L have the covariance C of one level, those of δ `share`² C, independently. The mean variance
    of the high level over all structures is to fall.

    Args:
        factor: a fit of one level, for its prior scales and centring.
        structures: S structures.
        coupling: of the levels.
        candidates: labels that can be asked for: structure + S × level.
        labelled: those that are known, in the same numbers.
        noise_share: variance of the noise of a label of either level.

    Raises:
        DataError: the structures do not differ.
    """
    one = prior_covariance(factor, [structures])
    rho, share = coupling.rho, coupling.share
    covariance = np.kron(np.array([[1.0, rho], [rho, rho**2 + share**2]]), one)
    count = len(structures.ids)
    rest = np.setdiff1d(np.arange(2 * count), candidates)
    order = np.concatenate([candidates, rest]).astype(np.int64)
    place = np.argsort(order)
    target = place[count * HIGH : count * (HIGH + 1)]
    field = EnergyField(covariance[np.ix_(order, order)], target, noise_share)
    for label in labelled:
        field = field.after(int(place[label]))
    return field
