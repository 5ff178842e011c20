"""Compiled kernels: densities of pairs, products of densities with their derivatives, and the adjoint.

Compiled code is cached per source file, by its content alone. So no kernel calls one of another file: the caller's
cached copy would survive a change of the callee.

A kernel that other kernels call is inlined. Otherwise the caller's compiled code holds a copy of it that rounds
differently, and a process would run that copy where it reads the code from the cache, but the kernel itself where it
has compiled both: the first run of a study and its repetition would differ in the last digits.
"""

from typing import NamedTuple

import numba
import numpy as np

from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.tables import ChannelTables, FunctionTables

FAST = {"contract", "reassoc", "nsz"}
"""Rounding freedoms that let sums run in vector registers; NaN and infinity keep their meaning."""


class PairTables(NamedTuple):
    """Pairs of one structure with their radial functions and harmonics; the last axis runs over pairs.

    Radial functions hold the weight of the neighbour's species, so that one row belongs to one channel and l.
    """

    n_atoms: int
    first_pair: IntArray
    first_edge: IntArray
    neighbour: IntArray
    edge_neighbour: IntArray
    edge_position: IntArray
    vector: FloatArray
    direction: FloatArray
    radial: FloatArray
    radial_slope: FloatArray
    harmonics: FloatArray
    harmonics_gradient: FloatArray


@numba.njit(cache=True, fastmath=FAST)
def densities(pairs: PairTables, channels: ChannelTables, n_components: int) -> FloatArray:
    """Densities A_qnlm of every atom, shape (n, n_components)."""
    result = np.zeros((pairs.n_atoms, n_components))
    for atom in range(pairs.n_atoms):
        first, last = pairs.first_pair[atom], pairs.first_pair[atom + 1]
        for q in range(channels.radial.size):
            radial = pairs.radial[channels.radial[q], first:last]
            momentum = channels.momentum[q]
            for m in range(2 * momentum + 1):
                harmonic = pairs.harmonics[momentum * momentum + m, first:last]
                total = 0.0
                for p in range(last - first):
                    total += radial[p] * harmonic[p]
                result[atom, channels.offset[q] + m] = total
    return result


@numba.njit(cache=True, forceinline=True)
def _pair_product(density: FloatArray, tables: FunctionTables, k: int, values: FloatArray) -> float:
    a, b = tables.offset[k, 0], tables.offset[k, 1]
    slot_a, slot_b = tables.slot[k, 0], tables.slot[k, 1]
    width = tables.width[k, 0]
    scale = 1.0 / np.sqrt(width)
    total = 0.0
    for m in range(width):
        total += density[a + m] * density[b + m]
        values[slot_a + m] += scale * density[b + m]
        values[slot_b + m] += scale * density[a + m]
    return scale * total


@numba.njit(cache=True, forceinline=True)
def _triple_product(density: FloatArray, tables: FunctionTables, k: int, values: FloatArray) -> float:
    a, b, c = tables.offset[k, 0], tables.offset[k, 1], tables.offset[k, 2]
    slot_a, slot_b, slot_c = tables.slot[k, 0], tables.slot[k, 1], tables.slot[k, 2]
    total = 0.0
    for term in range(tables.first_term[k, 0], tables.last_term[k, 0]):
        i, j, m = tables.left[term], tables.right[term], tables.result[term]
        x, y, z = density[a + i], density[b + j], tables.value[term] * density[c + m]
        product = x * y
        values[slot_a + i] += y * z
        values[slot_b + j] += x * z
        values[slot_c + m] += tables.value[term] * product
        total += product * z
    return total


@numba.njit(cache=True, forceinline=True)
def _couple(density: FloatArray, tables: FunctionTables, k: int, half: int, coupled: FloatArray) -> None:
    """Couple the two factors of one half of an order-4 function to the angular momentum of its path."""
    a, b = tables.offset[k, 2 * half], tables.offset[k, 2 * half + 1]
    for m in range(2 * tables.path[k] + 1):
        coupled[m] = 0.0
    for term in range(tables.first_term[k, half], tables.last_term[k, half]):
        coupled[tables.result[term]] += (
            tables.value[term] * density[a + tables.left[term]] * density[b + tables.right[term]]
        )


@numba.njit(cache=True, forceinline=True)
def _quadruple_product(
    density: FloatArray, tables: FunctionTables, k: int, values: FloatArray, coupled: FloatArray
) -> float:
    for half in range(2):
        _couple(density, tables, k, half, coupled[half])
    for half in range(2):
        a, b = tables.offset[k, 2 * half], tables.offset[k, 2 * half + 1]
        slot_a, slot_b = tables.slot[k, 2 * half], tables.slot[k, 2 * half + 1]
        other = coupled[1 - half]
        for term in range(tables.first_term[k, half], tables.last_term[k, half]):
            i, j = tables.left[term], tables.right[term]
            weight = tables.value[term] * other[tables.result[term]]
            values[slot_a + i] += weight * density[b + j]
            values[slot_b + j] += weight * density[a + i]
    total = 0.0
    for m in range(2 * tables.path[k] + 1):
        total += coupled[0, m] * coupled[1, m]
    return total


