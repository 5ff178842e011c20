"""What a potential says about its own errors on a structure, whatever the source: posterior, heads or dropout."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.potentials.ensemble import HeadEnsemble
from pesforge.potentials.head import NeuralHead
from pesforge.potentials.model import knows_nothing
from pesforge.potentials.posterior import Posterior, squares
from pesforge.representations.arrays import FloatArray
from pesforge.representations.pair_list import PairList
from pesforge.uncertainty.law import Law
from pesforge.uncertainty.noise import NoiseHead
from pesforge.uncertainty.predicted import Predicted, Uncertainty

if TYPE_CHECKING:
    from pesforge.export.potential import Potential


def own_error(potential: "Potential", atoms: Atoms, *, forces: bool, pairs: PairList | None = None) -> Uncertainty:
    """Predicted errors of the energy and, where asked for, of forces and stress.

    Args:
        potential: the potential.
        atoms: the structure.
        forces: whether those of forces and stress are given.
        pairs: pairs that a linear potential keeps from step to step of a moving structure; None: found anew.

    Raises:
        DataError: the potential has no source of them, or none for forces; the structure cannot be described.
    """
    if potential.posterior is not None:
        listed = PairList(0.0) if pairs is None else pairs
        return _by_posterior(potential, potential.posterior, atoms, listed, forces=forces)
    members = _members(potential)
    if members is None:
        knows_nothing(potential.kind)
    return _by_members(potential, members, atoms, forces=forces)


def _by_posterior(
    potential: "Potential", posterior: Posterior, atoms: Atoms, pairs: PairList, *, forces: bool
) -> Uncertainty:
    laws = _posterior_laws(potential, posterior)
    if potential.kind == "ace-linear":
        whitened, species = potential.leverages.whitened(atoms, pairs)
    else:
        rows = potential.atom_rows(atoms)
        whitened, species = posterior.whitened(rows), rows[:, -len(potential.species) :].argmax(axis=1)
    total = whitened.sum(axis=0)
    size = float(len(atoms))
    found = Uncertainty(
        energy=Predicted(laws["energy"], np.asarray(total @ total) / size**2, np.ones(()), size),
        leverage=squares(whitened),
        mahalanobis=posterior.distances(whitened, species),
    )
    if not forces:
        return found
    if "force" not in laws:
        raise DataError("this potential was stored without the scale of its force errors; fit it again.")
    _, force_rows, stress_rows = potential.row_basis.rows(atoms)
    spread = posterior.slope_leverages(force_rows).reshape(-1, 3)
    found = replace(found, forces=Predicted(laws["force"], spread, np.ones_like(spread)))
    if "stress" not in laws or not np.isfinite(stress_rows).all():
        return found
    return replace(found, stress=Predicted(laws["stress"], posterior.slope_leverages(stress_rows), np.ones(6)))


def _posterior_laws(potential: "Potential", posterior: Posterior) -> dict[str, Law]:
    """The calibrated laws; where none are stored, Gaussians that 68.3 % of left-out errors lie within one σ of."""
    if potential.calibrated is not None:
        return dict(potential.calibrated.laws)
    scales = {"energy": posterior.scale, "force": posterior.force_scale, "stress": posterior.stress_scale}
    return {kind: Law(0.0, scale) for kind, scale in scales.items() if scale is not None}


def _members(potential: "Potential") -> "tuple[Potential, ...] | None":
    """The potentials whose spread is the epistemic variance; None where there are none."""
    known, head = potential.calibrated, potential.head
    if known is not None and known.source == "dropout" and isinstance(head, NeuralHead):
        rng = np.random.default_rng(known.seed)
        thinned = tuple(head.thinned(known.dropout, rng) for _ in range(known.draws))
        return replace(potential, head=HeadEnsemble(thinned)).members
    return potential.members if isinstance(head, HeadEnsemble) else None


def _by_members(potential: "Potential", members: "tuple[Potential, ...]", atoms: Atoms, *, forces: bool) -> Uncertainty:
    """By variances over members; where no laws are stored, the variance is taken for all of that of the error."""
    known, size = potential.calibrated, float(len(atoms))
    invariants = potential.basis.invariants(atoms)
    zeros = [sum(member.zeros[symbol] for symbol in atoms.get_chemical_symbols()) for member in members]
    energies = [
        float(member.atom_gradient(invariants)[0].sum()) + own for member, own in zip(members, zeros, strict=True)
    ]
    noise = _noise(potential, invariants)
    plain = Law(0.0, 1.0)
    law = plain if known is None else known.laws["energy"]
    spread = np.asarray(np.var(energies, ddof=1) / size**2)
    found = Uncertainty(Predicted(law, spread, noise["energy"], size))
    if not forces:
        return found
    evaluated = [member.evaluate(atoms) for member in members]
    laws = {"force": plain, "stress": plain} if known is None else known.laws
    if "force" not in laws:
        raise DataError("this potential was stored without a law of its force errors: too few of them were left out.")
    spread = np.var([own for _, own, _ in evaluated], axis=0, ddof=1)
    found = replace(found, forces=Predicted(laws["force"], spread, noise["force"]))
    stresses = np.array([own for _, _, own in evaluated])
    if "stress" not in laws or not np.isfinite(stresses).all():
        return found
    return replace(found, stress=Predicted(laws["stress"], np.var(stresses, axis=0, ddof=1), noise["stress"]))


def _noise(potential: "Potential", invariants: FloatArray) -> dict[str, FloatArray]:
    """Relative aleatoric variances by kind: of the energy (), of the forces (n, 3) and of the stress (6,)."""
    known, n_atoms = potential.calibrated, len(invariants)
    found = {"energy": np.ones(()), "force": np.ones((n_atoms, 3)), "stress": np.ones(6)}
    if known is None or known.noise is None or potential.matrix is None:
        return found
    features = invariants @ potential.matrix
    if isinstance(known.noise, NoiseHead):
        own = known.noise.of(features, np.array([n_atoms]))
        return {kind: own[kind].reshape(plain.shape) if kind in own else plain for kind, plain in found.items()}
    by_atom = known.noise.of(features)
    mean = by_atom.mean()
    return {"energy": np.asarray(mean), "force": np.repeat(by_atom[:, None], 3, axis=1), "stress": np.full(6, mean)}
