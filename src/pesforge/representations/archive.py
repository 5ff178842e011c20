"""Arrays on disk: one .npz without pickled objects, equal bytes for equal content."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pesforge.errors import DataError
from pesforge.io import atomic_path


def save_arrays(path: Path | str, arrays: Mapping[str, Any]) -> None:
    """Write named arrays (numbers, or text as sequences of str) to `path`, which ends in .npz, atomically.

    Raises:
        DataError: the path has another ending.
    """
    if Path(path).suffix != ".npz":
        raise DataError(f"{path}: arrays are stored in files that end in .npz.")
    plain = {name: np.asarray(value) for name, value in arrays.items()}
    with atomic_path(path) as temporary:
        np.savez(temporary, allow_pickle=False, **plain)


def load_arrays(path: Path | str, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The arrays of the given names.

    Raises:
        DataError: the file is missing, damaged or lacks a name.
    """
    try:
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            return {name: archive[name] for name in names}
    except Exception as error:  # a damaged archive fails in many ways
        raise DataError(f"{path}: cannot be read as stored arrays ({error}). Delete the file and run again.") from error
