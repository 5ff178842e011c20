"""Crystals and potentials of ASE on which finite differences are exact and cheap."""

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.tersoff import Tersoff, TersoffParameters

# Tersoff, Phys. Rev. B 37, 6991 (1988), called Si(B) or T2
SILICON = TersoffParameters(
    m=3.0,
    gamma=1.0,
    lambda3=1.3258,
    c=4.8381,
    d=2.0417,
    h=0.0,
    n=22.956,
    beta=0.33675,
    lambda2=1.3258,
    B=95.373,
    R=3.0,
    D=0.2,
    lambda1=3.2394,
    A=3264.7,
)


def tersoff():
    return Tersoff({("Si", "Si", "Si"): SILICON})


def silicon(cubic=True):
    return bulk("Si", a=5.46, cubic=cubic)


def copper():
    return bulk("Cu", a=3.6, cubic=True)


def alloy():
    """L1₂ Cu₃Au, two species, off its minimum."""
    return Atoms(
        "AuCu3", scaled_positions=[[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]], cell=[3.8] * 3, pbc=True
    )


def triclinic():
    """Three species, no symmetry, forces that do not vanish."""
    scaled = [[0.02, 0.01, 0.0], [0.5, 0.48, 0.03], [0.51, 0.02, 0.5], [0.0, 0.52, 0.47]]
    return Atoms("CuAgAuCu", scaled_positions=scaled, cell=[[3.9, 0.1, 0], [0.2, 4.0, 0.1], [0, 0.3, 4.1]], pbc=True)


def tetragonal():
    """Layered CuAu with the atoms off their ideal height: a free internal coordinate."""
    scaled = [[0, 0, 0], [0.5, 0.5, 0.22], [0, 0, 0.5], [0.5, 0.5, 0.78]]
    return Atoms("CuAuCuAu", scaled_positions=scaled, cell=[2.8, 2.8, 8.0], pbc=True)


CASES = {
    "copper": (copper, EMT),
    "hcp": (lambda: bulk("Cu", "hcp", a=2.55, c=4.2), EMT),
    "alloy": (alloy, EMT),
    "triclinic": (triclinic, EMT),
    "tetragonal": (tetragonal, EMT),
    "silicon": (silicon, tersoff),
    "primitive silicon": (lambda: silicon(cubic=False), tersoff),
}


def evaluate(atoms, make):
    """Energy, forces and stress."""
    work = atoms.copy()
    work.calc = make()
    return work.get_potential_energy(), work.get_forces(), work.get_stress()


def brute_force(parent, make, step=1e-3):
    """Force constants by moving every atom along every axis."""
    n = len(parent)
    phi = np.empty((3 * n, 3 * n))
    for row in range(3 * n):
        forces = []
        for sign in (1, -1):
            moved = parent.copy()
            moved.positions[row // 3, row % 3] += sign * step
            forces.append(evaluate(moved, make)[1].ravel())
        phi[row] = -(forces[0] - forces[1]) / (2 * step)
    return (phi + phi.T) / 2
