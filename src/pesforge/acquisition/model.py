"""The linear model while labels are few: what needs no label comes from all structures at hand."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import scipy.linalg

from pesforge.errors import DataError
from pesforge.potentials.evidence import evidence_of
from pesforge.potentials.linear import prior_scale
from pesforge.potentials.normal import SAME_COMPOSITION, Centring, Factor, Weights, cholesky_factor, label_rows
from pesforge.representations.arrays import FloatArray
from pesforge.representations.design import Design


@dataclass(frozen=True)
class Frame:
    """Prior scales and the centre of the descriptors, from structures with and without labels.

    Three labels of a crystal would scale functions by the few forces that they know; the pool knows better. A fixed
    frame also keeps the blocks of the candidates valid from one refit to the next.

    Args:
        scale: (P,) prior scales of the unknowns, energy zeros last.
        functions: (Z, K) invariants per atom of each species.
    """

    scale: FloatArray
    functions: FloatArray

    @classmethod
    def of(cls, design: Design, *, prior_power: float) -> Self:
        """The frame of all structures at hand; their labels are not looked at.

        Args:
            design: candidates and labelled structures.
            prior_power: p of the prior scale 1/[rms force column × (1 + degree)^p].

        Raises:
            DataError: there is no structure, or no function has any force.
        """
        if not len(design.ids):
            raise DataError("there is no structure to take the scales of the functions from.")
        force_rms = np.sqrt(np.mean(design.forces**2, axis=0))
        scale = prior_scale(force_rms, design.degree, prior_power, design.counts.shape[1])
        return cls(scale, Centring.of(design.counts, design.energy, np.zeros(len(design.ids))).functions)

    def factor(
        self, labelled: Design, weights: Weights, *, alpha: float | None = None, shares: FloatArray | None = None
    ) -> Factor:
        """The fit to some labels.

        Args:
            labelled: structures with their labels.
            weights: weights of the labels.
            alpha: prior precision; None: that of the evidence.
            shares: (S,) factors of all weights of each structure, such as `blocks.damping`; None: 1.

        Raises:
            DataError: an energy or force is not a number, or the normal matrix is not positive definite.
        """
        finite = np.isfinite(labelled.y_energy).all() and np.isfinite(labelled.y_forces).all()
        if not len(labelled.ids) or not finite:
            raise DataError("a fit needs at least one label, and energies and forces that are numbers. Label first.")
        share = labelled.counts / labelled.n_atoms[:, None]
        energy = scipy.linalg.lstsq(share, labelled.y_energy / labelled.n_atoms, cond=SAME_COMPOSITION)[0]
        centring = Centring(energy, self.functions)
        whole = np.ones(len(labelled.ids)) if shares is None else shares
        owners = {
            "energy": np.arange(len(labelled.ids)),
            "force": np.repeat(np.arange(len(labelled.ids)), 3 * labelled.n_atoms),
            "stress": np.repeat(np.arange(len(labelled.ids)), 6),
        }
        size = len(self.scale)
        normal, right, squares, n_rows = np.zeros((size, size)), np.zeros(size), 0.0, 0
        for kind, (functions, zeros, targets) in label_rows(labelled, centring).items():
            if not weights.of_kind(kind) > 0:
                continue
            owner = owners[kind]
            if kind == "stress":
                owner = owner[np.isfinite(labelled.y_stress) & np.isfinite(labelled.stress).all(axis=1)]
            root = np.sqrt(weights.of_kind(kind) * whole[owner])
            rows = np.concatenate([functions, zeros], axis=1) * self.scale * root[:, None]
            normal += rows.T @ rows
            right += rows.T @ (root * targets)
            squares += float(np.sum((root * targets) ** 2))
            n_rows += len(targets)
        plain = Factor(
            weights=weights,
            alpha=0.0,
            columns=np.ones(size - len(energy), dtype=np.bool_),
            scale=self.scale,
            centring=centring,
            normal=normal,
            right=right,
            cholesky=np.zeros_like(normal),
            vector=np.zeros_like(right),
            n_rows=n_rows,
            weighted_squares=squares,
        )
        return _with_prior(plain, evidence_of(plain).alpha if alpha is None else alpha)


def _with_prior(plain: Factor, alpha: float) -> Factor:
    """The fit with a prior of precision α, from one without a prior."""
    normal = plain.normal.copy()
    normal[np.diag_indices_from(normal)] += alpha
    cholesky = cholesky_factor(normal, alpha)
    vector = scipy.linalg.cho_solve((cholesky, True), plain.right, check_finite=False)
    return replace(plain, alpha=alpha, normal=normal, cholesky=cholesky, vector=vector)
