"""Designs for the tests below labels: random linear data with known coefficients, and copper labelled by EMT."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge.representations.ace import AceBasis
from pesforge.representations.design import Design, describe


def linear_design(
    *,
    structures: int = 12,
    functions: int = 7,
    noise: float = 0.05,
    coefficients: np.ndarray | None = None,
    per_group: int = 1,
    n_atoms: Sequence[int] = (2, 3),
    seed: int = 0,
) -> Design:
    """Random rows of two species, labels by a linear law with noise; 0 has no stress rows, 5 no stress label."""
    rng = np.random.default_rng(seed)
    atoms = np.array([n_atoms[s % len(n_atoms)] for s in range(structures)])
    heavy = np.array([1 + s % (n - 1) if n > 1 else 1 for s, n in enumerate(atoms)])
    counts = np.stack([heavy, atoms - heavy], axis=1).astype(float)
    sizes = np.geomspace(10.0, 0.01, functions)
    law = rng.normal(size=functions) / sizes if coefficients is None else coefficients
    energy = rng.normal(size=(structures, functions)) * sizes * atoms[:, None]
    forces = rng.normal(size=(3 * atoms.sum(), functions)) * sizes
    stress = 0.1 * rng.normal(size=(6 * structures, functions)) * sizes
    stress[:6] = np.nan
    stress_labels = stress @ law + noise * rng.normal(size=len(stress)) / 50
    stress_labels[30:36] = np.nan
    return Design(
        ids=tuple(f"s{s}" for s in range(structures)),
        families=tuple("thermal" if s % 3 else "strain" for s in range(structures)),
        groups=tuple(f"g{s // per_group}" for s in range(structures)),
        n_atoms=atoms,
        counts=counts,
        energy=energy,
        forces=forces,
        stress=stress,
        y_energy=energy @ law + counts @ [-3.0, -5.0] + noise * rng.normal(size=structures) * atoms / 20,
        y_forces=forces @ law + noise * rng.normal(size=len(forces)),
        y_stress=stress_labels,
        degree=np.arange(functions) + 2,
        order=1 + np.arange(functions) % 3,
        emphasis=np.ones((structures, 3)),
    )


def copper(
    displacement_ang: float, seed: int, *, strain: float = 0.0, name: str = "", family: str = "thermal"
) -> Atoms:
    """A strained and rattled cell of four copper atoms with EMT labels, a group of its own."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    atoms.set_cell(atoms.cell.array * (1 + strain), scale_atoms=True)
    atoms.positions += displacement_ang * rng.normal(size=atoms.positions.shape)
    name = name or f"cu-{displacement_ang}-{seed}"
    atoms.info.update(id=name, family=family, group=name, strain=[strain] * 3 + [0.0] * 3)
    return label(atoms)


def label(atoms: Atoms) -> Atoms:
    """`atoms` with the labels of EMT."""
    atoms.calc = EMT()
    energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces, stress=stress)
    return atoms


def describe_copper(frames: Sequence[Atoms]) -> Design:
    """ACE rows and labels of copper cells."""
    return describe(frames, AceBasis(species=("Cu",), cutoff_ang=4.5, max_degree=(6, 6), l_max=(0, 3)))


@pytest.fixture
def make_design() -> Callable[..., Design]:
    return linear_design


@pytest.fixture
def make_copper() -> Callable[..., Atoms]:
    return copper


@pytest.fixture
def label_copper() -> Callable[[Atoms], Atoms]:
    return label


@pytest.fixture(scope="session")
def describe_cells() -> Callable[[Sequence[Atoms]], Design]:
    return describe_copper


@pytest.fixture(scope="session")
def copper_frames() -> list[Atoms]:
    """Twenty rattled and eight strained cells."""
    rattled = [copper(0.06 + 0.002 * seed, seed, name=f"t{seed}") for seed in range(20)]
    strained = [
        copper(0.02, 100 + step, strain=0.01 * (step - 3.5), name=f"v{step}", family="strain") for step in range(8)
    ]
    return rattled + strained


@pytest.fixture(scope="session")
def copper_design(copper_frames: list[Atoms]) -> Design:
    return describe_copper(copper_frames)
