"""Compiled kernel: the invariants of all atoms from kept pairs, without derivatives, for leverages in a run."""

from typing import NamedTuple

import numba
import numpy as np
from ase import Atoms

from pesforge.representations import fused
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.compiled import MAX_ORDER, CompiledAce, density_components, radial_table
from pesforge.representations.coupling import invariant_coupling
from pesforge.representations.elements import species_index
from pesforge.representations.evaluator import polynomial_tables
from pesforge.representations.fused_tables import PairTables, PolynomialTables
from pesforge.representations.lanes import WIDTH, load, spread, store
from pesforge.representations.pair_list import PairList
from pesforge.representations.stacked import Basis

NEGLIGIBLE = 1e-13
"""Elements of couplings below this are rounding."""


class Sums(NamedTuple):
    """Function k is Σ_e weight[e] monomial[term[e]], e from `first[k]` to `first[k + 1]`."""

    first: IntArray
    term: IntArray
    weight: FloatArray


@numba.njit(cache=True)
def evaluate(
    tables: PolynomialTables, sums: Sums, pairs: PairTables, position: FloatArray, species: IntArray
) -> FloatArray:
    """Functions of the block of each atom's species, shape (n, K_c).

    Args:
        tables: densities and monomials; the weights of the monomials do not count.
        sums: the functions.
        pairs: pairs of atoms, at least those within the cutoff.
        position: positions in Å, shape (n, 3).
        species: species of every atom, shape (n,).
    """
    n_functions, components, products = sums.first.size - 1, tables.norm.size, tables.product_left.size
    result = np.empty((position.shape[0], n_functions))
    work = fused._scratch(tables, pairs)
    monomial, function = np.empty((tables.column.size, WIDTH)), np.empty((n_functions, WIDTH))
    for b in range(pairs.lane.shape[0]):
        fused._gather(tables, pairs, position, b, work)
        fused._radial(tables, species, work)
        fused._directions(tables, work)
        fused._densities(tables, work)
        store(work.value, components, spread(1.0))
        for p in range(products):
            product = load(work.value, tables.product_left[p]) * load(work.value, tables.product_right[p])
            store(work.value, components + 1 + p, product)
        for r in range(tables.left.size):
            factor = load(work.value, tables.left[r]) * load(work.value, tables.right[r])
            for t in range(tables.row_first[r], tables.row_first[r + 1]):
                store(monomial, t, factor * load(work.value, tables.column[t]))
        for k in range(n_functions):
            total = spread(0.0)
            for e in range(sums.first[k], sums.first[k + 1]):
                total = total + spread(sums.weight[e]) * load(monomial, sums.term[e])
            store(function, k, total)
        for a in range(WIDTH):
            if pairs.lane[b, a] >= 0:
                for k in range(n_functions):
                    result[pairs.lane[b, a], k] = function[k, a]
    return result


class InvariantEvaluator:
    """Invariants of a basis by tables.

    Args:
        basis: K_c functions per species of the centre.

    Raises:
        DataError: the radial functions do not fit into one table.
    """

    def __init__(self, basis: Basis) -> None:
        self.basis = basis
        self._tables, self._sums = _tables(basis)

    def evaluate(self, atoms: Atoms, pairs: PairList) -> tuple[FloatArray, IntArray]:
        """Functions of the block of each atom's species (n, K_c), parts one after the other, and the species (n,).

        Args:
            atoms: the structure.
            pairs: pairs of the step before, brought up to date.

        Raises:
            DataError: an element has no parameters, or the structure cannot be described.
        """
        species = species_index(atoms, self.basis.species, "potential")
        n_segments = len(self._tables.run_first)
        listed = pairs.tables(atoms, species, n_segments=n_segments, cutoff_ang=self.basis.cutoff_ang)
        position = np.ascontiguousarray(atoms.positions)
        return evaluate(self._tables, self._sums, listed, position, species), species

    def block(self, species: int) -> IntArray:
        """Columns (K_c,) of the basis that the functions of one species of the centre have."""
        found, first = [], 0
        for part in self.basis.parts:
            count = len(part.functions)
            found.append(first + species * count + np.arange(count))
            first += part.n_functions
        return np.concatenate(found)


def _tables(basis: Basis) -> tuple[PolynomialTables, Sums]:
    """Every density and monomial of the basis, and its functions as sums of the monomials."""
    found: list[list[tuple[IntArray, IntArray, FloatArray]]] = [[] for _ in range(MAX_ORDER)]
    rows, first = [], 0
    for part, numbers, components in density_components(basis):
        rows.append(components)
        for k, function in enumerate(part.functions, start=first):
            tensor = invariant_coupling(function.momenta, function.path)
            elements = np.argwhere(np.abs(tensor) > NEGLIGIBLE)
            columns = [numbers[channel][elements[:, s]] for s, channel in enumerate(function.channels)]
            products = np.stack(columns, axis=1)
            found[function.order - 1].append((np.full(len(products), k), products, tensor[tuple(elements.T)]))
        first += len(part.functions)
    component = np.concatenate(rows)
    order = np.lexsort(component.T[::-1])
    place = np.argsort(order)
    factors, functions, weights, places = [], [], [], []
    for number, parts in enumerate(found, start=1):
        if not parts:
            factors.append(np.zeros((0, number), dtype=np.int64))
            continue
        products = np.sort(place[np.concatenate([part[1] for part in parts])], axis=1)
        distinct, group = np.unique(products, axis=0, return_inverse=True)
        places.append(sum(len(own) for own in factors) + group.ravel())
        functions.append(np.concatenate([part[0] for part in parts]))
        weights.append(np.concatenate([part[2] for part in parts]))
        factors.append(np.ascontiguousarray(distinct))
    radial, spacing = radial_table(basis)
    count = sum(len(own) for own in factors)
    numbered = np.split(np.arange(count, dtype=float)[None, :], np.cumsum([len(own) for own in factors])[:-1], axis=1)
    compiled = CompiledAce(
        species=basis.species,
        cutoff_ang=basis.cutoff_ang,
        zeros=np.zeros(1),
        spacing_ang=spacing,
        radial=radial,
        component_radial=np.ascontiguousarray(component[order, 2]),
        component_harmonic=np.ascontiguousarray(component[order, 0]),
        component_species=np.ascontiguousarray(component[order, 1]),
        factors=tuple(factors),
        coefficients=tuple(numbered),
    )
    tables = polynomial_tables(compiled)
    moved = np.empty(count, dtype=np.int64)
    moved[tables.weight[0].astype(np.int64)] = np.arange(count)  # Where the table puts each monomial.
    return tables, _sums(np.concatenate(functions), moved[np.concatenate(places)], np.concatenate(weights), first)


def _sums(function: IntArray, term: IntArray, weight: FloatArray, n_functions: int) -> Sums:
    """Elements sorted by function, those of equal monomials of one function added."""
    keys = function * (int(term.max()) + 1) + term
    distinct, group = np.unique(keys, return_inverse=True)
    functions, terms = distinct // (int(term.max()) + 1), distinct % (int(term.max()) + 1)
    first = np.searchsorted(functions, np.arange(n_functions + 1))
    totals = np.asarray(np.bincount(group.ravel(), weight, len(distinct)), dtype=np.float64)
    return Sums(first=first.astype(np.int64), term=terms.astype(np.int64), weight=totals)
