"""Equation of state: energies at several volumes and the Birch-Murnaghan fit."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from ase import Atoms

from pesforge.errors import DataError
from pesforge.fields import EV_PER_ANG3_IN_GPA, REFERENCE_CELL

DECIMALS = 8
MIN_POINTS = 5
"""A cubic in V^(-2/3) has four coefficients; a fifth point shows whether it fits."""


@dataclass(frozen=True)
class EquationOfState:
    """Fit of the third-order Birch-Murnaghan equation.

    Args:
        lattice_scale: length of the cell at the minimum over that of the parent.
        volume_ang3_per_atom: volume at the minimum.
        energy_ev_per_atom: energy at the minimum.
        bulk_modulus_gpa: B at the minimum.
        bulk_modulus_derivative: dB/dp at the minimum.
        residual_mev_per_atom: root mean square of the fit's residuals.
    """

    lattice_scale: float
    volume_ang3_per_atom: float
    energy_ev_per_atom: float
    bulk_modulus_gpa: float
    bulk_modulus_derivative: float
    residual_mev_per_atom: float

    def to_dict(self) -> dict[str, float]:
        """The fit as builtin types."""
        return asdict(self)


def volume_cells(parent: Atoms, points: int, linear_strain_max: float) -> list[Atoms]:
    """The parent at equally spaced linear strains from −max to +max, each with its `reference_cell`.

    Args:
        parent: periodic crystal.
        points: number of volumes.
        linear_strain_max: largest |change of length|.
    """
    cells = []
    for strain in np.linspace(-linear_strain_max, linear_strain_max, points):
        cell = parent.copy()
        cell.set_cell(parent.cell.array * (1 + strain), scale_atoms=True)
        cell.positions = np.round(cell.positions, DECIMALS)
        cell.info = {REFERENCE_CELL: parent.cell.array.copy()}
        cells.append(cell)
    return cells


def fit_eos(parent: Atoms, volumes: Sequence[float], energies: Sequence[float]) -> EquationOfState:
    """The Birch-Murnaghan equation of state (Birch, Phys. Rev. 71, 809 (1947)) by linear least squares.

    The third-order equation is a cubic in x = V^(-2/3), so that no iteration is needed.

    Args:
        parent: crystal whose lattice constant is scaled.
        volumes: of the whole cell in Å³.
        energies: of the whole cell in eV.

    Raises:
        DataError: fewer than 5 points, or no minimum inside the range of volumes.
    """
    n = len(parent)
    volume, energy = np.asarray(volumes, dtype=float) / n, np.asarray(energies, dtype=float) / n
    if len(volume) < MIN_POINTS:
        raise DataError(f"an equation of state needs at least {MIN_POINTS} volumes; found {len(volume)}.")
    x = volume ** (-2 / 3)
    centre = float(x.mean())
    curve = np.polynomial.Polynomial.fit(x, energy, deg=3)
    first, second, third = curve.deriv(1), curve.deriv(2), curve.deriv(3)
    roots = [complex(root) for root in first.roots()]
    minima = [
        root.real
        for root in roots
        if abs(root.imag) < 1e-9 and x.min() <= root.real <= x.max() and second(root.real) > 0
    ]
    if not minima:
        lowest = float(volume[np.argmin(energy)])
        raise DataError(
            f"the equation of state has no minimum between {volume.min():.3f} and {volume.max():.3f} Å³/atom (lowest "
            f"energy at {lowest:.3f}). Correct `structure.lattice_constant_ang`, or raise "
            "`validate.eos_linear_strain_max`."
        )
    best = min(minima, key=lambda root: abs(root - centre))
    # E'(V) = E_x x', with x' = -2/3 V^(-5/3) and E_x = 0 at the minimum.
    v0 = best ** (-3 / 2)
    curvature, skewness = float(second(best)), float(third(best))
    x1, x2 = -2 / 3 * v0 ** (-5 / 3), 10 / 9 * v0 ** (-8 / 3)
    e2, e3 = curvature * x1**2, skewness * x1**3 + 3 * curvature * x1 * x2
    return EquationOfState(
        lattice_scale=float((v0 * n / parent.get_volume()) ** (1 / 3)),
        volume_ang3_per_atom=float(v0),
        energy_ev_per_atom=float(curve(best)),
        bulk_modulus_gpa=float(v0 * e2 * EV_PER_ANG3_IN_GPA),
        bulk_modulus_derivative=float(-1 - v0 * e3 / e2),
        residual_mev_per_atom=float(1e3 * np.sqrt(np.mean((curve(x) - energy) ** 2))),
    )
