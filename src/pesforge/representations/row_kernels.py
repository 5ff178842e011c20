"""Compiled kernels for derivatives of all functions at once: rows of a design matrix, and projections.

Images of a neighbour and the strain are merged in the densities' derivatives, before the sum over components. Around
one atom the columns stand in one block per neighbour species z: 3 for the atom itself, 6 for strain (xx, yy, zz, yz,
xz, xy), then 3 per edge. A density component of species z has derivatives in that block alone.

As in `kernels`, no kernel calls one of another file.
"""

import numba
import numpy as np

from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.kernels import FAST, PairTables
from pesforge.representations.tables import ChannelTables, FunctionTables

SHARED_COLUMNS = 9
"""Columns of a block before its edges: 3 for the atom itself, 6 for strain."""


@numba.njit(cache=True)
def _block_starts(pairs: PairTables, atom: int, starts: IntArray) -> None:
    """Write the first column of each species' block around an atom, and the end of the last one."""
    starts[0] = 0
    for species in range(pairs.n_species):
        segment = atom * pairs.n_species + species
        edges = pairs.segment_edges[segment + 1] - pairs.segment_edges[segment]
        starts[species + 1] = starts[species] + SHARED_COLUMNS + 3 * edges


@numba.njit(cache=True)
def _sizes(pairs: PairTables) -> tuple[int, int]:
    """Largest number of pairs and of columns around one atom."""
    most_pairs, most_edges = 0, 0
    for atom in range(pairs.n_atoms):
        first, last = atom * pairs.n_species, (atom + 1) * pairs.n_species
        most_pairs = max(most_pairs, pairs.segment_pairs[last] - pairs.segment_pairs[first])
        most_edges = max(most_edges, pairs.segment_edges[last] - pairs.segment_edges[first])
    return most_pairs, SHARED_COLUMNS * pairs.n_species + 3 * most_edges


@numba.njit(cache=True, fastmath=FAST)
def _merge(pairs: PairTables, first: int, last: int, gradient: FloatArray, row: FloatArray) -> None:
    """Add the derivatives by pair vectors (3, pairs) to those by edges, the atom itself and strain, in one block."""
    count = last - first
    x, y, z = pairs.vector[0, first:last], pairs.vector[1, first:last], pairs.vector[2, first:last]
    gx, gy, gz = gradient[0, :count], gradient[1, :count], gradient[2, :count]
    sum_x, sum_y, sum_z = 0.0, 0.0, 0.0
    xx, yy, zz, yz, xz, xy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for p in range(count):
        sum_x += gx[p]
        sum_y += gy[p]
        sum_z += gz[p]
        xx += x[p] * gx[p]
        yy += y[p] * gy[p]
        zz += z[p] * gz[p]
        yz += y[p] * gz[p]
        xz += x[p] * gz[p]
        xy += x[p] * gy[p]
    for p in range(count):
        column = pairs.column[first + p]
        row[column] += gx[p]
        row[column + 1] += gy[p]
        row[column + 2] += gz[p]
    row[0] -= sum_x
    row[1] -= sum_y
    row[2] -= sum_z
    row[3], row[4], row[5], row[6], row[7], row[8] = xx, yy, zz, yz, xz, xy


@numba.njit(cache=True, fastmath=FAST)
def _density_derivatives(
    pairs: PairTables,
    channels: ChannelTables,
    atom: int,
    starts: IntArray,
    gradient: FloatArray,
    derivatives: FloatArray,
) -> None:
    """Write the derivatives of an atom's densities by all of its columns, shape (components, columns).

    `gradient` is scratch of shape (3, pairs).
    """
    for q in range(channels.species.size):
        species = channels.species[q]
        segment = atom * pairs.n_species + species
        first, last = pairs.segment_pairs[segment], pairs.segment_pairs[segment + 1]
        radial, slope = pairs.radial[channels.radial[q]], pairs.radial_slope[channels.radial[q]]
        momentum = channels.momentum[q]
        for m in range(2 * momentum + 1):
            harmonic = pairs.harmonics[momentum * momentum + m]
            for x in range(3):
                slant = pairs.harmonics_gradient[x, momentum * momentum + m]
                direction = pairs.direction[x]
                target = gradient[x]
                for p in range(first, last):
                    target[p - first] = slope[p] * harmonic[p] * direction[p] + radial[p] * slant[p]
            row = derivatives[channels.offset[q] + m, starts[species] : starts[species + 1]]
            row[:] = 0.0
            _merge(pairs, first, last, gradient, row)


@numba.njit(cache=True, fastmath=FAST)
def _function_derivatives(
    tables: FunctionTables,
    k: int,
    values: FloatArray,
    starts: IntArray,
    derivatives: FloatArray,
    result: FloatArray,
) -> None:
    """Write the derivatives of function k by all columns: the chain rule over its channels."""
    result[: starts[-1]] = 0.0
    for run in range(tables.first_run[k], tables.first_run[k + 1]):
        species = tables.run_species[run]
        begin, end = starts[species], starts[species + 1]
        offset, slot = tables.run_offset[run], tables.run_slot[run]
        target = result[begin:end]
        row, weight = derivatives[offset, begin:end], values[slot]
        for c in range(end - begin):
            target[c] += weight * row[c]
        for m in range(1, tables.run_width[run], 2):
            row, weight = derivatives[offset + m, begin:end], values[slot + m]
            next_row, next_weight = derivatives[offset + m + 1, begin:end], values[slot + m + 1]
            for c in range(end - begin):
                target[c] += weight * row[c] + next_weight * next_row[c]


