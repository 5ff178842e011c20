"""Compiled kernel: energies, forces and virial of a polynomial in densities, without design rows in between.

Atoms of one species are taken in blocks of `WIDTH`, one atom per lane; step k of a block takes the k-th neighbour of
each of its atoms. Lanes whose atom has fewer neighbours carry a zero for every radial function.
"""

from functools import partial
from typing import Any

import numba
import numpy as np

from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.fused_tables import PairTables, PolynomialTables, Scratch
from pesforge.representations.lanes import WIDTH, load, spread, store
from pesforge.representations.neighbours import COINCIDENT_ANG

STEPS = 4
"""Neighbours whose contributions to a density are added in one pass; the number of steps is a multiple of it."""
FAST = {"contract", "reassoc", "nsz"}
"""Rounding freedoms that let sums run in vector registers; NaN and infinity keep their meaning."""

_njit: Any = numba.njit
inner = partial(_njit, cache=True, forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""Decorator of kernels that only kernels call: a quarter less to compile, and inlined (see `kernels`)."""


@inner()
def _scratch(tables: PolynomialTables, pairs: PairTables) -> Scratch:
    steps, functions = pairs.max_steps, tables.radial.shape[3]
    l_max = tables.recursion.shape[1] - 1
    values = tables.norm.size + 1 + tables.product_left.size
    return Scratch(
        atom=np.empty((steps, WIDTH), dtype=np.int64),
        slots=np.zeros(tables.run_first.shape[0] + 1, dtype=np.int64),
        distance=np.empty((steps, WIDTH)),
        inverse=np.empty((steps, WIDTH)),
        vector=np.empty((3 * steps, WIDTH)),
        radial=np.empty((steps * functions, WIDTH)),
        slope=np.empty((steps * functions, WIDTH)),
        legendre=np.zeros((steps * (l_max + 2) ** 2, WIDTH)),
        azimuth=np.zeros((steps * 2 * (l_max + 1), WIDTH)),
        value=np.empty((values, WIDTH)),
        adjoint=np.empty((values, WIDTH)),
        sums=np.empty((4 * (l_max + 1) ** 2, WIDTH)),
    )


@inner(fastmath=FAST)
def _gather(tables: PolynomialTables, pairs: PairTables, position: FloatArray, b: int, work: Scratch) -> None:
    """Give the neighbours of block b that are within the cutoff to steps: their vectors and distances squared."""
    n_segments = tables.run_first.shape[0]
    square = tables.cutoff_ang**2
    work.atom[:] = -1
    start = 0
    for s in range(n_segments):
        most = 0
        for a in range(WIDTH):
            i, step = pairs.lane[b, a], start
            if i < 0:
                continue
            x, y, z = position[i, 0], position[i, 1], position[i, 2]
            for p in range(pairs.first[i * n_segments + s], pairs.first[i * n_segments + s + 1]):
                j = pairs.neighbour[p]
                dx = position[j, 0] - x + pairs.shift[p, 0]
                dy = position[j, 1] - y + pairs.shift[p, 1]
                dz = position[j, 2] - z + pairs.shift[p, 2]
                d = dx * dx + dy * dy + dz * dz
                if d < square:
                    work.atom[step, a], work.distance[step, a] = j, d
                    work.vector[3 * step, a], work.vector[3 * step + 1, a], work.vector[3 * step + 2, a] = dx, dy, dz
                    step += 1
            most = max(most, step - start)
        work.slots[s] = start
        start += STEPS * ((most + STEPS - 1) // STEPS)
    work.slots[n_segments] = start


@inner(fastmath=FAST)
def _radial(tables: PolynomialTables, species: IntArray, work: Scratch) -> float:
    """Directions, distances and radial functions of all steps; the smallest distance in Å."""
    functions, intervals = tables.radial.shape[3], tables.radial.shape[1]
    per_ang, closest = 1.0 / tables.spacing_ang, np.inf
    for step in range(work.slots[-1]):
        for a in range(WIDTH):
            j = work.atom[step, a]
            if j < 0:
                work.distance[step, a], work.inverse[step, a] = 1.0, 1.0
                work.vector[3 * step, a], work.vector[3 * step + 1, a], work.vector[3 * step + 2, a] = 0.0, 0.0, 1.0
                for f in range(functions):
                    work.radial[step * functions + f, a] = 0.0
                    work.slope[step * functions + f, a] = 0.0
                continue
            r = np.sqrt(work.distance[step, a])
            closest = min(closest, r)
            inverse = 1.0 / max(r, COINCIDENT_ANG)
            work.distance[step, a], work.inverse[step, a] = r, inverse
            for x in range(3):
                work.vector[3 * step + x, a] *= inverse
            w = r * per_ang
            g = min(int(w), intervals - 1)
            w -= g
            c = tables.radial[species[j], g]
            for f in range(functions):
                value = c[4, f] + w * c[5, f]
                slope = 4.0 * c[4, f] + w * (5.0 * c[5, f])
                value = c[3, f] + w * value
                slope = 3.0 * c[3, f] + w * slope
                value = c[2, f] + w * value
                slope = 2.0 * c[2, f] + w * slope
                value = c[1, f] + w * value
                slope = c[1, f] + w * slope
                work.radial[step * functions + f, a] = c[0, f] + w * value
                work.slope[step * functions + f, a] = slope * per_ang
    return closest


@inner()
def _directions(tables: PolynomialTables, work: Scratch) -> None:
    """The factors of harmonics: derivatives Π_lm = dᵐ P_l / dzᵐ of Legendre polynomials, and (x + iy)ᵐ."""
    count = tables.recursion.shape[1]
    stride = count + 1
    one, zero = spread(1.0), spread(0.0)
    for step in range(work.slots[-1]):
        x, y, z = load(work.vector, 3 * step), load(work.vector, 3 * step + 1), load(work.vector, 3 * step + 2)
        real, imaginary = one, zero
        first, second = 2 * count * step, step * stride * stride
        diagonal = 1.0
        for m in range(count):
            store(work.azimuth, first + 2 * m, real)
            store(work.azimuth, first + 2 * m + 1, imaginary)
            real, imaginary = x * real - y * imaginary, x * imaginary + y * real
            if m > 0:
                diagonal *= 2.0 * m - 1.0
            older, old = zero, spread(diagonal)
            place = second + m * stride
            store(work.legendre, place + m, old)
            for l in range(m + 1, count):  # noqa: E741
                new = tables.recursion[0, l, m] * (z * old) - tables.recursion[1, l, m] * older
                store(work.legendre, place + l, new)
                older, old = old, new


@inner()
def _densities(tables: PolynomialTables, work: Scratch) -> None:
    """Densities of the block, the first values."""
    count, functions, components = tables.recursion.shape[1], tables.radial.shape[3], tables.norm.size
    stride = count + 1
    for c in range(components):
        store(work.value, c, spread(0.0))
    for s in range(tables.run_first.shape[0]):
        for step in range(work.slots[s], work.slots[s + 1], STEPS):
            f0 = step * functions
            f1, f2, f3 = f0 + functions, f0 + 2 * functions, f0 + 3 * functions
            for m in range(count):
                for sign in range(2 if m > 0 else 1):
                    turn = 2 * (step * count + m) + sign
                    t0, t1 = load(work.azimuth, turn), load(work.azimuth, turn + 2 * count)
                    t2, t3 = load(work.azimuth, turn + 4 * count), load(work.azimuth, turn + 6 * count)
                    for l in range(m, count):  # noqa: E741
                        q = l * l + l + (m if sign == 0 else -m)
                        place, jump = (step * stride + m) * stride + l, stride * stride
                        y0, y1 = t0 * load(work.legendre, place), t1 * load(work.legendre, place + jump)
                        y2, y3 = (
                            t2 * load(work.legendre, place + 2 * jump),
                            t3 * load(work.legendre, place + 3 * jump),
                        )
                        for run in range(tables.run_first[s, q], tables.run_first[s, q + 1]):
                            c, f = tables.run_component[run], tables.run_radial[run]
                            total = load(work.value, c) + y0 * load(work.radial, f0 + f)
                            total = total + y1 * load(work.radial, f1 + f)
                            total = total + y2 * load(work.radial, f2 + f)
                            store(work.value, c, total + y3 * load(work.radial, f3 + f))
    for c in range(components):
        store(work.value, c, tables.norm[c] * load(work.value, c))


@inner()
def _polynomial(tables: PolynomialTables, species: int, work: Scratch, energy: FloatArray) -> None:
    """Energies of the block's atoms and their derivatives by its densities."""
    components, products = tables.norm.size, tables.product_left.size
    store(work.value, components, spread(1.0))
    for p in range(products):
        product = load(work.value, tables.product_left[p]) * load(work.value, tables.product_right[p])
        store(work.value, components + 1 + p, product)
    for c in range(components + 1 + products):
        store(work.adjoint, c, spread(0.0))
    total, weight = spread(tables.zeros[species]), tables.weight[species]
    for r in range(tables.left.size):
        left, right = tables.left[r], tables.right[r]
        x, y, inner_sum = load(work.value, left), load(work.value, right), spread(0.0)
        factor = x * y
        for t in range(tables.row_first[r], tables.row_first[r + 1]):
            c, w = tables.column[t], spread(weight[t])
            inner_sum = inner_sum + w * load(work.value, c)
            store(work.adjoint, c, load(work.adjoint, c) + w * factor)
        total = total + factor * inner_sum
        store(work.adjoint, left, load(work.adjoint, left) + y * inner_sum)
        store(work.adjoint, right, load(work.adjoint, right) + x * inner_sum)
    for p in range(products):
        left, right = tables.product_left[p], tables.product_right[p]
        slope = load(work.adjoint, components + 1 + p)
        store(work.adjoint, left, load(work.adjoint, left) + slope * load(work.value, right))
        store(work.adjoint, right, load(work.adjoint, right) + slope * load(work.value, left))
    for c in range(components):
        store(work.adjoint, c, tables.norm[c] * load(work.adjoint, c))
    store(energy, 0, total)


@inner()
def _harmonic_sums(tables: PolynomialTables, s: int, step: int, work: Scratch) -> None:
    """Derivatives of the energies by each harmonic of steps `step` and `step + 1`, and the same of radial slopes."""
    functions = tables.radial.shape[3]
    f0, f1 = step * functions, (step + 1) * functions
    for q in range(tables.run_first.shape[1] - 1):
        value0, value1, slope0, slope1 = spread(0.0), spread(0.0), spread(0.0), spread(0.0)
        for run in range(tables.run_first[s, q], tables.run_first[s, q + 1]):
            adjoint, f = load(work.adjoint, tables.run_component[run]), tables.run_radial[run]
            value0 = value0 + adjoint * load(work.radial, f0 + f)
            slope0 = slope0 + adjoint * load(work.slope, f0 + f)
            value1 = value1 + adjoint * load(work.radial, f1 + f)
            slope1 = slope1 + adjoint * load(work.slope, f1 + f)
        store(work.sums, 4 * q, value0)
        store(work.sums, 4 * q + 1, slope0)
        store(work.sums, 4 * q + 2, value1)
        store(work.sums, 4 * q + 3, slope1)


@inner()
def _gradient(tables: PolynomialTables, step: int, odd: int, work: Scratch, force: FloatArray) -> None:
    """Derivatives of the energies by the pair vectors of one step, from `_harmonic_sums`, into rows 0 to 2."""
    count = tables.recursion.shape[1]
    stride = count + 1
    zero = spread(0.0)
    along, gx, gy, gz = zero, zero, zero, zero
    for m in range(count):
        plus_value, plus_slope, plus_z, minus_value, minus_slope, minus_z = zero, zero, zero, zero, zero, zero
        place = (step * stride + m) * stride
        for l in range(m, count):  # noqa: E741
            plus, minus = 4 * (l * l + l + m) + odd, 4 * (l * l + l - m) + odd
            legendre, raised = load(work.legendre, place + l), load(work.legendre, place + stride + l)
            plus_value = plus_value + load(work.sums, plus) * legendre
            plus_slope = plus_slope + load(work.sums, plus + 1) * legendre
            plus_z = plus_z + load(work.sums, plus) * raised
            if m > 0:
                minus_value = minus_value + load(work.sums, minus) * legendre
                minus_slope = minus_slope + load(work.sums, minus + 1) * legendre
                minus_z = minus_z + load(work.sums, minus) * raised
        turn = 2 * (step * count + m)
        real, imaginary = load(work.azimuth, turn), load(work.azimuth, turn + 1)
        along = along + plus_slope * real + minus_slope * imaginary
        gz = gz + plus_z * real + minus_z * imaginary
        if m > 0:
            real, imaginary = load(work.azimuth, turn - 2), load(work.azimuth, turn - 1)
            gx = gx + float(m) * (plus_value * real + minus_value * imaginary)
            gy = gy + float(m) * (minus_value * real - plus_value * imaginary)
    x, y, z = load(work.vector, 3 * step), load(work.vector, 3 * step + 1), load(work.vector, 3 * step + 2)
    inverse = load(work.inverse, step)
    outward = along - inverse * (gx * x + gy * y + gz * z)
    store(force, 0, outward * x + inverse * gx)
    store(force, 1, outward * y + inverse * gy)
    store(force, 2, outward * z + inverse * gz)


@inner(fastmath=FAST)
def _scatter(pairs: PairTables, b: int, step: int, work: Scratch, force: FloatArray, forces: FloatArray) -> None:
    """Add the forces of one step to centres and neighbours."""
    for a in range(WIDTH):
        j = work.atom[step, a]
        if j >= 0:
            i = pairs.lane[b, a]
            for x in range(3):
                forces[i, x] += force[x, a]
                forces[j, x] -= force[x, a]


@inner()
def _add_virial(step: int, work: Scratch, force: FloatArray, virial: FloatArray) -> None:
    """Add r_a dE/dr_b of one step, in the order xx, yy, zz, yz, xz, xy."""
    distance = load(work.distance, step)
    x, y = distance * load(work.vector, 3 * step), distance * load(work.vector, 3 * step + 1)
    z = distance * load(work.vector, 3 * step + 2)
    fx, fy, fz = load(force, 0), load(force, 1), load(force, 2)
    store(virial, 0, load(virial, 0) + x * fx)
    store(virial, 1, load(virial, 1) + y * fy)
    store(virial, 2, load(virial, 2) + z * fz)
    store(virial, 3, load(virial, 3) + y * fz)
    store(virial, 4, load(virial, 4) + x * fz)
    store(virial, 5, load(virial, 5) + x * fy)


@numba.njit(cache=True)
def evaluate(
    tables: PolynomialTables, pairs: PairTables, position: FloatArray, species: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Energies (n,), forces (n, 3), Σ r_a dE/dr_b over pairs (6,) and the smallest distance.

    Args:
        tables: the potential.
        pairs: pairs of atoms, at least those within the cutoff.
        position: positions in Å, shape (n, 3).
        species: species of every atom, shape (n,).
    """
    energies, forces, virial = np.zeros(position.shape[0]), np.zeros(position.shape), np.zeros((6, WIDTH))
    work = _scratch(tables, pairs)
    energy, force = np.empty((1, WIDTH)), np.empty((3, WIDTH))
    closest = np.inf
    for b in range(pairs.lane.shape[0]):
        _gather(tables, pairs, position, b, work)
        closest = min(closest, _radial(tables, species, work))
        _directions(tables, work)
        _densities(tables, work)
        _polynomial(tables, pairs.block_species[b], work, energy)
        for a in range(WIDTH):
            if pairs.lane[b, a] >= 0:
                energies[pairs.lane[b, a]] = energy[0, a]
        for s in range(tables.run_first.shape[0]):
            for step in range(work.slots[s], work.slots[s + 1]):
                odd = 2 * (step % 2)
                if odd == 0:
                    _harmonic_sums(tables, s, step, work)
                _gradient(tables, step, odd, work, force)
                _scatter(pairs, b, step, work, force, forces)
                _add_virial(step, work, force, virial)
    return energies, forces, virial.sum(axis=1), closest
