"""Energy of a structure over that of the perfect crystal: defects, surfaces and faults of one method."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from ase import Atoms

from pesforge.errors import DataError

J_PER_M2 = 16.02176634
"""1 eV/Å² in J/m²."""
SAME_CELL = 1e-5


@dataclass(frozen=True)
class Crystal:
    """The perfect crystal by one method.

    Args:
        atoms: its cell.
        energy_ev: of the cell.
        potentials_ev: chemical potential of each element; needed where elements are not exchanged in whole formula
            units. That of an elemental crystal is its energy per atom, whatever is given here.
    """

    atoms: Atoms
    energy_ev: float
    potentials_ev: Mapping[str, float]

    @property
    def counts(self) -> Counter[str]:
        """Atoms of each element in the cell."""
        return Counter(self.atoms.symbols)

    def shifted(self, ev_per_atom: float) -> Self:
        """The crystal with another energy per atom, such as that on another mesh of k-points."""
        return replace(self, energy_ev=self.energy_ev + ev_per_atom * len(self.atoms))

    def potential_ev(self, element: str) -> float:
        """Chemical potential of an element in eV.

        Raises:
            DataError: it is not known.
        """
        if set(self.counts) == {element}:
            return self.energy_ev / len(self.atoms)
        if element not in self.potentials_ev:
            raise DataError(
                f"the energy of a single atom of {element} in a compound needs its chemical potential: "
                "`validate.hull: {}` with a crystal of every element gives it."
            )
        return self.potentials_ev[element]

    def excess_ev(self, atoms: Atoms, energy_ev: float, cells: float) -> float:
        """E − n E_cell − Σ Δn_i μ_i in eV, with Δn_i the atoms beyond those of n cells.

        Args:
            atoms: structure.
            energy_ev: its energy.
            cells: n.

        Raises:
            DataError: a chemical potential is needed that is not known.
        """
        beyond = excess_atoms(atoms, self, cells)
        return energy_ev - cells * self.energy_ev - sum(n * self.potential_ev(name) for name, n in beyond.items())


def excess_atoms(atoms: Atoms, crystal: Crystal, cells: float) -> dict[str, float]:
    """Atoms of each element beyond those of a number of cells of the crystal, those that are none left out.

    Args:
        atoms: structure.
        crystal: perfect crystal.
        cells: how many of its cells.
    """
    found = Counter(atoms.symbols)
    beyond = {name: found[name] - cells * crystal.counts[name] for name in {**crystal.counts, **found}}
    return {str(name): n for name, n in beyond.items() if abs(n) > SAME_CELL}


def cells_by_volume(atoms: Atoms, crystal: Crystal) -> float:
    """Whole cells of the crystal in the volume of a structure: those of a point defect in a supercell.

    Raises:
        DataError: the volume is no multiple of that of the crystal.
    """
    ratio = float(atoms.get_volume() / crystal.atoms.get_volume())
    if abs(ratio - round(ratio)) > SAME_CELL * ratio:
        raise DataError(f"the cell of a defect has {ratio:.4f} times the volume of the crystal, no whole number.")
    return float(round(ratio))


def cells_by_atoms(atoms: Atoms, crystal: Crystal) -> float:
    """Most cells of the crystal that the atoms of a structure suffice for: those of a slab or of a fault.

    Raises:
        DataError: an element of the crystal is missing.
    """
    found = Counter(atoms.symbols)
    cells = min(found[name] / n for name, n in crystal.counts.items())
    if cells == 0:
        raise DataError(f"{atoms.get_chemical_formula()} holds no formula unit of the crystal.")
    return cells


def repeats(atoms: Atoms, crystal: Atoms) -> tuple[int, int, int] | None:
    """Repetitions of the crystal's cell that make the cell of a structure; None where it is no such supercell."""
    ratio = np.linalg.solve(crystal.cell.array.T, atoms.cell.array.T).T
    whole = np.rint(np.diagonal(ratio)).astype(int)
    if np.abs(ratio - np.diag(whole)).max() > SAME_CELL or (whole < 1).any():
        return None
    return int(whole[0]), int(whole[1]), int(whole[2])


def supercell(crystal: Atoms, width_ang: float) -> tuple[int, int, int]:
    """Least repetitions of a cell whose opposite faces are that far apart.

    Args:
        crystal: the cell.
        width_ang: least distance in Å.
    """
    heights = 1 / np.linalg.norm(np.linalg.inv(crystal.cell.array), axis=0)
    first, second, third = (int(number) for number in np.ceil(width_ang / heights - 1e-6))
    return max(1, first), max(1, second), max(1, third)


def area_ang2(atoms: Atoms) -> float:
    """Area of the face of the first two cell vectors in Å²."""
    return float(np.linalg.norm(np.cross(atoms.cell.array[0], atoms.cell.array[1])))
