"""Compiled kernels for derivatives of all functions at once: rows of a design matrix, and projections.

Images of a neighbour and the strain are merged in the densities' derivatives, before the sum over components. Around
one atom with E edges the columns are 6 for strain (xx, yy, zz, yz, xz, xy), then E for x, E for y and E for z; zeros
fill them up to a whole number of vector registers. The derivatives by the atom itself follow from the sum over edges.

As in `kernels`, no kernel calls one of another file. Inner loops index whole arrays by [row, column] with columns that
start at 0: this is what the compiler turns into vector instructions.
"""

import numba
import numpy as np

from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.kernels import FAST, PairTables
from pesforge.representations.tables import ChannelTables, FunctionTables

STRAIN = 6
"""Columns before those of the edges."""
LANES = 16
"""Columns come in multiples of this number; so many functions are sorted into forces at once."""
PAIR_LANES = 4
"""Pairs of an atom are filled up to a multiple of this number, with radial functions of zero."""


@numba.njit(cache=True, forceinline=True)
def _width(n_edges: int) -> int:
    """Number of columns around an atom, with those that fill up."""
    return (STRAIN + 3 * n_edges + LANES - 1) // LANES * LANES


@numba.njit(cache=True, forceinline=True)
def _padded(count: int) -> int:
    """Number of pairs of an atom, with those that fill up."""
    return (count + PAIR_LANES - 1) // PAIR_LANES * PAIR_LANES


@numba.njit(cache=True, forceinline=True)
def _most(first: IntArray) -> int:
    """Largest number of pairs or edges around one atom."""
    return (first[1:] - first[:-1]).max()


@numba.njit(cache=True, forceinline=True)
def _gather(source: FloatArray, first: int, last: int, target: FloatArray) -> None:
    """Copy the pairs of one atom from (rows, all pairs) to the front of (rows, most pairs), zeros behind them."""
    start, count = np.uintp(first), last - first
    for row in range(source.shape[0]):
        for p in range(count):
            target[row, p] = source[row, start + np.uintp(p)]
        for p in range(count, _padded(count)):
            target[row, p] = 0.0


@numba.njit(cache=True, forceinline=True, fastmath=FAST)
def _strain(vector: FloatArray, gradient: FloatArray, count: int, row: int, derivatives: FloatArray) -> None:
    """Write Σ r_a g_b of the pairs of one atom to the columns of strain."""
    xx, yy, zz, yz, xz, xy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for p in range(count):
        xx += vector[0, p] * gradient[0, p]
        yy += vector[1, p] * gradient[1, p]
        zz += vector[2, p] * gradient[2, p]
        yz += vector[1, p] * gradient[2, p]
        xz += vector[0, p] * gradient[2, p]
        xy += vector[0, p] * gradient[1, p]
    derivatives[row, 0], derivatives[row, 1], derivatives[row, 2] = xx, yy, zz
    derivatives[row, 3], derivatives[row, 4], derivatives[row, 5] = yz, xz, xy


@numba.njit(cache=True, forceinline=True, fastmath=FAST)
def _pair_derivatives(
    radial: FloatArray,
    slope: FloatArray,
    harmonic: FloatArray,
    slant: FloatArray,
    direction: FloatArray,
    rows: tuple[int, int],
    count: int,
    gradient: FloatArray,
) -> None:
    """Write the derivatives of R_f Y_lm by the pair vectors of one atom, shape (3, count); `rows` are f and lm."""
    f, lm = rows
    for p in range(count):
        along, across = slope[f, p] * harmonic[lm, p], radial[f, p]
        gradient[0, p] = along * direction[0, p] + across * slant[0, lm, p]
        gradient[1, p] = along * direction[1, p] + across * slant[1, lm, p]
        gradient[2, p] = along * direction[2, p] + across * slant[2, lm, p]


@numba.njit(cache=True, forceinline=True)
def _merge(
    position: IntArray, first: int, count: int, n_edges: int, gradient: FloatArray, row: int, derivatives: FloatArray
) -> None:
    """Write derivatives by pair vectors (3, count) to the columns of their edges, images being added."""
    if count == n_edges:
        for x in range(3):
            start = np.uintp(STRAIN + x * n_edges)
            for p in range(count):
                derivatives[row, start + np.uintp(p)] = gradient[x, p]
        return
    for c in range(STRAIN, STRAIN + 3 * n_edges):
        derivatives[row, c] = 0.0
    for p in range(count):
        place = position[first + p]
        if place >= 0:
            for x in range(3):
                derivatives[row, STRAIN + x * n_edges + place] += gradient[x, p]


