"""The metrics and the origin of a fit, from the residuals of its splits."""

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.dataset import check_species, copies_between
from pesforge.fields import FAMILY, GROUP
from pesforge.metrics import Residuals, bootstrap_intervals, by_family, errors
from pesforge.provenance import source_digest, versions
from pesforge.representations.arrays import IntArray


def copies_in_test(frames: Sequence[Atoms], test_frames: Sequence[Atoms] | None, notes: list[str]) -> list[int]:
    """Indices of the test structures that are copies of training structures; a note about them is added.

    Raises:
        DataError: a test structure holds an element that training does not.
    """
    if not test_frames:
        return []
    check_species(test_frames, sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()}), "test")
    copies = copies_between(frames, test_frames)
    if copies:
        notes.append(
            f"{len(copies)} of {len(test_frames)} test structures are copies of training structures (first: "
            f"{copies[0]}); `test_without_copies` leaves them out."
        )
    return copies


def fit_metrics(
    found: Mapping[str, Residuals],
    frames: Sequence[Atoms],
    test_frames: Sequence[Atoms] | None,
    *,
    copies: Sequence[int],
    parameters: int,
    choice: Mapping[str, Any],
    notes: Sequence[str],
    started: float,
    members: Mapping[str, IntArray] = MappingProxyType({}),
) -> dict[str, Any]:
    """The metrics of a fit.

    Args:
        found: residuals of `train`, `cv` or `validation` and, where there is one, `test`.
        frames: training structures.
        test_frames: test structures; None: no test.
        copies: indices of test structures that are copies of training structures.
        parameters: number of trained parameters.
        choice: what was chosen, with a `text`.
        notes: what is odd.
        started: value of `time.monotonic()` when the fit began.
        members: indices of the training structures in a split that does not hold all of them.
    """
    metrics: dict[str, Any] = {split: errors(values) for split, values in found.items()}
    if "test" in found:
        metrics["test_intervals_90"] = bootstrap_intervals(found["test"], share=0.9, seed=0)
    if copies and test_frames and len(copies) < len(test_frames):
        kept = np.setdiff1d(np.arange(len(test_frames)), copies)
        metrics["test_without_copies"] = {"n_structures": len(kept), **errors(found["test"].select(kept))}
    labels = [str(atoms.info[FAMILY]) for atoms in frames]
    families = {"train": labels, "cv": labels} | {name: [labels[s] for s in part] for name, part in members.items()}
    families["test"] = [str(atoms.info[FAMILY]) for atoms in test_frames or ()]
    return metrics | {
        "by_group": {split: by_family(values, families[split]) for split, values in found.items()},
        "cv_leave_family_out": None,
        "n_structures": {split: len(values.n_atoms) for split, values in found.items() if split != "cv"},
        "n_groups": len({str(atoms.info[GROUP]) for atoms in frames}),
        "n_functions": parameters,
        "choice": dict(choice),
        "warnings": list(notes),
        "fit_seconds": time.monotonic() - started,
    }


def fit_metadata(
    frames: Sequence[Atoms],
    metrics: Mapping[str, Any],
    code: Sequence[str],
    *,
    judged: str = "cv",
    how: str = "left out by group",
) -> dict[str, Any]:
    """The origin of a fit for `model.json` and the model card; it depends on the training data alone.

    Args:
        frames: training structures.
        metrics: of `fit_metrics`.
        code: subpackages that made the fit.
        judged: split whose errors stand in the model card.
        how: words for how its structures were held out.
    """
    method = {
        key: value
        for key, value in metrics["choice"].items()
        if key not in ("tried", "tried_heads", "text", "history", "pareto")
    }
    return {
        "data": {
            "labels": len(frames),
            "atoms": sum(len(atoms) for atoms in frames),
            "families": ", ".join(dict.fromkeys(str(atoms.info[FAMILY]) for atoms in frames)),
        },
        "method": method,
        "errors": {f"{how}: {key}": value for key, value in metrics[judged].items()},
        "code": {part: source_digest(part) for part in code},
        "versions": versions(),
    }
