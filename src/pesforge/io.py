"""Reading and writing: every file appears whole or not at all."""

import errno
import hashlib
import json
import math
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import StringIO
from itertools import count, islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from ase import Atoms
from ase.io.extxyz import read_extxyz, write_extxyz

from pesforge.errors import DataError, StorageError

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
"""The system's words for a disk, a quota or a limit that leaves no room to write."""
SIMPLE = frozenset({str, int, bool, type(None)})
"""Types that JSON has as they are."""


def no_room(error: BaseException) -> bool:
    """Whether an error says that there is no room left to write."""
    return isinstance(error, OSError) and error.errno in NO_ROOM


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """A block that writes a file; where there is no room for it, the error names the file.

    Raises:
        StorageError: the disk is full.
    """
    try:
        yield
    except OSError as error:
        if not no_room(error):
            raise
        raise StorageError(
            f"{path}: cannot be written ({error.strerror}). Make room and run again; what is finished is kept."
        ) from error


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block ends without an error.

    The content is flushed to the disk before the rename, so that a crash leaves either the old file or the new one.
    The temporary file keeps the suffix of `path`, because writers choose their format by it.

    Raises:
        StorageError: the disk is full.
    """
    target = Path(path)
    with writing(target):
        temporary = _beside(target)
        try:
            yield temporary
            written = os.open(temporary, os.O_RDONLY)
            try:
                os.fsync(written)
            finally:
                os.close(written)
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _beside(target: Path) -> Path:
    """A new empty file in the folder of another, which is made where it is not there."""
    prefix, suffix, folder = f".{target.stem}.", target.suffix, str(target.parent)
    try:
        handle, name = tempfile.mkstemp(suffix, prefix, folder)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(suffix, prefix, folder)
    os.close(handle)
    return Path(name)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _finite(value: Any) -> bool:
    """Whether a value is a number of Python's own that JSON has."""
    return type(value) is float and math.isfinite(value)


def _plain(value: Any) -> Any:
    """`value` with numpy types turned into Python's and non-finite numbers into None (JSON has neither)."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [item if type(item) in SIMPLE or _finite(item) else _plain(item) for item in value]
    if isinstance(value, np.ndarray):
        # What is finite holds nothing more to turn, which saves a call for every number of a structure.
        numbers = value.dtype.kind in "biuf" and bool(np.isfinite(value).all())
        return value.tolist() if numbers else _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def canonical_json(value: Any) -> str:
    """One line of JSON with sorted keys: equal values give equal bytes. Used for hashes."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, atomically."""
    text = json.dumps(_plain(value), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path: Path | str) -> Any:
    """The content of a JSON file.

    Raises:
        DataError: the file is missing or not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error}). Delete the file and run again.") from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_frames(path: Path | str, frames: Iterable[Atoms]) -> None:
    """Write structures, with labels where they carry a calculator, as extended XYZ, atomically.

    An empty sequence gives an empty file. Of structures that come one by one no two are held.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        write_extxyz(file, frames)


def _texts(file: TextIO, first: int, stop: int | None) -> Iterator[str]:
    """The text of every structure of a part of a file.

    Raises:
        ValueError: a structure says that it has more atoms than lines, or columns beyond belief, which ASE would count
            to for hours or fill the memory with.
    """
    for number in count() if stop is None else range(stop):
        head = file.readline()
        if not head.strip():
            return
        atoms = int(head)
        rest = islice(file, 1 + max(atoms, 0))
        if number < first:
            found = sum(1 for _ in rest)
            lines: list[str] = []
        else:
            lines = list(rest)
            found = len(lines)
        for width in re.findall(r":(\d+)", lines[0] if lines else ""):
            if len(width) > 3:
                raise ValueError(f"a property of {width[:20]} columns")
        if found != 1 + atoms:
            raise ValueError(f"a structure of {head.strip()[:20]} atoms has {max(found - 1, 0)} lines of them")
        if number >= first:
            yield "".join([head, *lines])


def iter_frames(path: Path | str, first: int = 0, stop: int | None = None) -> Iterator[Atoms]:
    """The structures of an extended XYZ file one by one, so that no two need be held; none of an empty file.

    Args:
        path: file.
        first: number of the first structure that is wanted.
        stop: number of the first one that is not; None: all the rest. Those before are skipped, not parsed, those
            behind not looked at.

    Raises:
        DataError: the file is missing or not extended XYZ, as far as it was read.
    """
    # Opened here: ASE takes an `@` in a name for an index, and the endings of compressed files for an order.
    try:
        with Path(path).open(encoding="utf-8") as file:
            for text in _texts(file, first, stop):
                (atoms,) = read_extxyz(StringIO(text), index=slice(None))
                yield atoms
    except Exception as error:  # the reader of ASE fails in many ways on what is no extended XYZ
        words = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path}: cannot be read as extended XYZ ({words}).") from error


def read_frames(path: Path | str, first: int = 0, stop: int | None = None) -> list[Atoms]:
    """The structures of an extended XYZ file; an empty file gives an empty list. See `iter_frames`."""
    return list(iter_frames(path, first, stop))
