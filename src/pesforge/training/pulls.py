"""Compiled products with the derivatives of the projections: two thirds of a training step were these two sums.

The derivatives J of e edges are read once per product, in their order. As products of torch they pass through arrays
of the length of the edges, and so does the derivative of each; that took seven times as long.
"""

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import torch
from torch import Tensor

from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.kernels import FAST

if TYPE_CHECKING:
    from pesforge.training.data import Batch


@numba.njit(cache=True, fastmath=FAST)
def _forces(jacobian: FloatArray, centre: IntArray, neighbour: IntArray, slope: FloatArray, out: FloatArray) -> None:
    """out[s, j] -= Σ_p J[e, :, p] slope[s, i, p] over the edges e from i to j."""
    for e in range(len(centre)):
        i, j = centre[e], neighbour[e]
        for s in range(len(slope)):
            for axis in range(3):
                total = 0.0
                for p in range(jacobian.shape[2]):
                    total += jacobian[e, axis, p] * slope[s, i, p]
                out[s, j, axis] -= total


@numba.njit(cache=True, fastmath=FAST)
def _changes(jacobian: FloatArray, centre: IntArray, neighbour: IntArray, moves: FloatArray, out: FloatArray) -> None:
    """out[s, i, p] += Σ_axis J[e, axis, p] moves[s, j, axis] over the edges e from i to j."""
    for e in range(len(centre)):
        i, j = centre[e], neighbour[e]
        for s in range(len(moves)):
            x, y, z = moves[s, j, 0], moves[s, j, 1], moves[s, j, 2]
            for p in range(jacobian.shape[2]):
                out[s, i, p] += jacobian[e, 0, p] * x + jacobian[e, 1, p] * y + jacobian[e, 2, p] * z


def _product(kernel: Any, batch: "Batch", values: Tensor, columns: int) -> Tensor:
    """The result (…, n, columns) of a kernel for values (…, n, any)."""
    given = np.ascontiguousarray(values.detach().numpy().reshape(-1, *values.shape[-2:]))
    out = np.zeros((*given.shape[:2], columns))
    kernel(np.ascontiguousarray(batch.gradient.numpy()), batch.centre.numpy(), batch.neighbour.numpy(), given, out)
    return torch.from_numpy(out.reshape(*values.shape[:-1], columns))


class _Forces(torch.autograd.Function):
    """F_j = -Σ_e J_e · dE/dρ; its transpose takes the derivative of a loss by F back to one by dE/dρ."""

    @staticmethod
    def forward(ctx: Any, slope: Tensor, batch: "Batch") -> Tensor:
        ctx.batch = batch
        return _product(_forces, batch, slope, 3)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, by_force: Tensor) -> tuple[Tensor, None]:
        return -_product(_changes, ctx.batch, by_force, ctx.batch.gradient.shape[2]), None


def forces_of(batch: "Batch", slope: Tensor) -> Tensor:
    """Forces (…, n, 3) in eV/Å from dE/dρ (…, n, P) in eV; derivatives by `slope` go through it once."""
    forces: Tensor = _Forces.apply(slope, batch)
    return forces


def changes_of(batch: "Batch", moves: Tensor) -> Tensor:
    """First-order changes (…, n, P) of the projections when atoms move by `moves` (…, n, 3) in Å; no derivatives."""
    return _product(_changes, batch, moves, batch.gradient.shape[2])
