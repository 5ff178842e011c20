"""Penalties on net force and net torque, for models whose forces are no gradient and conserve neither momentum.

    λ_f <‖ΣF‖² / 3n> + λ_τ <‖Σ r×F‖² / 2Σr²>

with means over structures of n atoms and r from their centre. Forces with independent errors of variance s² per
component have s² in both brackets, so the weights compare with that of the mean squared force error whatever the size
of a structure. A potential that is invariant under translations and rotations has zero in both by construction.
"""

from torch import Tensor

from pesforge.errors import DataError


def net_force_penalty(forces: Tensor, structure: Tensor, n_atoms: Tensor) -> Tensor:
    """Mean over structures of ‖ΣF‖² / 3n in (eV/Å)².

    Args:
        forces: (n, 3) of all atoms in eV/Å.
        structure: (n,) structure of every atom.
        n_atoms: (B,) atoms per structure.
    """
    totals = forces.new_zeros(len(n_atoms), 3).index_add(0, structure, forces)
    return (totals.square().sum(dim=1) / (3.0 * n_atoms)).mean()


def net_torque_penalty(forces: Tensor, positions: Tensor, structure: Tensor, n_atoms: Tensor) -> Tensor:
    """Mean over structures of ‖Σ r×F‖² / 2Σr² in (eV/Å)²; for structures without periodic directions.

    Args:
        forces: (n, 3) of all atoms in eV/Å.
        positions: (n, 3) in Å; those from the centre of their structure are taken.
        structure: (n,) structure of every atom.
        n_atoms: (B,) atoms per structure.

    Raises:
        DataError: all atoms of a structure are at one point, where there is no torque.
    """
    zero = positions.new_zeros(len(n_atoms), 3)
    arms = positions - (zero.index_add(0, structure, positions) / n_atoms[:, None])[structure]
    spread = zero[:, 0].index_add(0, structure, arms.square().sum(dim=1))
    if not bool((spread > 0).all()):
        raise DataError(
            "a structure has no extent, so that no torque is defined: leave out single atoms, or set the weight of the "
            "net torque to 0."
        )
    torques = zero.index_add(0, structure, arms.cross(forces, dim=1))
    return (torques.square().sum(dim=1) / (2.0 * spread)).mean()
