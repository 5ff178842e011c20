"""The `.yace` export against an evaluator that was written from the format's description alone."""

from dataclasses import replace

import numpy as np
import pytest
import yace_reference
from ase import Atoms

from pesforge.errors import DataError
from pesforge.export.yace import write_yace
from pesforge.representations.ace import AceBasis
from pesforge.representations.compiled import compile_ace

CELL = [[3.9, 0.1, 0.0], [0.2, 4.0, 0.1], [0.0, 0.3, 4.1]]
SCALED = [[0.02, 0.01, 0.0], [0.5, 0.48, 0.03], [0.51, 0.02, 0.5], [0.0, 0.52, 0.47]]


def case(species, max_degree, l_max, cutoff_ang=4.2):
    basis = AceBasis(species, cutoff_ang, max_degree, l_max)
    rng = np.random.default_rng(2)
    coefficients = rng.normal(size=basis.n_functions) / (1 + basis.degree) ** 2
    zeros = rng.normal(size=len(species))
    symbols = [species[i % len(species)] for i in range(4)]
    return basis, coefficients, zeros, Atoms(symbols, scaled_positions=SCALED, cell=CELL, pbc=True)


@pytest.mark.parametrize(
    ("species", "max_degree", "l_max"),
    [
        (("Si",), (6,), (0,)),
        (("Si",), (4, 6, 6), (0, 4, 4)),
        (("Si",), (5, 5, 5, 6), (0, 3, 3, 3)),
        (("Cu", "Au"), (3, 3, 3, 3), (0, 2, 2, 2)),
    ],
    ids=["order 1", "order 3", "order 4", "two species"],
)
def test_energies_equal_those_of_the_reference(tmp_path, species, max_degree, l_max):
    basis, coefficients, zeros, atoms = case(species, max_degree, l_max)
    write_yace(tmp_path / "potential.yace", compile_ace(basis, coefficients, zeros))
    exact = basis.invariants(atoms) @ coefficients + zeros[basis.species_index(atoms)]
    found = yace_reference.energies(yace_reference.read(tmp_path / "potential.yace"), atoms)
    assert found == pytest.approx(exact, abs=1e-10)


@pytest.mark.parametrize("species", [("Si",), ("Cu", "Au")], ids=["one species", "two species"])
def test_forces_equal_finite_differences_of_the_reference(tmp_path, species):
    basis, coefficients, zeros, atoms = case(species, (3, 3, 3, 3), (0, 2, 2, 2))
    write_yace(tmp_path / "potential.yace", compile_ace(basis, coefficients, zeros))
    potential = yace_reference.read(tmp_path / "potential.yace")
    _, forces, _ = basis.evaluate(atoms, lambda invariants: (invariants @ coefficients, np.tile(coefficients, (4, 1))))
    step = 1e-4
    for atom, axis in ((0, 0), (1, 2), (2, 1)):
        energy = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[atom, axis] += sign * step
            energy.append(yace_reference.energies(potential, moved).sum())
        assert -(energy[0] - energy[1]) / (2 * step) == pytest.approx(forces[atom, axis], abs=2e-7)


def test_contracted_radial_functions_that_sum_over_species(tmp_path):
    """Combinations of radial functions, other ones for each species, in densities of all neighbours together."""
    basis, coefficients, zeros, atoms = case(("Si",), (4, 4, 3), (0, 2, 2))
    compiled = compile_ace(basis, coefficients, zeros)
    rng = np.random.default_rng(5)
    mixing = rng.normal(size=(2, compiled.radial.shape[3], compiled.radial.shape[3]))
    mixed = replace(
        compiled,
        species=("Cu", "Au"),
        zeros=np.array([-1.0, -2.0]),
        radial=np.einsum("gpf,zfe->zgpe", compiled.radial[0], mixing),
        coefficients=tuple(np.concatenate([values, -0.5 * values]) for values in compiled.coefficients),
    )
    write_yace(tmp_path / "potential.yace", mixed)
    atoms.symbols = "CuAuCuAu"
    found = yace_reference.energies(yace_reference.read(tmp_path / "potential.yace"), atoms)
    assert found == pytest.approx(direct_energies(mixed, atoms), abs=1e-10)


