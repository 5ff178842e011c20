"""Reading and writing: every file appears whole or not at all."""

import errno
import hashlib
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import ase.io
import numpy as np
from ase import Atoms

from pesforge.errors import DataError, StorageError

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
"""The system's words for a disk, a quota or a limit that leaves no room to write."""


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
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=target.suffix, dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _plain(value: Any) -> Any:
    """`value` with numpy types turned into Python's and non-finite numbers into None (JSON has neither)."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
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


def write_frames(path: Path | str, frames: Sequence[Atoms]) -> None:
    """Write structures, with labels where they carry a calculator, as extended XYZ, atomically.

    An empty sequence gives an empty file.
    """
    with atomic_path(path) as temporary:
        if frames:
            ase.io.write(temporary, list(frames), format="extxyz")


def _check_frames(file: TextIO) -> None:
    """Refuse what ASE would count to for hours or fill the memory with.

    Raises:
        ValueError: a structure says that it has more atoms than lines, or columns beyond belief.
    """
    while first := file.readline().strip():
        atoms = int(first)
        for width in re.findall(r":(\d+)", file.readline()):
            if len(width) > 3:
                raise ValueError(f"a property of {width[:20]} columns")
        there = sum(1 for _ in islice(file, max(atoms, 0)))
        if there != atoms:
            raise ValueError(f"a structure of {first[:20]} atoms has {there} lines of them")


def read_frames(path: Path | str, first: int = 0, stop: int | None = None) -> list[Atoms]:
    """The structures of an extended XYZ file; an empty file gives an empty list.

    Args:
        path: file.
        first: number of the first structure that is wanted.
        stop: number of the first one that is not; None: all the rest. The others are skipped, not parsed.

    Raises:
        DataError: the file is missing or not extended XYZ.
    """
    try:
        if Path(path).stat().st_size == 0:
            return []
        # Opened here: ASE takes an `@` in a name for an index, and the endings of compressed files for an order.
        with Path(path).open(encoding="utf-8") as file:
            _check_frames(file)
            file.seek(0)
            frames = ase.io.read(file, index=slice(first, stop), format="extxyz")
    except Exception as error:  # the reader of ASE fails in many ways on what is no extended XYZ
        words = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path}: cannot be read as extended XYZ ({words}).") from error
    assert isinstance(frames, list)
    return frames