@numba.njit(cache=True)
def _scatter(
    pairs: PairTables, atom: int, starts: IntArray, local: FloatArray, forces: FloatArray, strain: FloatArray
) -> None:
    """Add one function's derivatives around an atom to its force row (3n,) and strain row (6,)."""
    for species in range(pairs.n_species):
        start = starts[species]
        for x in range(3):
            forces[3 * atom + x] -= local[start + x]
        for x in range(6):
            strain[x] += local[start + 3 + x]
        segment = atom * pairs.n_species + species
        column = start + SHARED_COLUMNS
        for edge in range(pairs.segment_edges[segment], pairs.segment_edges[segment + 1]):
            other = 3 * pairs.edge_neighbour[edge]
            forces[other] -= local[column]
            forces[other + 1] -= local[column + 1]
            forces[other + 2] -= local[column + 2]
            column += 3


@numba.njit(cache=True)
def design_rows(
    pairs: PairTables, channels: ChannelTables, tables: FunctionTables, species: IntArray, values: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Force and strain rows, shapes (K, 3n) and (K, 6), K = functions per centre species × species.

    Forces are negative derivatives by positions; strain rows are derivatives by ε of vectors (1 + ε) r.

    Args:
        pairs: pairs of the structure.
        channels: density channels.
        tables: functions of one centre species.
        species: species index of every atom, shape (n,).
        values: sparse derivatives from `kernels.products_with_derivatives`.
    """
    n_functions = tables.order.size
    forces = np.zeros((n_functions * pairs.n_species, 3 * pairs.n_atoms))
    strain = np.zeros((n_functions * pairs.n_species, 6))
    most_pairs, width = _sizes(pairs)
    starts = np.empty(pairs.n_species + 1, dtype=np.int64)
    n_components = channels.offset[-1] + 2 * channels.momentum[-1] + 1
    gradient, local = np.empty((3, most_pairs)), np.empty(width)
    derivatives = np.empty((n_components, width))
    for atom in range(pairs.n_atoms):
        _block_starts(pairs, atom, starts)
        _density_derivatives(pairs, channels, atom, starts, gradient, derivatives)
        for k in range(n_functions):
            row = species[atom] * n_functions + k
            _function_derivatives(tables, k, values[atom], starts, derivatives, local)
            _scatter(pairs, atom, starts, local, forces[row], strain[row])
    return forces, strain


@numba.njit(cache=True)
def _projected_values(tables: FunctionTables, values: FloatArray, matrix: FloatArray, result: FloatArray) -> None:
    """Write the derivatives of projected functions by the densities of one atom, shape (components, P)."""
    result[:] = 0.0
    for k in range(tables.order.size):
        for run in range(tables.first_run[k], tables.first_run[k + 1]):
            offset, slot = tables.run_offset[run], tables.run_slot[run]
            for m in range(tables.run_width[run]):
                weight = values[slot + m]
                target = result[offset + m]
                for c in range(matrix.shape[1]):
                    target[c] += weight * matrix[k, c]


@numba.njit(cache=True)
def _store_projection(
    pairs: PairTables, atom: int, starts: IntArray, local: FloatArray, gradient: FloatArray, strain: FloatArray
) -> None:
    """Sort derivatives around an atom (columns, P) into its edges, its own edge first, and its strain."""
    own = pairs.segment_edges[atom * pairs.n_species] + atom
    for species in range(pairs.n_species):
        start = starts[species]
        gradient[own] += local[start : start + 3]
        strain[atom] += local[start + 3 : start + SHARED_COLUMNS]
        segment = atom * pairs.n_species + species
        column = start + SHARED_COLUMNS
        for edge in range(pairs.segment_edges[segment], pairs.segment_edges[segment + 1]):
            gradient[edge + atom + 1] = local[column : column + 3]
            column += 3


@numba.njit(cache=True, fastmath=FAST)
def project_rows(
    pairs: PairTables,
    channels: ChannelTables,
    tables: FunctionTables,
    species: IntArray,
    values: FloatArray,
    matrix: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Derivatives of B @ matrix of every atom by edges (E + n, 3, P) and by strain (n, 6, P).

    The edges of a centre follow each other, its own edge first.

    Args:
        pairs: pairs of the structure.
        channels: density channels.
        tables: functions of one centre species.
        species: species index of every atom, shape (n,).
        values: sparse derivatives from `kernels.products_with_derivatives`.
        matrix: shape (K, P), K = functions per centre species × species.
    """
    n_functions, n_columns = tables.order.size, matrix.shape[1]
    result = np.zeros((pairs.edge_neighbour.size + pairs.n_atoms, 3, n_columns))
    strain = np.zeros((pairs.n_atoms, 6, n_columns))
    most_pairs, width = _sizes(pairs)
    starts = np.empty(pairs.n_species + 1, dtype=np.int64)
    n_components = channels.offset[-1] + 2 * channels.momentum[-1] + 1
    gradient, derivatives = np.empty((3, most_pairs)), np.empty((n_components, width))
    projected, local = np.empty((n_components, n_columns)), np.empty((width, n_columns))
    for atom in range(pairs.n_atoms):
        block = matrix[species[atom] * n_functions : (species[atom] + 1) * n_functions]
        _projected_values(tables, values[atom], block, projected)
        _block_starts(pairs, atom, starts)
        _density_derivatives(pairs, channels, atom, starts, gradient, derivatives)
        local[:] = 0.0
        for q in range(channels.species.size):
            begin, end = starts[channels.species[q]], starts[channels.species[q] + 1]
            for component in range(channels.offset[q], channels.offset[q] + 2 * channels.momentum[q] + 1):
                for c in range(begin, end):
                    for column in range(n_columns):
                        local[c, column] += derivatives[component, c] * projected[component, column]
        _store_projection(pairs, atom, starts, local, result, strain)
    return result, strain
