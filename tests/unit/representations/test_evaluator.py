"""The fast evaluator against the exact basis, against finite differences, and against itself without kept pairs."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.stress import voigt_6_to_full_3x3_stress

from pesforge.errors import DataError
from pesforge.representations.ace import AceBasis
from pesforge.representations.compiled import compile_ace
from pesforge.representations.evaluator import Evaluator
from pesforge.representations.lanes import WIDTH
from pesforge.representations.pair_list import PairList
from pesforge.representations.stacked import StackedBasis

CUTOFF_ANG = 3.4
BASES = {
    "order 1": AceBasis(("Si",), CUTOFF_ANG, (6,), (0,)),
    "order 2": AceBasis(("Si",), CUTOFF_ANG, (4, 6), (0, 6)),
    "order 3": AceBasis(("Si",), CUTOFF_ANG, (6, 6, 6), (0, 4, 4)),
    "order 4": AceBasis(("Si",), CUTOFF_ANG, (6, 5, 5, 4), (0, 4, 3, 2)),
    "order 4 alone": AceBasis(("Si",), CUTOFF_ANG, (-1, -1, -1, 3), (0, 2, 2, 2)),
    "two species": AceBasis(("C", "Si"), CUTOFF_ANG, (5, 4, 4, 3), (0, 3, 2, 1)),
    "mixed species": AceBasis(
        ("C", "Si"), CUTOFF_ANG, (5, 5, 4, 3), (0, 2, 2, 1), 1.0, ((0.6, 0.8), (0.8, -0.6)), (0.0, 1.0)
    ),
    "stacked": StackedBasis(
        (AceBasis(("Si",), CUTOFF_ANG, (-1, -1, 4, 4), (0, 0, 2, 1)), AceBasis(("Si",), 4.25, (5, 5, 4), (0, 2, 2)))
    ),
}


def potential(name: str):
    """A basis with random coefficients that fall with the degree, its energy zeros and its evaluator."""
    basis = BASES[name]
    rng = np.random.default_rng(5)
    coefficients = rng.normal(size=basis.n_functions) / (1 + basis.degree) ** 2
    zeros = rng.normal(size=len(basis.species))
    return basis, coefficients, zeros, Evaluator(compile_ace(basis, coefficients, zeros))


def exact(basis, coefficients, zeros, atoms):
    energies, forces, stress = basis.evaluate(atoms, lambda b: (b @ coefficients, np.tile(coefficients, (len(b), 1))))
    return energies + zeros[basis.species_index(atoms)], forces, stress


def structures() -> dict[str, Atoms]:
    rng = np.random.default_rng(1)
    periodic = bulk("Si", cubic=True) * (2, 2, 1)
    periodic.rattle(0.2, seed=1)
    assert len(periodic) % WIDTH == 0
    tiny = Atoms("Si", cell=[[1.7, 0.1, 0.0], [0.3, 1.8, 0.0], [0.0, 0.4, 1.9]], pbc=True, positions=[[7.0, -9.0, 0.3]])
    slab = bulk("Si", cubic=True) * (1, 1, 2)
    slab.pbc = [True, True, False]
    slab.cell[2] = 0.0
    slab.rattle(0.1, seed=2)
    gap = Atoms("Si3", positions=[[0, 0, 0], [2.2, 0.3, 0.1], [9.0, 0.0, 0.0]], cell=[15, 15, 15], pbc=True)
    return {
        "periodic": periodic,
        "tiny cell": tiny,
        "slab": slab,
        "cluster": Atoms(f"Si{WIDTH + 3}", positions=rng.uniform(0, 5, (WIDTH + 3, 3))),
        "isolated atom": Atoms("Si", positions=[[1.0, 2.0, 3.0]]),
        "atom without neighbours": gap,
        "pair along z": Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2.3]]),
    }


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize("place", structures())
def test_it_agrees_with_the_exact_basis(name, place):
    basis, coefficients, zeros, evaluator = potential(name)
    atoms = structures()[place]
    if len(basis.species) > 1:
        atoms.symbols[:: 2 if len(atoms) > 1 else 1] = "C"
    expected = exact(basis, coefficients, zeros, atoms)
    for skin_ang in (0.0, 0.7):
        energies, forces, stress = evaluator.evaluate(atoms, PairList(skin_ang))
        assert np.abs(energies - expected[0]).max() < 1e-10 * (1 + np.abs(expected[0]).max())
        assert np.abs(forces - expected[1]).max() < 1e-9 * (1 + np.abs(expected[1]).max())
        assert np.allclose(stress, expected[2], rtol=1e-8, atol=1e-10, equal_nan=True)
    assert np.isfinite(stress).all() == atoms.pbc.all()


@pytest.mark.parametrize("name", ["order 4", "two species"])
def test_forces_and_stress_are_derivatives(name):
    *_, evaluator = potential(name)
    atoms = bulk("Si", cubic=True)
    atoms.symbols[1::3] = BASES[name].species[0]
    atoms.rattle(0.2, seed=3)
    _, forces, stress = evaluator.evaluate(atoms, PairList())
    step = 1e-4

    def energy(cell, positions):
        moved = Atoms(atoms.symbols, positions=positions, cell=cell, pbc=True)
        return evaluator.evaluate(moved, PairList(0.0))[0].sum()

    for atom, axis in ((0, 0), (3, 1), (7, 2)):
        shift = np.zeros_like(atoms.positions)
        shift[atom, axis] = step
        higher, lower = energy(atoms.cell, atoms.positions + shift), energy(atoms.cell, atoms.positions - shift)
        assert (lower - higher) / (2 * step) == pytest.approx(forces[atom, axis], abs=1e-6)
    tensor = voigt_6_to_full_3x3_stress(stress)
    for i, j in ((0, 0), (1, 2), (2, 0)):
        strain = np.zeros((3, 3))
        strain[i, j] += step / 2
        strain[j, i] += step / 2
        higher = energy(atoms.cell.array @ (np.eye(3) + strain), atoms.positions @ (np.eye(3) + strain))
        lower = energy(atoms.cell.array @ (np.eye(3) - strain), atoms.positions @ (np.eye(3) - strain))
        assert (higher - lower) / (2 * step) / atoms.get_volume() == pytest.approx(tensor[i, j], abs=1e-7)


def test_a_potential_without_functions_is_its_energy_zeros():
    basis = BASES["two species"]
    evaluator = Evaluator(compile_ace(basis, np.zeros(basis.n_functions), np.array([-1.0, -2.5])))
    energies, forces, stress = evaluator.evaluate(bulk("SiC", "zincblende", a=4.4), PairList())
    assert energies.tolist() == [-2.5, -1.0]
    assert not forces.any()
    assert not stress.any()


def test_energy_and_force_end_smoothly_at_the_cutoff():
    *_, zeros, evaluator = potential("order 4")
    found = {}
    for gap in (2e-2, 1e-2, 1e-6, 0.0, -1e-6):
        atoms = Atoms("Si2", positions=[[0, 0, 0], [CUTOFF_ANG - gap, 0, 0]])
        energies, forces, _ = evaluator.evaluate(atoms, PairList())
        found[gap] = abs(energies.sum() - 2 * zeros[0]), np.abs(forces).max()
    assert found[0.0] == found[-1e-6] == (0.0, 0.0)
    assert found[1e-6][0] < 1e-14
    assert found[1e-6][1] < 1e-10
    assert found[2e-2][1] / found[1e-2][1] == pytest.approx(4, rel=0.1)


def moving(steps: int, *, seed: int, step_ang: float = 0.06):
    """A crystal of two species on a random walk through its boundaries, wrapped, strained, permuted and changed."""
    rng = np.random.default_rng(seed)
    atoms = bulk("SiC", "zincblende", a=4.4, cubic=True) * (2, 1, 1)
    for step in range(steps):
        atoms.positions += rng.normal(scale=step_ang, size=atoms.positions.shape)
        if step % 7 == 3:
            atoms.wrap()
        if step % 2 == 1:
            strain = np.eye(3) + rng.normal(scale=0.003, size=(3, 3))
            atoms.set_cell(atoms.cell.array @ strain, scale_atoms=bool(rng.integers(2)))
        if step == 25:
            atoms.symbols[:] = rng.permutation(atoms.symbols)
        if step == 30:
            atoms.pbc = [True, False, True]
        if step == 35:
            atoms.pbc = True
            atoms.set_cell(1.1 * atoms.cell.array)
        if step == 38:
            del atoms[3]
        yield atoms


def test_results_do_not_depend_on_the_steps_before():
    *_, evaluator = potential("two species")
    kept = PairList(0.8)
    for atoms in moving(45, seed=4):
        found = evaluator.evaluate(atoms, kept)
        fresh = evaluator.evaluate(atoms, PairList(0.0))
        for value, expected in zip(found, fresh, strict=True):
            assert np.allclose(value, expected, rtol=0, atol=1e-11, equal_nan=True)
    assert 5 < kept.n_found < 35


def test_pairs_that_are_kept_too_long_are_seen():
    """The walk above tells a list that is right from one that is not."""
    *_, evaluator = potential("two species")

    class Stale(PairList):
        def _kept(self, atoms, species, n_segments, cutoff_ang):
            return self._tables

    stale, worst = Stale(0.3), 0.0
    for atoms in moving(20, seed=4):
        found, fresh = evaluator.evaluate(atoms, stale), evaluator.evaluate(atoms, PairList(0.0))
        worst = max(worst, np.abs(found[1] - fresh[1]).max())
    assert worst > 1e-3


@pytest.mark.parametrize("change", ["pbc", "species", "order"])
def test_a_change_of_the_structure_alone_is_seen(change):
    *_, evaluator = potential("two species")
    atoms, kept = (
        Atoms("SiC2", [[0, 0, 0], [0.1, 0.2, 0.9], [1.9, 0, 0]], cell=np.diag([4, 4, 1.0]), pbc=True),
        PairList(),
    )
    before = evaluator.evaluate(atoms, kept)[1]
    if change == "pbc":
        atoms.pbc = [True, True, False]
    elif change == "species":
        atoms.symbols[1] = "Si"
    else:
        atoms = atoms[[1, 0, 2]]
    found, fresh = evaluator.evaluate(atoms, kept)[1], evaluator.evaluate(atoms, PairList(0.0))[1]
    assert np.allclose(found, fresh, rtol=0, atol=1e-11)
    assert np.abs(found - before).max() > 1e-3


def test_pairs_are_kept_while_atoms_stay_within_half_of_the_skin():
    *_, evaluator = potential("order 3")
    atoms, kept = bulk("Si", cubic=True), PairList(0.5)
    start = atoms.positions.copy()
    for shift, found in ((0.0, 1), (0.24, 1), (-0.24, 1), (0.26, 2), (0.48, 2), (0.0, 3)):
        atoms.positions = start
        atoms.positions[0, 1] += shift
        evaluator.evaluate(atoms, kept)
        assert kept.n_found == found
    atoms.set_cell(1.02 * atoms.cell.array, scale_atoms=True)
    evaluator.evaluate(atoms, kept)
    assert kept.n_found == 3
    atoms.set_cell(0.8 * atoms.cell.array, scale_atoms=True)
    evaluator.evaluate(atoms, kept)
    assert kept.n_found == 4


def test_energy_is_conserved_to_the_order_of_the_integrator():
    """Velocity Verlet keeps a nearby energy exactly: deviations are a quarter at half of the time step."""
    radial = BASES["order 1"]
    distance = np.linspace(2.0, CUTOFF_ANG, 200)
    target = 0.4 * (distance - 2.5) ** 2 * ((CUTOFF_ANG - distance) / 0.9) ** 3 - 0.3 * (CUTOFF_ANG - distance) ** 3
    rows = np.array([radial.invariants(Atoms("Si2", [[0, 0, 0], [r, 0, 0]])).sum(axis=0) for r in distance])
    coefficients = np.linalg.lstsq(rows, target, rcond=1e-8)[0]
    evaluator = Evaluator(compile_ace(radial, coefficients, np.zeros(1)))
    start = bulk("Si", "fcc", a=2.5 * np.sqrt(2), cubic=True) * 2
    velocity = np.random.default_rng(6).normal(scale=0.05, size=start.positions.shape)
    mass = 28.0

    def deviation(step: float) -> float:
        atoms, v, pairs = start.copy(), velocity.copy(), PairList()
        energies, forces, _ = evaluator.evaluate(atoms, pairs)
        totals = [energies.sum() + mass * np.sum(v**2) / 2]
        for _ in range(round(30 / step)):
            v += step / 2 * forces / mass
            atoms.positions += step * v
            energies, forces, _ = evaluator.evaluate(atoms, pairs)
            v += step / 2 * forces / mass
            totals.append(energies.sum() + mass * np.sum(v**2) / 2)
        assert np.ptp(atoms.positions - start.positions) > 0.1
        return np.abs(np.array(totals) - totals[0]).max()

    coarse, fine = deviation(0.2), deviation(0.1)
    assert coarse / fine == pytest.approx(4, rel=0.15)


def test_what_cannot_be_described_is_named():
    *_, evaluator = potential("order 2")
    pairs = PairList()
    atoms = Atoms("Si3", positions=[[0, 0, 0], [0.2, 0, 0], [2, 0, 0]])
    evaluator.evaluate(atoms, pairs)
    atoms.positions[1] = 0.0
    with pytest.raises(DataError, match="Atoms 0 and 1 are at the same place"):
        evaluator.evaluate(atoms, pairs)
    assert pairs.n_found == 1
    atoms.positions[1] = np.nan
    with pytest.raises(DataError, match="not finite"):
        evaluator.evaluate(atoms, pairs)
    with pytest.raises(DataError, match="no atoms"):
        evaluator.evaluate(Atoms(), pairs)
    with pytest.raises(DataError, match=r"\['C', 'O'\]"):
        evaluator.evaluate(Atoms("SiCO", positions=np.eye(3)), pairs)
