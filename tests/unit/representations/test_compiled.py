"""The flat tables of a potential, read as their description says by plain NumPy, give the potential back."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list

from pesforge.errors import DataError
from pesforge.representations import compiled as module
from pesforge.representations.ace import AceBasis
from pesforge.representations.compiled import CompiledAce, compile_ace
from pesforge.representations.harmonics import spherical_harmonics
from pesforge.representations.radial import spherical_bessel
from pesforge.representations.stacked import Basis, StackedBasis

BASES = {
    "one species": AceBasis(("Si",), 3.6, (6, 5, 5, 4), (0, 3, 3, 2)),
    "two species": AceBasis(("Si", "C"), 3.3, (4, 4, 3, 2), (0, 2, 2, 1)),
    "mixed species": AceBasis(("Si", "C"), 3.3, (5, 5, 4, 3), (0, 2, 2, 1), 1.0, ((0.6, 0.8), (0.8, -0.6)), (0.0, 1.0)),
    "stacked": StackedBasis(
        (AceBasis(("Si",), 3.2, (5, 5, 4, 4), (0, 2, 2, 1)), AceBasis(("Si",), 4.0, (5, 5, 4), (0, 2, 2)))
    ),
    "stacked species": StackedBasis(
        (AceBasis(("Si", "C"), 3.2, (-1, -1, 3, 2), (0, 2, 2, 1)), AceBasis(("Si", "C"), 4.0, (5, 4), (0, 2)))
    ),
}


def potential_of(basis: Basis, seed: int = 0):
    """Random coefficients that fall with the degree, and energy zeros."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=basis.n_functions) / (1 + basis.degree) ** 2, rng.normal(size=len(basis.species))


def crystal(basis: Basis) -> Atoms:
    atoms = bulk("SiC", "zincblende", a=4.4, cubic=True) if len(basis.species) > 1 else bulk("Si", cubic=True)
    atoms.rattle(0.15, seed=2)
    return atoms


def energies_by_description(tables: CompiledAce, atoms: Atoms) -> np.ndarray:
    """Energies of atoms from the tables alone, term by term."""
    species = np.array([tables.species.index(symbol) for symbol in atoms.symbols])
    centre, neighbour, distance, vector = neighbor_list("ijdD", atoms, tables.cutoff_ang)
    interval = (distance / tables.spacing_ang).astype(int)
    powers = (distance / tables.spacing_ang - interval)[:, None] ** np.arange(6)
    radial = np.einsum("pef,pe->pf", tables.radial[species[neighbour], interval], powers)
    harmonics, _ = spherical_harmonics(vector, tables.l_max)
    density = np.zeros((len(atoms), len(tables.component_radial)))
    for c, asked in enumerate(tables.component_species):
        share = radial[:, tables.component_radial[c]] * harmonics[tables.component_harmonic[c]]
        counts = (asked < 0) | (species[neighbour] == asked)
        density[:, c] = np.bincount(centre, share * counts, len(atoms))
    energies = tables.zeros[species].copy()
    for factors, coefficients in zip(tables.factors, tables.coefficients, strict=True):
        energies += np.sum(coefficients[species] * density[:, factors].prod(axis=2), axis=1)
    return energies


@pytest.mark.parametrize("name", BASES)
def test_the_tables_mean_what_they_say(name):
    basis = BASES[name]
    coefficients, zeros = potential_of(basis)
    atoms = crystal(basis)
    expected = basis.invariants(atoms) @ coefficients + zeros[basis.species_index(atoms)]
    found = energies_by_description(compile_ace(basis, coefficients, zeros), atoms)
    assert np.abs(found - expected).max() < 1e-11
    assert np.ptp(expected) > 1e-3


@pytest.mark.parametrize("name", BASES)
def test_a_product_of_densities_stands_once(name):
    basis = BASES[name]
    tables = compile_ace(basis, *potential_of(basis))
    assert [factors.shape[1] for factors in tables.factors] == [1, 2, 3, 4]
    for factors, coefficients in zip(tables.factors, tables.coefficients, strict=True):
        assert len(factors) > 0
        assert coefficients.shape == (len(basis.species), len(factors))
        assert (np.diff(factors, axis=1) >= 0).all()
        assert len(np.unique(factors, axis=0)) == len(factors)
        assert np.array_equal(np.lexsort(factors.T[::-1]), np.arange(len(factors)))
    used = np.unique(np.concatenate([factors.ravel() for factors in tables.factors]))
    assert np.array_equal(used, np.arange(len(tables.component_radial)))
    assert (np.diff(tables.component_harmonic) >= 0).all()


def test_functions_without_weight_leave_no_trace():
    basis = BASES["one species"]
    coefficients = np.where(basis.order == 2, potential_of(basis)[0], 0.0)
    tables = compile_ace(basis, coefficients, np.zeros(1))
    assert [len(factors) > 0 for factors in tables.factors] == [False, True, False, False]
    assert len(tables.component_radial) == len(np.unique(tables.factors[1]))


def test_radial_tables_follow_the_functions():
    basis = BASES["one species"]
    tables = compile_ace(basis, *potential_of(basis))
    distance = np.random.default_rng(3).uniform(0.5, basis.cutoff_ang, 500)
    value, slope = spherical_bessel(distance, basis.n_radial, basis.cutoff_ang)
    interval = (distance / tables.spacing_ang).astype(int)
    w, power = distance / tables.spacing_ang - interval, np.arange(6)
    rows = tables.radial[0, interval]
    found = np.einsum("pef,pe->fp", rows, w[:, None] ** power)
    found_slope = np.einsum("pef,pe->fp", rows[:, 1:], power[1:] * w[:, None] ** power[:-1]) / tables.spacing_ang
    assert np.abs(found - value).max() < 1e-11 * np.abs(value).max()
    assert np.abs(found_slope - slope).max() < 2e-10 * np.abs(slope).max()


def test_a_radial_function_with_a_kink_is_refused(monkeypatch):
    smooth = module._radial_functions

    def kinked(basis, resolved, species, distance):
        value, slope = smooth(basis, resolved, species, distance)
        return value + np.abs(distance - 2.02), slope + np.sign(distance - 2.02)

    monkeypatch.setattr(module, "_radial_functions", kinked)
    with pytest.raises(DataError, match="not smooth"):
        compile_ace(BASES["one species"], *potential_of(BASES["one species"]))


def test_cutoffs_without_a_common_measure_are_refused():
    parts = tuple(AceBasis(("Si",), cutoff, (4,), (0,)) for cutoff in (3.1234567, 4.0))
    with pytest.raises(DataError, match="no common measure"):
        compile_ace(StackedBasis(parts), *potential_of(StackedBasis(parts)))


def test_arrays_that_do_not_fit_are_named():
    basis = BASES["two species"]
    coefficients, zeros = potential_of(basis)
    with pytest.raises(DataError, match="2 energy zeros"):
        compile_ace(basis, coefficients, zeros[:1])
    with pytest.raises(DataError, match=f"{basis.n_functions} coefficients"):
        compile_ace(basis, coefficients[1:], zeros)
