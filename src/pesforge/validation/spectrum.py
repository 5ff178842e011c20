"""Phonon dispersion and density of states from force constants of a supercell, by phonopy.

Wave vectors that fit into the supercell are exact; between them the force constants are interpolated, which is as good
as forces at half its width are small. Reference and potential are compared in the same supercell, where both are
interpolated alike, and the potential is shown in a larger one too.

Source: the library phonopy (A. Togo, J. Phys. Soc. Jpn. 92, 012001, 2023).
"""

from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from pesforge.settings import Tolerances
from pesforge.validation.check import Check, absolute
from pesforge.validation.elastic_constants import FloatArray
from pesforge.validation.excess import supercell
from pesforge.validation.phonon import displacements, force_constants, gamma_frequencies_thz
from pesforge.validation.properties import evaluate
from pesforge.validation.spacegroup import operations

LARGE_ANG = 10.0
"""Least width of the larger cell."""
PATH_POINTS = 120
"""Wave vectors along the whole path."""
MESH_LENGTH_ANG = 60.0
"""The mesh of the density of states is that of a crystal of this length."""
LOWEST_DECIMALS = 4
"""Rigid shifts have no frequency but for the rounding of force constants."""
DOS_POINTS = 240
DOS_WIDTH_SHARE = 0.015
"""Width of the Gaussian of every vibration over the highest frequency."""


def spectrum_check(cell: Atoms, dft: FloatArray, potential: FloatArray, tolerances: Tolerances) -> Check:
    """Root mean square difference of all frequencies that a cell of the crystal holds, over the highest.

    Nothing is interpolated.

    Args:
        cell: the perfect crystal.
        dft: its force constants by the reference, (3n, 3n) in eV/Å².
        potential: those by the potential.
        tolerances: `phonon_percent` is used.
    """
    masses = cell.get_masses()
    wanted, found = gamma_frequencies_thz(dft, masses), gamma_frequencies_thz(potential, masses)
    highest = float(wanted.max())
    error = float(np.sqrt(np.mean((found - wanted) ** 2)))
    vectors = len(operations(cell).translations)
    return absolute(
        f"all phonons of a cell of {len(cell)} atoms, RMS difference",
        "phonon",
        100 * error / highest,
        tolerance=tolerances.phonon_percent,
        unit="%",
        meaning=f"{len(wanted)} frequencies at {vectors} wave vector(s), over the highest, {highest:.4g} THz; at the "
        "parent's volume",
    )


def spectrum(
    calculator: Calculator,
    parent: Atoms,
    cell: Atoms,
    *,
    dft: FloatArray,
    potential: FloatArray,
    displacement_ang: float,
) -> dict[str, Any]:
    """Dispersion and density of states: reference and potential in one cell, the potential in a larger one too.

    Keys: `ticks` (place and name of special points), `place` (along the path), `sides`: of each of `dft`, `potential`
    and `large` the `bands` (bands × points) in THz, imaginary ones negative, and the density `dos` in states per THz
    and atom at `frequency_thz`; `dft` and `potential` are null where the cell is a single primitive one, which holds no
    other wave vector than Γ; `lowest_thz` of `large` on path and mesh.

    Args:
        calculator: the potential.
        parent: parent crystal.
        cell: supercell of its primitive cell in which both are compared, neither turned nor shifted against it.
        dft: force constants of that cell by the reference, (3n, 3n) in eV/Å².
        potential: those by the potential.
        displacement_ang: displacement for the force constants of the larger cell.
    """
    large = parent.repeat(supercell(parent, LARGE_ANG))
    frames = displacements(large, displacement_ang)
    phi = force_constants(large, frames, [found["forces"] for found in evaluate(calculator, frames)])
    cells = {"large": _phonons(large, phi)}
    if len(operations(cell).translations) > 1:
        cells |= {"dft": _phonons(cell, dft), "potential": _phonons(cell, potential)}
    primitive = cells["large"].primitive
    lattice = Atoms(primitive.symbols, cell=primitive.cell, scaled_positions=primitive.scaled_positions, pbc=True)
    path = lattice.cell.bandpath(npoints=PATH_POINTS)
    place, ticks, names = path.get_linear_kpoint_axis()
    highest = 0.0
    sides: dict[str, Any] = dict.fromkeys(("dft", "potential", "large"))
    for name, phonons in cells.items():
        # A primitive cell can be spanned in other ways; along the same path its wave vectors have other components.
        vectors = path.kpts @ np.linalg.inv(lattice.cell.array).T @ phonons.primitive.cell.T
        bands = phonons.run_qpoints(vectors).frequencies.T
        phonons.run_mesh(MESH_LENGTH_ANG)
        sides[name] = {"bands": bands.tolist()}
        highest = max(highest, float(bands.max()), float(phonons.mesh.frequencies.max()))
    axis = np.linspace(0.0, 1.05 * highest, DOS_POINTS)
    for name, phonons in cells.items():
        sides[name]["dos"] = density(phonons.mesh.frequencies, phonons.mesh.weights, axis, DOS_WIDTH_SHARE * highest)
    lowest = min(float(np.min(sides["large"]["bands"])), float(cells["large"].mesh.frequencies.min()))
    return {
        "ticks": [[float(at), str(word)] for at, word in zip(ticks, names, strict=True)],
        "place": place.tolist(),
        "frequency_thz": axis.tolist(),
        "sides": sides,
        "atoms": {"compared": len(cell), "large": len(large)},
        "lowest_thz": round(lowest, LOWEST_DECIMALS) + 0.0,
    }


def density(frequencies: FloatArray, weights: FloatArray, axis: FloatArray, width: float) -> list[float]:
    """States per THz and atom: Gaussians at the frequencies of a mesh; three in all for every atom.

    Args:
        frequencies: (wave vectors, bands) in THz.
        weights: of the wave vectors.
        axis: frequencies in THz at which the density is wanted.
        width: standard deviation of the Gaussians in THz.
    """
    shares = np.repeat(weights / weights.sum(), frequencies.shape[1])
    counts, edges = np.histogram(
        frequencies.ravel(), bins=4000, range=(frequencies.min() - 1e-9, frequencies.max() + 1e-9), weights=shares
    )
    middle = (edges[1:] + edges[:-1]) / 2
    kernel = np.exp(-((axis[:, None] - middle[None]) ** 2) / (2 * width**2)) / (width * np.sqrt(2 * np.pi))
    return [float(value) for value in kernel @ counts * 3 / frequencies.shape[1]]


def _phonons(cell: Atoms, phi: FloatArray) -> Any:
    """phonopy with the cell as supercell of its primitive cell, and force constants (3n, 3n) in eV/Å²."""
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms
    from phonopy.structure.cells import guess_primitive_matrix

    n = len(cell)
    unit = PhonopyAtoms(
        symbols=[str(symbol) for symbol in cell.symbols],
        cell=cell.cell.array,
        scaled_positions=cell.get_scaled_positions(),
        masses=cell.get_masses(),
    )
    phonons = Phonopy(
        unit, supercell_matrix=np.eye(3, dtype=int), primitive_matrix=guess_primitive_matrix(unit), log_level=0
    )
    phonons.force_constants = np.ascontiguousarray(phi.reshape(n, 3, n, 3).transpose(0, 2, 1, 3))
    return phonons
