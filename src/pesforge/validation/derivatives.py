"""Forces and stress as derivatives of the energy: finite differences, and the work along closed loops."""

from collections.abc import Callable

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError
from numpy.typing import NDArray

from pesforge.fields import EV_PER_ANG3_IN_GPA
from pesforge.settings import Tolerances
from pesforge.validation.check import Check, absolute, not_applicable

GROUP = "derivatives"
STEP_ANG = 5e-3
"""Displacement of the finite differences: the error of the five-point rule is of order h⁴, below 1e-6 eV/Å."""
STEP_STRAIN = 1e-3
LOOP_POINTS = 48
"""Points on a loop: the trapezoidal rule of a smooth periodic integrand converges exponentially in their number."""
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))

FloatArray = NDArray[np.float64]


def _slope(energy: Callable[[float], float], step: float) -> float:
    """dE/dx at zero by the five-point central rule."""
    near = energy(step) - energy(-step)
    far = energy(2 * step) - energy(-2 * step)
    return (8 * near - far) / (12 * step)


def _energy(atoms: Atoms, calculator: Calculator) -> float:
    atoms.calc = calculator
    return float(atoms.get_potential_energy())


def _forces(atoms: Atoms, calculator: Calculator) -> FloatArray:
    atoms.calc = calculator
    return np.array(atoms.get_forces(), dtype=float)


def strained(atoms: Atoms, strain: FloatArray) -> Atoms:
    """A copy of `atoms` with cell and positions deformed by I + ε.

    Args:
        atoms: the structure.
        strain: symmetric strain tensor ε (3, 3).
    """
    changed = atoms.copy()
    deformation = np.eye(3) + strain
    changed.set_cell(atoms.cell.array @ deformation)
    changed.positions = atoms.positions @ deformation
    return changed


def _unit_strain(component: int, size: float) -> FloatArray:
    """Symmetric strain whose Voigt component (engineering shear) is `size`."""
    i, j = VOIGT[component]
    strain = np.zeros((3, 3))
    strain[i, j] += size / 2
    strain[j, i] += size / 2
    return strain


