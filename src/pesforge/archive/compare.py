"""Two versions of the same results: what differs, and by how much."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from pesforge.errors import DataError
from pesforge.io import read_frames, read_json

ABSOLUTE = 1e-8
RELATIVE = 1e-6
"""Numbers agree within these: other machines round otherwise, and sums of rounding errors are no results."""
TRAINED = 1e-2
"""Relative agreement of what Lightning trains, whose sums depend on threads and on the machine."""
SHOWN = 3
"""Differences that are named; the others are counted."""


@dataclass(frozen=True)
class Comparison:
    """How a file came out again.

    Args:
        name: of the file.
        same: whether its bytes are the same.
        largest: largest relative deviation of its numbers.
        differences: places that disagree, with both values.
    """

    name: str
    same: bool
    largest: float
    differences: tuple[str, ...]

    @property
    def words(self) -> str:
        """The finding in words."""
        if self.same:
            return "identical"
        if not self.differences:
            return f"agrees, numbers within {self.largest:.1e}" if self.largest else "agrees to rounding"
        more = len(self.differences) - SHOWN
        named = "; ".join(self.differences[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
        return f"DIFFERS: {named}"


class _Walk:
    """Goes through two values side by side."""

    def __init__(self, relative: float) -> None:
        self.relative, self.largest = relative, 0.0
        self.differences: list[str] = []

    def values(self, old: Any, new: Any, place: str) -> None:
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            for key in sorted({*old} | {*new}, key=str):
                if key in old and key in new:
                    self.values(old[key], new[key], f"{place}.{key}" if place else str(key))
                else:
                    self.differences.append(f"{place}.{key} only in the {'archive' if key in old else 'rerun'}")
        elif isinstance(old, list) and isinstance(new, list):
            if len(old) != len(new):
                self.differences.append(f"{place} has {len(old)} items, now {len(new)}")
            for index, (one, other) in enumerate(zip(old, new, strict=False)):
                self.values(one, other, f"{place}[{index}]")
        elif _is_number(old) and _is_number(new):
            self.numbers(float(old), float(new), place)
        elif old != new or isinstance(old, bool) != isinstance(new, bool):
            self.differences.append(f"{place} was {old!r}, now {new!r}")

    def numbers(self, old: float, new: float, place: str) -> None:
        if old == new or (math.isnan(old) and math.isnan(new)):
            return
        away = abs(old - new)
        scale = max(abs(old), abs(new))
        if not away <= ABSOLUTE + self.relative * scale:
            self.differences.append(f"{place} was {old:.10g}, now {new:.10g}")
        if away > ABSOLUTE:
            self.largest = max(self.largest, away / scale)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def compare_files(old: Path, new: Path, name: str, *, relative: float = RELATIVE) -> Comparison:
    """How a file of results came out again: JSON, safetensors or extended XYZ by its numbers, others by their bytes.

    Args:
        old: the archived file.
        new: that of the rerun.
        name: of the file, for the finding.
        relative: relative deviation up to which numbers agree.

    Raises:
        DataError: the archived file cannot be read.
    """
    if not new.is_file():
        return Comparison(name, False, 0.0, ("the rerun did not write it",))
    if old.read_bytes() == new.read_bytes():
        return Comparison(name, True, 0.0, ())
    walk = _Walk(relative)
    if old.suffix == ".json":
        walk.values(read_json(old), read_json(new), "")
    elif old.suffix == ".safetensors":
        walk.values(_tensors(old), _tensors(new), "")
    elif old.suffix == ".extxyz":
        walk.values(_structures(old), _structures(new), "")
    else:
        walk.differences.append("other bytes")
    return Comparison(name, False, walk.largest, tuple(walk.differences))


def _tensors(path: Path) -> dict[str, Any]:
    try:
        return {name: array.tolist() for name, array in sorted(load_file(path).items())}
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be read as safetensors ({error}). Unpack the archive again.") from error


def _structures(path: Path) -> list[dict[str, Any]]:
    return [
        {
            "info": {key: np.asarray(value).tolist() for key, value in sorted(frame.info.items())},
            "symbols": list(frame.symbols),
            "positions": frame.positions.tolist(),
            "cell": frame.cell.array.tolist(),
            "labels": {
                key: np.asarray(value).tolist()
                for key, value in sorted((frame.calc.results if frame.calc else {}).items())
            },
        }
        for frame in read_frames(path)
    ]