@numba.njit(cache=True, forceinline=True)
def _atom_products(
    density: FloatArray, tables: FunctionTables, invariants: FloatArray, values: FloatArray, coupled: FloatArray
) -> None:
    """Write the functions of one atom and their derivatives by its density.

    Args:
        density: densities of the atom, shape (components,).
        tables: functions.
        invariants: result, shape (K_c,).
        values: result, the sparse derivatives, see `FunctionTables`.
        coupled: scratch, shape (2, 2 L + 1) for the largest path L.
    """
    values[:] = 0.0
    for k in range(tables.order.size):
        order = tables.order[k]
        if order == 1:
            invariants[k] = density[tables.offset[k, 0]]
            values[tables.slot[k, 0]] = 1.0
        elif order == 2:
            invariants[k] = _pair_product(density, tables, k, values)
        elif order == 3:
            invariants[k] = _triple_product(density, tables, k, values)
        else:
            invariants[k] = _quadruple_product(density, tables, k, values, coupled)


@numba.njit(cache=True, forceinline=True)
def _n_values(tables: FunctionTables) -> int:
    return tables.component.size


@numba.njit(cache=True)
def products(density: FloatArray, tables: FunctionTables) -> FloatArray:
    """Functions of every atom from its densities (n, components), shape (n, K_c)."""
    result = np.empty((density.shape[0], tables.order.size))
    values, coupled = np.empty(_n_values(tables)), np.empty((2, 2 * tables.path.max() + 1))
    for atom in range(density.shape[0]):
        _atom_products(density[atom], tables, result[atom], values, coupled)
    return result


@numba.njit(cache=True)
def products_with_derivatives(density: FloatArray, tables: FunctionTables) -> tuple[FloatArray, FloatArray]:
    """Functions of every atom, shape (n, K_c), and their sparse derivatives, shape (n, values of `FunctionTables`)."""
    result = np.empty((density.shape[0], tables.order.size))
    values, coupled = np.empty((density.shape[0], _n_values(tables))), np.empty((2, 2 * tables.path.max() + 1))
    for atom in range(density.shape[0]):
        _atom_products(density[atom], tables, result[atom], values[atom], coupled)
    return result, values


@numba.njit(cache=True)
def density_adjoint(density: FloatArray, tables: FunctionTables, weights: FloatArray) -> FloatArray:
    """Derivatives Σ_k weights[i, k] dB_k(i)/dA(i) by the densities of every atom, shape (n, components)."""
    result = np.zeros_like(density)
    values, coupled = np.empty(_n_values(tables)), np.empty((2, 2 * tables.path.max() + 1))
    invariants = np.empty(tables.order.size)
    for atom in range(density.shape[0]):
        _atom_products(density[atom], tables, invariants, values, coupled)
        for k in range(tables.order.size):
            weight = weights[atom, k]
            for v in range(tables.first_value[k], tables.first_value[k + 1]):
                result[atom, tables.component[v]] += weight * values[v]
    return result


@numba.njit(cache=True, fastmath=FAST)
def pair_gradients(pairs: PairTables, channels: ChannelTables, adjoint: FloatArray) -> FloatArray:
    """Derivatives of Σ_i E_i by each pair vector, shape (3, P), from those by the densities (n, components)."""
    result = np.zeros((3, pairs.neighbour.size))
    sums = np.empty((4, (pairs.first_pair[1:] - pairs.first_pair[:-1]).max()))
    for atom in range(pairs.n_atoms):
        first, last = pairs.first_pair[atom], pairs.first_pair[atom + 1]
        count = last - first
        for q in range(channels.radial.size):
            momentum = channels.momentum[q]
            sums[:, :count] = 0.0
            for m in range(2 * momentum + 1):
                weight = adjoint[atom, channels.offset[q] + m]
                index = momentum * momentum + m
                harmonic = pairs.harmonics[index, first:last]
                for p in range(count):
                    sums[0, p] += weight * harmonic[p]
                for x in range(3):
                    slant = pairs.harmonics_gradient[x, index, first:last]
                    for p in range(count):
                        sums[x + 1, p] += weight * slant[p]
            radial = pairs.radial[channels.radial[q], first:last]
            slope = pairs.radial_slope[channels.radial[q], first:last]
            for x in range(3):
                direction, target = pairs.direction[x, first:last], result[x, first:last]
                for p in range(count):
                    target[p] += slope[p] * sums[0, p] * direction[p] + radial[p] * sums[x + 1, p]
    return result
