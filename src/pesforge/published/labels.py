"""Labels of one element of a published set, in the form that a fit reads."""

import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pesforge.dataset import read_dataset
from pesforge.errors import DataError
from pesforge.fields import FAMILY
from pesforge.io import atomic_path, sha256_of, write_frames
from pesforge.published.convert import read_published
from pesforge.published.mlearn import STRESS_REMARK, STRESS_REMARKS


def prepare(
    element: str, files: Mapping[str, Path], targets: Mapping[str, Path], *, sha256: Mapping[str, str]
) -> dict[str, Any]:
    """Write the labels of an element as extended XYZ and return what they are, per split.

    Local extended XYZ is checked and copied byte by byte, so that a fit of it is that of `pesforge fit`.

    Args:
        element: chemical symbol.
        files: JSON as published, or extended XYZ, by split.
        targets: extended XYZ to write, by split.
        sha256: digests that files must have, by `Si_training`, `Si_test`, …

    Raises:
        DataError: a file is not usable, holds another element, or has another digest.
    """
    found: dict[str, Any] = {}
    for split, path in files.items():
        digest = sha256_of(path)
        wanted = sha256.get(f"{element}_{split}")
        if wanted is not None and wanted != digest:
            raise DataError(
                f"{path}: has the SHA-256 {digest}, but {wanted} by `published.sha256`. Take the right file, or "
                "correct the digest."
            )
        if path.suffix == ".json":
            write_frames(targets[split], read_published(path, element))
            data = read_dataset(targets[split])
        else:
            data = read_dataset(path)
            with atomic_path(targets[split]) as temporary:
                shutil.copyfile(path, temporary)
        others = sorted({symbol for atoms in data.frames for symbol in atoms.get_chemical_symbols()} - {element})
        if others:
            raise DataError(f"{path}: holds {', '.join(others)}, {element} alone is wanted. Take the right file.")
        found[split] = {
            "file": path.name,
            "sha256": digest,
            "n_structures": len(data.frames),
            "n_atoms": sum(len(atoms) for atoms in data.frames),
            "families": dict(Counter(str(atoms.info[FAMILY]) for atoms in data.frames)),
            "n_stress": sum("stress" in atoms.calc.results for atoms in data.frames),
            "stress_remark": STRESS_REMARKS.get(element, STRESS_REMARK) if path.suffix == ".json" else "as in the file",
            "warnings": list(data.warnings),
        }
    return found
