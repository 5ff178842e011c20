"""What every fit reports, whatever was fitted: errors by split and family, copies in the test, origin."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.dataset import check_species, copies_between
from pesforge.fields import FAMILY, GROUP
from pesforge.folds import group_folds
from pesforge.metrics import Residuals, by_family, errors
from pesforge.provenance import derive_seed, fingerprint, versions
from pesforge.representations.arrays import IntArray

CODE = ("dataset", "fitting", "representations", "potentials", "training", "export")


def families_of(frames: Sequence[Atoms]) -> list[str]:
    """Family of every structure."""
    return [str(atoms.info[FAMILY]) for atoms in frames]


def groups_of(frames: Sequence[Atoms]) -> list[str]:
    """Group of every structure."""
    return [str(atoms.info[GROUP]) for atoms in frames]


def species_of(frames: Sequence[Atoms]) -> tuple[str, ...]:
    """Chemical symbols in alphabetical order."""
    return tuple(sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()}))


def check_test(frames: Sequence[Atoms], test_frames: Sequence[Atoms] | None) -> tuple[list[int], list[str]]:
    """Indices of the test structures that are copies of training structures, and a warning if there are any.

    Raises:
        DataError: a test structure holds an element that training does not.
    """
    if not test_frames:
        return [], []
    check_species(test_frames, species_of(frames), "test")
    copies = [int(index) for index in copies_between(frames, test_frames)]
    if not copies:
        return [], []
    return copies, [
        f"{len(copies)} of {len(test_frames)} test structures are copies of training structures (first: {copies[0]}); "
        "`test_without_copies` leaves them out."
    ]


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


def metrics_of(
    found: Mapping[str, Residuals],
    families: Mapping[str, Sequence[str]],
    copies: Sequence[int],
    *,
    n_groups: int,
    choice: Mapping[str, Any],
    warnings: Sequence[str],
    seconds: float,
) -> dict[str, Any]:
    """The content of `metrics.json`.

    Args:
        found: residuals by split, such as `train`, `cv`, `validation` and `test`.
        families: families of their structures.
        copies: indices of test structures that are copies of training structures.
        n_groups: groups of the training structures.
        choice: what was chosen, with the key `text`.
        warnings: what is odd.
        seconds: duration of the fit.
    """
    metrics: dict[str, Any] = {split: errors(values) for split, values in found.items()}
    if copies and len(copies) < len(found["test"].n_atoms):
        kept = np.setdiff1d(np.arange(len(found["test"].n_atoms)), copies)
        metrics["test_without_copies"] = {"n_structures": len(kept), **errors(found["test"].select(kept))}
    return metrics | {
        "by_group": {split: by_family(values, families[split]) for split, values in found.items()},
        "cv_leave_family_out": None,
        "n_structures": {split: len(values.n_atoms) for split, values in found.items() if split != "cv"},
        "n_groups": n_groups,
        "choice": dict(choice),
        "warnings": list(warnings),
        "fit_seconds": seconds,
    }


def origin(frames: Sequence[Atoms], choice: Mapping[str, Any], judged: Mapping[str, Any], how: str) -> dict[str, Any]:
    """Metadata of a potential: data, method, held-out errors, code and versions.

    Args:
        frames: training structures.
        choice: what was chosen.
        judged: errors that stand in the model card.
        how: words for how these structures were held out.
    """
    return {
        "data": {
            "labels": len(frames),
            "atoms": sum(len(atoms) for atoms in frames),
            "families": ", ".join(dict.fromkeys(families_of(frames))),
        },
        "method": {key: value for key, value in choice.items() if key not in ("tried", "text", "history")},
        "errors": {f"{how}: {key}": value for key, value in judged.items()},
        "code": {part: fingerprint(part) for part in CODE},
        "versions": versions(),
    }