@numba.njit(cache=True, forceinline=True)
def _density_derivatives(
    pairs: PairTables,
    channels: ChannelTables,
    atom: int,
    local: tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray],
    gradient: FloatArray,
    derivatives: FloatArray,
) -> None:
    """Write the derivatives of an atom's densities by all of its columns, shape (components, columns).

    `local` is scratch for what belongs to the pairs of one atom: radial functions, their slopes, harmonics, their
    gradients, directions and vectors; `gradient` is scratch of shape (3, pairs).
    """
    first, last = pairs.first_pair[atom], pairs.first_pair[atom + 1]
    count, n_edges = last - first, pairs.first_edge[atom + 1] - pairs.first_edge[atom]
    radial, slope, harmonic, slant, direction, vector = local
    _gather(pairs.radial, first, last, radial)
    _gather(pairs.radial_slope, first, last, slope)
    _gather(pairs.harmonics, first, last, harmonic)
    for x in range(3):
        _gather(pairs.harmonics_gradient[x], first, last, slant[x])
    _gather(pairs.direction, first, last, direction)
    _gather(pairs.vector, first, last, vector)
    width, padded = _width(n_edges), _padded(count)
    for q in range(channels.radial.size):
        momentum = channels.momentum[q]
        for m in range(2 * momentum + 1):
            rows = (channels.radial[q], momentum * momentum + m)
            _pair_derivatives(radial, slope, harmonic, slant, direction, rows, padded, gradient)
            row = channels.offset[q] + m
            _strain(vector, gradient, padded, row, derivatives)
            _merge(pairs.edge_position, first, count, n_edges, gradient, row, derivatives)
            for c in range(STRAIN + 3 * n_edges, width):
                derivatives[row, c] = 0.0


@numba.njit(cache=True, forceinline=True, fastmath=FAST)
def _function_derivatives(
    component: IntArray,
    values: FloatArray,
    bounds: tuple[int, int],
    derivatives: FloatArray,
    width: int,
    lane: int,
    result: FloatArray,
) -> None:
    """Write the derivatives of one function by all columns to result[lane]: Σ_v values[v] · derivatives[component[v]].

    Four rows go in one pass, so that the result is read and written once for all of them.
    """
    v, last = bounds
    for c in range(width):
        result[lane, c] = 0.0
    while v + 4 <= last:
        i, j, k, h = component[v], component[v + 1], component[v + 2], component[v + 3]
        a, b, d, e = values[v], values[v + 1], values[v + 2], values[v + 3]
        for c in range(width):
            result[lane, c] += (
                a * derivatives[i, c] + b * derivatives[j, c] + d * derivatives[k, c] + e * derivatives[h, c]
            )
        v += 4
    while v < last:
        i, a = component[v], values[v]
        for c in range(width):
            result[lane, c] += a * derivatives[i, c]
        v += 1


@numba.njit(cache=True, forceinline=True)
def _scatter(
    neighbour: IntArray,
    edges: tuple[int, int],
    atom: int,
    columns: tuple[int, int],
    result: FloatArray,
    total: FloatArray,
    forces: FloatArray,
) -> None:
    """Take the derivatives of some functions around an atom off their force rows, the sum going to the atom itself.

    `columns` are the first column and the number of these functions; `total` is scratch of shape (LANES,).
    """
    first, last = edges
    n_edges, start, count = last - first, np.uintp(columns[0]), columns[1]
    for x in range(3):
        for lane in range(LANES):
            total[lane] = 0.0
        for e in range(n_edges):
            row, c = 3 * neighbour[first + e] + x, STRAIN + x * n_edges + e
            for lane in range(count):
                value = result[lane, c]
                forces[row, start + np.uintp(lane)] -= value
                total[lane] += value
        for lane in range(count):
            forces[3 * atom + x, start + np.uintp(lane)] += total[lane]


