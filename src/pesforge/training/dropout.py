"""Residuals of a trained head with neurons left out, without another training."""

from collections.abc import Sequence

import numpy as np

from pesforge.metrics import Residuals
from pesforge.potentials.ensemble import HeadEnsemble
from pesforge.potentials.head import NeuralHead
from pesforge.representations.arrays import FloatArray
from pesforge.representations.projections import ProjectionSet


def contribution(head: NeuralHead | HeadEnsemble, projections: ProjectionSet, counts: FloatArray) -> Residuals:
    """What a head adds to energies per atom, forces and stresses, its energy zeros included.

    Args:
        head: the head.
        projections: of S structures.
        counts: (S, Z) atoms per species.
    """
    n_atoms, n_structures = np.diff(projections.atom_offsets), len(projections.volumes)
    energies, gradient = head.energies_and_gradient(projections.rho)
    pulls = np.einsum("ecp,ep->ec", projections.gradient, gradient[projections.centre])
    virial = np.einsum("nvp,np->nv", projections.strain, gradient)
    total = np.bincount(projections.structure, weights=energies, minlength=n_structures) + counts @ head.zeros
    return Residuals(
        energy=total / n_atoms,
        forces=-_sums(projections.neighbour, pulls, len(energies)).ravel(),
        stress=(_sums(projections.structure, virial, n_structures) / projections.volumes[:, None]).ravel(),
        n_atoms=n_atoms,
    )


def _sums(index: np.ndarray, values: FloatArray, size: int) -> FloatArray:
    """Sums (size, C) of the rows of `values` (R, C) that share an index."""
    return np.stack([np.bincount(index, weights=column, minlength=size) for column in values.T], axis=1)


def thinned_residuals(
    head: NeuralHead,
    draws: Sequence[NeuralHead],
    found: Residuals,
    projections: ProjectionSet,
    counts: FloatArray,
) -> list[Residuals]:
    """Residuals of draws of dropout on structures whose residuals with all neurons are known.

    Args:
        head: with all neurons.
        draws: with some of them.
        found: residuals of `head` on S structures.
        projections: of the same structures.
        counts: (S, Z) atoms per species.
    """
    whole = contribution(head, projections, counts)
    parts = [contribution(draw, projections, counts) for draw in draws]
    return [
        Residuals(
            energy=found.energy + part.energy - whole.energy,
            forces=found.forces + part.forces - whole.forces,
            stress=found.stress + part.stress - whole.stress,
            n_atoms=found.n_atoms,
        )
        for part in parts
    ]
