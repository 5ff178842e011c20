"""Free atoms, and pairs of atoms at several distances."""

from itertools import combinations_with_replacement

from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

from pesforge.errors import DataError
from pesforge.family_settings import Dimer
from pesforge.sampling.counts import halvings
from pesforge.sampling.frames import make_cell_frame
from pesforge.sampling.measured import Measured
from pesforge.settings_types import Positive

NAME = "dimer"


class DimerCurve(Dimer):
    """Settings of the family with the longest distance known."""

    longest_ang: Positive


def sample(parent: Atoms, settings: DimerCurve, measured: Measured, seed: int) -> list[Atoms]:
    """One atom of every element, and all pairs of elements at several distances, in cubic boxes of one size.

    Distances are s (l/s)^x with x = 0, 1/2, 1/4, … below 1, s and l being the shortest and longest: short ones, where
    the energy is steep, lie closer. The structures are not periodic and have no stress. Engines with plane waves repeat
    the box nevertheless, so the vacuum must hold. Without spin polarisation an atom is not in its ground state; its
    energy is then that of the closed shell, as the settings of all labels have it.

    Args:
        parent: crystal that names the elements.
        settings: number of distances, range, box.
        measured: not used.
        seed: written into the structures.

    Raises:
        DataError: the shortest distance of a pair is not below the longest.
    """
    elements = sorted(set(parent.symbols))
    side = settings.longest_ang + settings.vacuum_ang
    molecules = [(f"{NAME}-{element}", "000", Atoms(element)) for element in elements]
    for first, second in combinations_with_replacement(elements, 2):
        for number, distance in enumerate(distances(first, second, settings)):
            pair = Atoms([first, second], positions=[[0.0, 0.0, 0.0], [distance, 0.0, 0.0]])
            molecules.append((f"{NAME}-{first}-{second}", f"{number:03d}", pair))
    frames = []
    for group, place, molecule in molecules:
        molecule.set_cell([side] * 3)
        molecule.center()
        name = f"{group}-{place}"
        frames.append(make_cell_frame(molecule, origin=molecule, name=name, family=NAME, group=group, seed=seed))
    return frames


def distances(first: str, second: str, settings: DimerCurve) -> list[float]:
    """Distances of a pair of elements in Å, the shortest first.

    Args:
        first: element.
        second: element.
        settings: number of distances and range.

    Raises:
        DataError: the shortest distance is not below the longest.
    """
    shortest = settings.shortest_factor * float(sum(covalent_radii[atomic_numbers[name]] for name in (first, second)))
    if shortest >= settings.longest_ang:
        raise DataError(
            f"the shortest distance of {first}-{second}, {shortest:.2f} Å, is not below the longest, "
            f"{settings.longest_ang:g} Å; lower `shortest_factor` or raise `longest_ang`."
        )
    return [shortest * (settings.longest_ang / shortest) ** share for share in halvings(settings.distances)]