def force_deviation(atoms: Atoms, calculator: Calculator, *, rng: np.random.Generator, components: int) -> float:
    """Largest |F + dE/dr| in eV/Å over randomly chosen force components.

    Args:
        atoms: structure; not changed.
        calculator: any ASE calculator with energy and forces.
        rng: chooses the components.
        components: how many are tried (at most 3 per atom).
    """
    forces = _forces(atoms.copy(), calculator).ravel()
    chosen = rng.choice(forces.size, size=min(components, forces.size), replace=False)

    def deviation(index: int) -> float:
        def energy(shift: float) -> float:
            changed = atoms.copy()
            changed.positions[index // 3, index % 3] += shift
            return _energy(changed, calculator)

        return abs(forces[index] + _slope(energy, STEP_ANG))

    return float(np.max([deviation(int(index)) for index in chosen]))


def stress_deviation(atoms: Atoms, calculator: Calculator) -> float:
    """Largest |σ − (1/V) dE/dε| over the six components, in eV/Å³.

    Args:
        atoms: periodic structure; not changed.
        calculator: any ASE calculator with energy and stress.

    Raises:
        PropertyNotImplementedError: the calculator has no stress.
    """
    start = atoms.copy()
    start.calc = calculator
    stress = np.array(start.get_stress(voigt=True), dtype=float)

    def deviation(component: int) -> float:
        def energy(size: float) -> float:
            return _energy(strained(atoms, _unit_strain(component, size)), calculator)

        return abs(stress[component] - _slope(energy, STEP_STRAIN) / atoms.get_volume())

    return float(np.max([deviation(component) for component in range(6)]))


def loop_force(
    atoms: Atoms, calculator: Calculator, *, rng: np.random.Generator, radius_ang: float, single: bool
) -> float:
    """Work along a closed loop over the length of the loop, ∮F·dr / ∮|dr|, in eV/Å.

    The loop is a circle r₀ + R (u cos θ + v sin θ) in a random plane of configuration space.

    Args:
        atoms: structure at the centre of the loop; not changed.
        calculator: any ASE calculator with forces.
        rng: chooses the plane.
        radius_ang: root mean square displacement per moved atom in Å.
        single: move one random atom instead of all.
    """
    shape = (len(atoms), 3)
    moved = np.zeros(shape)
    moved[rng.integers(len(atoms)) if single else slice(None)] = 1.0
    plane, _ = np.linalg.qr((rng.normal(size=(2, *shape)) * moved).reshape(2, -1).T)
    first, second = (direction.reshape(shape) for direction in plane.T)
    radius = radius_ang * np.sqrt(moved[:, 0].sum())
    work = 0.0
    for angle in np.arange(LOOP_POINTS) * (2 * np.pi / LOOP_POINTS):
        changed = atoms.copy()
        changed.positions += radius * (np.cos(angle) * first + np.sin(angle) * second)
        tangent = np.cos(angle) * second - np.sin(angle) * first
        work += float((_forces(changed, calculator) * tangent).sum())
    return abs(work) / LOOP_POINTS


def derivative_checks(
    atoms: Atoms,
    calculator: Calculator,
    *,
    tolerances: Tolerances,
    seed: int,
    displacement_ang: float = 0.1,
    strain: float = 0.02,
    components: int = 12,
    loops: int = 4,
) -> list[Check]:
    """Checks that force and stress are derivatives of the energy and that closed loops do no work.

    Args:
        atoms: structure that is strained and rattled first. Not changed.
        calculator: any ASE calculator with energy and forces; without stress that check does not apply.
        tolerances: `derivative_ev_per_ang` and `derivative_stress_gpa` are used.
        seed: seed of displacements, strain, components and loops.
        displacement_ang: standard deviation of the displacements in Å.
        strain: standard deviation of the strain components; periodic structures only.
        components: force components compared with finite differences.
        loops: closed loops; every second one moves a single atom.
    """
    rng = np.random.default_rng(seed)
    periodic = bool(atoms.pbc.all())
    tensor = rng.normal(scale=strain, size=(3, 3))
    changed = strained(atoms, (tensor + tensor.T) / 2) if periodic else atoms.copy()
    changed.positions += rng.normal(scale=displacement_ang, size=(len(atoms), 3))
    force = force_deviation(changed, calculator, rng=rng, components=components)
    work = [
        loop_force(changed, calculator, rng=rng, radius_ang=displacement_ang, single=bool(number % 2))
        for number in range(loops)
    ]
    limit = tolerances.derivative_ev_per_ang
    return [
        absolute(
            "force against finite difference",
            GROUP,
            force,
            tolerance=limit,
            unit="eV/Å",
            meaning="the force is the negative gradient of the energy",
        ),
        _stress_check(changed, calculator, tolerances) if periodic else _no_stress("the structure is not periodic"),
        absolute(
            "work along closed loops, over their length",
            GROUP,
            float(np.max(work)),
            tolerance=limit,
            unit="eV/Å",
            meaning="the force field is conservative: no energy is made by moving atoms in a circle",
        ),
    ]


def _no_stress(reason: str) -> Check:
    return not_applicable("stress against finite difference", GROUP, unit="GPa", meaning=reason)


def _stress_check(atoms: Atoms, calculator: Calculator, tolerances: Tolerances) -> Check:
    try:
        deviation = stress_deviation(atoms, calculator) * EV_PER_ANG3_IN_GPA
    except PropertyNotImplementedError:
        return _no_stress("the calculator has no stress")
    return absolute(
        "stress against finite difference",
        GROUP,
        deviation,
        tolerance=tolerances.derivative_stress_gpa,
        unit="GPa",
        meaning="the stress is the derivative of the energy by strain over the volume",
    )