def test_mixed_species_channels(tmp_path):
    basis, _, zeros, atoms = case(("Cu", "Au"), (3, 3, 3), (0, 2, 2))
    basis = replace(basis, mixing=((1.0, 0.5), (0.2, -1.0)))
    coefficients = np.random.default_rng(3).normal(size=basis.n_functions) / (1 + basis.degree) ** 2
    write_yace(tmp_path / "potential.yace", compile_ace(basis, coefficients, zeros))
    exact = basis.invariants(atoms) @ coefficients + zeros[basis.species_index(atoms)]
    found = yace_reference.energies(yace_reference.read(tmp_path / "potential.yace"), atoms)
    assert found == pytest.approx(exact, abs=1e-10)


def direct_energies(compiled, atoms):
    """Energies by the definition of a compiled potential."""
    from ase.neighborlist import neighbor_list

    from pesforge.representations.harmonics import spherical_harmonics

    index = np.array([compiled.species.index(symbol) for symbol in atoms.get_chemical_symbols()])
    i, j, distance, vector = neighbor_list("ijdD", atoms, compiled.cutoff_ang)
    place = distance / compiled.spacing_ang
    interval = place.astype(int)
    powers = (place - interval)[:, None] ** np.arange(compiled.radial.shape[2])
    radial = np.einsum("ep,epf->ef", powers, compiled.radial[index[j], interval])
    harmonics = spherical_harmonics(vector, compiled.l_max)[0].T
    density = np.zeros((len(atoms), len(compiled.component_radial)))
    np.add.at(density, i, radial[:, compiled.component_radial] * harmonics[:, compiled.component_harmonic])
    energies = compiled.zeros[index].copy()
    for factors, values in zip(compiled.factors, compiled.coefficients, strict=True):
        energies += np.sum(density[:, factors].prod(axis=2) * values[index], axis=1)
    return energies


def test_radial_functions_that_the_format_lacks(tmp_path):
    basis, coefficients, zeros, _ = case(("Si",), (4, 4, 3), (0, 2, 2))
    compiled = compile_ace(basis, coefficients, zeros)
    radial = compiled.radial.copy()
    radial[:, 100:, 0] += 0.01
    with pytest.raises(DataError, match="Use pair_style pesforge instead"):
        write_yace(tmp_path / "potential.yace", replace(compiled, radial=radial))


def test_an_energy_that_changes_under_rotation(tmp_path):
    basis, coefficients, zeros, _ = case(("Si",), (4, 4, 3), (0, 2, 2))
    compiled = compile_ace(basis, coefficients, zeros)
    second = compiled.coefficients[1].copy()
    second[0, -1] += 1.0
    broken = replace(compiled, coefficients=(compiled.coefficients[0], second, *compiled.coefficients[2:]))
    with pytest.raises(DataError, match="changes under rotation"):
        write_yace(tmp_path / "potential.yace", broken)


def test_an_energy_that_changes_under_inversion(tmp_path):
    """The triple product of three vectors, which rotations keep."""
    basis, coefficients, zeros, _ = case(("Si",), (4, 4, 4), (0, 2, 2))
    compiled = compile_ace(basis, coefficients, zeros)
    vectors = [
        [
            int(np.flatnonzero((compiled.component_harmonic == m) & (compiled.component_radial == n))[0])
            for m in (1, 2, 3)
        ]
        for n in (0, 1, 2)
    ]
    axes = [(0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (2, 1, 0), (1, 0, 2)]
    factors = np.array([[vectors[n][axis[n]] for n in range(3)] for axis in axes])
    values = np.array([[1.0, 1.0, 1.0, -1.0, -1.0, -1.0]])
    odd = replace(
        compiled,
        factors=(*compiled.factors[:2], factors, compiled.factors[3]),
        coefficients=(*compiled.coefficients[:2], values, compiled.coefficients[3]),
    )
    with pytest.raises(DataError, match="rotation or inversion"):
        write_yace(tmp_path / "potential.yace", odd)
