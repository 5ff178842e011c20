"""Chemical elements as indices into the species of a basis or potential."""

from functools import lru_cache

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols

from pesforge.errors import DataError
from pesforge.representations.arrays import IntArray


@lru_cache(maxsize=256)
def _by_number(species: tuple[str, ...]) -> IntArray:
    """Index into `species` by atomic number, -1 for all other elements."""
    index = np.full(len(chemical_symbols), -1, dtype=np.int64)
    index[[atomic_numbers[symbol] for symbol in species]] = np.arange(len(species))
    index.setflags(write=False)
    return index


def species_index(atoms: Atoms, species: tuple[str, ...], owner: str) -> IntArray:
    """Index into `species` of every atom, shape (n,).

    Args:
        atoms: the structure.
        species: chemical symbols that are known.
        owner: what knows them, for the message.

    Raises:
        DataError: an element is not known.
    """
    found: IntArray = _by_number(species)[atoms.numbers]
    if len(found) and found.min() < 0:
        missing = sorted(set(atoms.get_chemical_symbols()) - set(species))
        raise DataError(f"Elements {missing} of the structure are not in the {owner}, which has {list(species)}.")
    return found