@numba.njit(cache=True, forceinline=True)
def _scratch(
    pairs: PairTables,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Space for what belongs to the pairs of one atom, see `_density_derivatives`."""
    most = _padded(_most(pairs.first_pair))
    n_radial, n_harmonics = pairs.radial.shape[0], pairs.harmonics.shape[0]
    return (
        np.empty((n_radial, most)),
        np.empty((n_radial, most)),
        np.empty((n_harmonics, most)),
        np.empty((3, n_harmonics, most)),
        np.empty((3, most)),
        np.empty((3, most)),
    )


@numba.njit(cache=True)
def design_rows(
    pairs: PairTables,
    channels: ChannelTables,
    tables: FunctionTables,
    species: IntArray,
    n_species: int,
    values: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Force and strain rows, shapes (3n, K) and (6, K), K = functions per centre species × species.

    Forces are negative derivatives by positions; strain rows are derivatives by ε of vectors (1 + ε) r.

    Args:
        pairs: pairs of the structure.
        channels: density channels.
        tables: functions of one centre species.
        species: species index of every atom, shape (n,).
        n_species: number of species.
        values: sparse derivatives from `kernels.products_with_derivatives`.
    """
    n_functions = tables.order.size
    forces = np.zeros((3 * pairs.n_atoms, n_functions * n_species))
    strain = np.zeros((STRAIN, n_functions * n_species))
    most = _width(_most(pairs.first_edge))
    local, gradient = _scratch(pairs), np.empty((3, _padded(_most(pairs.first_pair))))
    derivatives = np.empty((channels.offset[-1] + 2 * channels.momentum[-1] + 1, most))
    result, total = np.empty((LANES, most)), np.empty(LANES)
    for atom in range(pairs.n_atoms):
        edges = (pairs.first_edge[atom], pairs.first_edge[atom + 1])
        width = _width(edges[1] - edges[0])
        _density_derivatives(pairs, channels, atom, local, gradient, derivatives)
        for block in range(0, n_functions, LANES):
            count = min(LANES, n_functions - block)
            for lane in range(count):
                bounds = (tables.first_value[block + lane], tables.first_value[block + lane + 1])
                _function_derivatives(tables.component, values[atom], bounds, derivatives, width, lane, result)
            columns = (species[atom] * n_functions + block, count)
            for x in range(STRAIN):
                for lane in range(count):
                    strain[x, columns[0] + lane] += result[lane, x]
            _scatter(pairs.edge_neighbour, edges, atom, columns, result, total, forces)
    return forces, strain


@numba.njit(cache=True, forceinline=True)
def _projected_values(tables: FunctionTables, values: FloatArray, matrix: FloatArray, result: FloatArray) -> None:
    """Write the derivatives of projected functions by the densities of one atom, shape (components, P)."""
    result[:] = 0.0
    for k in range(tables.order.size):
        for v in range(tables.first_value[k], tables.first_value[k + 1]):
            row, weight = tables.component[v], values[v]
            for c in range(matrix.shape[1]):
                result[row, c] += weight * matrix[k, c]


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
    strain = np.zeros((pairs.n_atoms, STRAIN, n_columns))
    most = _width(_most(pairs.first_edge))
    local_pairs, gradient = _scratch(pairs), np.empty((3, _padded(_most(pairs.first_pair))))
    n_components = channels.offset[-1] + 2 * channels.momentum[-1] + 1
    derivatives = np.empty((n_components, most))
    projected, local = np.empty((n_components, n_columns)), np.empty((most, n_columns))
    for atom in range(pairs.n_atoms):
        block = matrix[species[atom] * n_functions : (species[atom] + 1) * n_functions]
        _projected_values(tables, values[atom], block, projected)
        _density_derivatives(pairs, channels, atom, local_pairs, gradient, derivatives)
        n_edges = pairs.first_edge[atom + 1] - pairs.first_edge[atom]
        local[:] = 0.0
        for component in range(n_components):
            for c in range(STRAIN + 3 * n_edges):
                weight = derivatives[component, c]
                for column in range(n_columns):
                    local[c, column] += weight * projected[component, column]
        strain[atom] = local[:STRAIN]
        own = pairs.first_edge[atom] + atom
        for x in range(3):
            for e in range(n_edges):
                for column in range(n_columns):
                    value = local[STRAIN + x * n_edges + e, column]
                    result[own + 1 + e, x, column] = value
                    result[own, x, column] -= value
    return result, strain
