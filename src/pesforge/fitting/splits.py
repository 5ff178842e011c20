"""Labels, splits and folders of fits whose parameters are trained."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from ase import Atoms

from pesforge.fields import FAMILY, GROUP
from pesforge.folds import group_folds
from pesforge.metrics import Residuals
from pesforge.provenance import derive_seed
from pesforge.representations.arrays import IntArray


def families_of(frames: Sequence[Atoms]) -> list[str]:
    """Family of every structure."""
    return [str(atoms.info[FAMILY]) for atoms in frames]


def groups_of(frames: Sequence[Atoms]) -> list[str]:
    """Group of every structure."""
    return [str(atoms.info[GROUP]) for atoms in frames]


def species_of(frames: Sequence[Atoms]) -> tuple[str, ...]:
    """Chemical symbols in alphabetical order."""
    return tuple(sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()}))


def hold_out(frames: Sequence[Atoms], fraction: float, seed: int) -> tuple[IntArray, IntArray]:
    """Indices of the structures to fit and of those that decide when to stop; their groups are different.

    Args:
        frames: structures with groups and families.
        fraction: share of the structures to hold out, about.
        seed: decides which groups.

    Raises:
        DataError: there is one group only.
    """
    groups = groups_of(frames)
    parts = min(max(2, round(1.0 / fraction)), len(set(groups)))
    held = group_folds(groups, parts, derive_seed(seed, "validation"), families=families_of(frames))[0]
    return np.setdiff1d(np.arange(len(frames)), held), held


@contextmanager
def work_folder(folder: Path | None) -> Iterator[Path]:
    """A folder for checkpoints: the given one, or one that is removed in the end."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="pesforge-") as name:
        yield Path(name)


def in_order(parts: Sequence[IntArray], found: Sequence[Residuals]) -> Residuals:
    """Residuals of all structures in their own order, from those of disjoint parts that hold all of them."""
    place = np.argsort(np.concatenate(parts))
    joined = Residuals(
        energy=np.concatenate([part.energy for part in found]),
        forces=np.concatenate([part.forces for part in found]),
        stress=np.concatenate([part.stress for part in found]),
        n_atoms=np.concatenate([part.n_atoms for part in found]),
    )
    return joined.select(place)
