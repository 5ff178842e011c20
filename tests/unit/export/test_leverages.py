"""Whitened rows by blocks of columns against the product written out."""

from collections.abc import Callable

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from pesforge.export import Potential
from pesforge.export.leverages import COLUMNS, Leverages
from pesforge.potentials.posterior import Posterior
from pesforge.representations.ace import AceBasis
from pesforge.representations.pair_list import PairList


@pytest.mark.parametrize("shape", [np.triu, np.tril, np.asarray], ids=["upper", "lower", "full"])
@pytest.mark.parametrize("species", [("Cu",), ("Au", "Cu")], ids=["one", "two"])
def test_rows_are_those_of_the_exact_invariants(
    shape: Callable[[np.ndarray], np.ndarray], species: tuple[str, ...]
) -> None:
    basis, rng = AceBasis(species, 4.5, (8, 7, 6), (0, 4, 3)), np.random.default_rng(0)
    unknowns = basis.n_functions + len(species)
    assert unknowns > COLUMNS
    posterior = Posterior(shape(rng.normal(size=(unknowns, unknowns))), 1.0)
    potential = Potential("ace-linear", basis, np.zeros(basis.n_functions), dict.fromkeys(species, 0.0))
    atoms: Atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    atoms.symbols[::2] = species[0]
    atoms.positions += 0.1 * rng.normal(size=atoms.positions.shape)
    found, kinds = Leverages(basis, posterior).whitened(atoms, PairList())
    expected = posterior.whitened(potential.atom_rows(atoms))
    np.testing.assert_allclose(found, expected, atol=1e-8 * np.abs(expected).max())
    assert [species[kind] for kind in kinds] == atoms.get_chemical_symbols()
