"""Invariances that every interatomic potential must keep, tried on a rattled cell with any ASE calculator."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray

from pesforge.settings import Tolerances
from pesforge.validation.check import Check, absolute, not_applicable

GROUP = "symmetry"
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A changed copy of a structure and what the changed forces must be.

    Attributes:
        atoms: the changed structure.
        forces: maps the original forces (n, 3) to those expected of `atoms`.
    """

    atoms: Atoms
    forces: Callable[[FloatArray], FloatArray]


def random_rotation(rng: np.random.Generator) -> FloatArray:
    """A proper rotation matrix (3, 3), uniform over SO(3) (QR of a Gaussian matrix, Mezzadri 2007)."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def _turned(atoms: Atoms, matrix: FloatArray) -> Case:
    changed = atoms.copy()
    changed.set_cell(atoms.cell.array @ matrix.T)
    changed.positions = atoms.positions @ matrix.T
    return Case(changed, lambda forces: forces @ matrix.T)


def _moved(atoms: Atoms, shift: FloatArray) -> Case:
    changed = atoms.copy()
    changed.positions = atoms.positions + shift
    return Case(changed, lambda forces: forces)


def _permuted(atoms: Atoms, reorder: Callable[[NDArray[np.intp]], NDArray[np.intp]]) -> Case:
    """Like atoms change places; `reorder` maps the indices of one species to a permutation of them."""
    order = np.arange(len(atoms))
    for number in np.unique(atoms.numbers):
        (like,) = np.nonzero(atoms.numbers == number)
        order[like] = reorder(like)
    changed = atoms.copy()
    changed.positions = atoms.positions[order]
    return Case(changed, lambda forces: forces[order])


def _sheared_cell(atoms: Atoms) -> Case:
    changed = atoms.copy()
    changed.set_cell(np.array([[1, 1, 0], [0, 1, 0], [0, -1, 1]]) @ atoms.cell.array)
    return Case(changed, lambda forces: forces)


def _supercell(atoms: Atoms) -> Case:
    return Case(atoms.repeat((2, 1, 1)), lambda forces: np.concatenate([forces, forces]))


def _operations(atoms: Atoms, rng: np.random.Generator, repetitions: int) -> Iterator[tuple[str, str, list[Case]]]:
    """Name, meaning and cases of every operation that applies to `atoms`."""
    turns = [random_rotation(rng) for _ in range(repetitions)]
    mirrors = [-random_rotation(rng) for _ in range(repetitions)]
    shifts = rng.normal(scale=3.0, size=(repetitions, 1, 3))
    yield "rotation", "turning cell and atoms turns the forces", [_turned(atoms, turn) for turn in turns]
    yield "reflection", "a mirror image has mirrored forces", [_turned(atoms, mirror) for mirror in mirrors]
    yield "translation", "moving all atoms changes nothing", [_moved(atoms, shift) for shift in shifts]
    yield "reversed like atoms", "the order of like atoms has no meaning", [_permuted(atoms, lambda i: i[::-1])]
    yield "cycled like atoms", "the order of like atoms has no meaning", [_permuted(atoms, lambda i: np.roll(i, 1))]
    shuffles = [_permuted(atoms, rng.permutation) for _ in range(repetitions)]
    yield "shuffled like atoms", "the order of like atoms has no meaning", shuffles
    if atoms.pbc.all():
        yield "supercell 2×1×1", "energy is extensive over periodic copies", [_supercell(atoms)]
        yield "other lattice vectors", "the choice of the periodic cell has no meaning", [_sheared_cell(atoms)]
        jumps = rng.integers(-2, 3, size=(repetitions, len(atoms), 3)) @ atoms.cell.array
        cases = [_moved(atoms, jump) for jump in jumps]
        yield "atoms moved by lattice vectors", "periodic images of an atom are the same atom", cases


def _evaluate(atoms: Atoms, calculator: Calculator) -> tuple[float, FloatArray]:
    """Energy per atom (eV) and forces (n, 3)."""
    atoms.calc = calculator
    return float(atoms.get_potential_energy()) / len(atoms), np.array(atoms.get_forces(), dtype=float)


def _balance(atoms: Atoms, calculator: Calculator, tolerances: Tolerances) -> list[Check]:
    """Net force of the structure, and net force and torque of the same atoms as a cluster in vacuum."""
    cluster = Atoms(atoms.numbers, positions=atoms.positions - atoms.positions.mean(axis=0))
    _, forces = _evaluate(atoms.copy(), calculator)
    _, free = _evaluate(cluster, calculator)
    torque = np.cross(cluster.positions, free).sum(axis=0)
    radius = max(float(np.linalg.norm(cluster.positions, axis=1).max()), 1.0)
    found = [
        ("net force", np.abs(forces.sum(axis=0)).max(), "forces add up to zero: momentum is conserved"),
        ("net force on a cluster", np.abs(free.sum(axis=0)).max(), "forces on atoms in vacuum add up to zero"),
        (
            "net torque on a cluster, over its radius",
            np.abs(torque).max() / radius,
            "torques on atoms in vacuum add up to zero: angular momentum is conserved",
        ),
    ]
    tolerance = tolerances.symmetry_force_ev_per_ang
    return [
        absolute(name, GROUP, value, tolerance=tolerance, unit="eV/Å", meaning=meaning)
        for name, value, meaning in found
    ]


def symmetry_checks(
    atoms: Atoms,
    calculator: Calculator,
    *,
    tolerances: Tolerances,
    seed: int,
    displacement_ang: float = 0.1,
    repetitions: int = 4,
) -> list[Check]:
    """Checks of energy invariance and force equivariance, and of the balance of forces and torques.

    Args:
        atoms: structure that is rattled first, so that no symmetry of its own hides a fault. Not changed.
        calculator: any ASE calculator with energy and forces.
        tolerances: `symmetry_ev` (per atom) and `symmetry_force_ev_per_ang` are used.
        seed: seed of the displacements and of the random operations.
        displacement_ang: standard deviation of the displacements in Å.
        repetitions: random operations of each kind; the worst counts.
    """
    rng = np.random.default_rng(seed)
    rattled = atoms.copy()
    rattled.positions += rng.normal(scale=displacement_ang, size=(len(atoms), 3))
    energy, forces = _evaluate(rattled.copy(), calculator)
    checks = []
    for name, meaning, cases in _operations(rattled, rng, repetitions):
        energy_error = force_error = 0.0
        for case in cases:
            found_energy, found_forces = _evaluate(case.atoms, calculator)
            energy_error = np.maximum(energy_error, abs(found_energy - energy))
            force_error = np.maximum(force_error, np.abs(found_forces - case.forces(forces)).max())
        energy_tolerance, force_tolerance = tolerances.symmetry_ev, tolerances.symmetry_force_ev_per_ang
        checks += [
            absolute(
                f"{name}: energy", GROUP, energy_error, tolerance=energy_tolerance, unit="eV/atom", meaning=meaning
            ),
            absolute(f"{name}: forces", GROUP, force_error, tolerance=force_tolerance, unit="eV/Å", meaning=meaning),
        ]
    if not rattled.pbc.all():
        reason = "the structure is not periodic in all directions"
        checks.append(not_applicable("change of the periodic cell", GROUP, unit="eV/atom", meaning=reason))
    return checks + _balance(rattled, calculator, tolerances)
