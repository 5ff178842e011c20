"""Invariants by tables and kept pairs against the exact ones."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from pesforge.errors import DataError
from pesforge.representations.ace import AceBasis
from pesforge.representations.fused_invariants import InvariantEvaluator
from pesforge.representations.pair_list import PairList
from pesforge.representations.stacked import Basis, StackedBasis

NEAR = AceBasis(("Au", "Cu"), 4.0, (6, 6, 5, 3), (0, 3, 2, 2))
BASES: dict[str, Basis] = {
    "one species": AceBasis(("Cu",), 4.4, (7, 7, 6, 5), (0, 4, 3, 2)),
    "two species": NEAR,
    "mixed": AceBasis(("Au", "Cu"), 4.0, (6, 6, 5), (0, 3, 2), 0.9, ((0.6, 0.8), (-0.8, 0.6)), (0.0, 1.0)),
    "stacked": StackedBasis((NEAR, AceBasis(("Au", "Cu"), 5.0, (5, 5), (0, 2)))),
}


def alloy(species: tuple[str, ...]) -> Atoms:
    rng = np.random.default_rng(4)
    atoms = bulk("Cu", a=3.7, cubic=True) * (2, 1, 1)
    atoms.symbols[:] = rng.choice(species, len(atoms))
    atoms.symbols[0], atoms.symbols[1] = species[0], species[-1]
    atoms.positions += 0.15 * rng.normal(size=atoms.positions.shape)
    return atoms


@pytest.mark.parametrize("name", BASES)
def test_functions_are_the_exact_ones_while_atoms_move(name: str) -> None:
    basis = BASES[name]
    found, atoms, pairs = InvariantEvaluator(basis), alloy(basis.species), PairList()
    for step in range(3):
        atoms.positions += 0.03 * np.random.default_rng(step).normal(size=atoms.positions.shape)
        compact, species = found.evaluate(atoms, pairs)
        whole = np.zeros((len(atoms), basis.n_functions))
        for kind in range(len(basis.species)):
            mine = np.flatnonzero(species == kind)
            whole[np.ix_(mine, found.block(kind))] = compact[mine]
        exact = basis.invariants(atoms)
        np.testing.assert_allclose(whole, exact, rtol=1e-8, atol=1e-9 * np.abs(exact).max())
    assert pairs.n_found == 1


def test_an_unknown_element_is_named() -> None:
    with pytest.raises(DataError, match="Ag"):
        InvariantEvaluator(BASES["one species"]).evaluate(bulk("Ag"), PairList())
