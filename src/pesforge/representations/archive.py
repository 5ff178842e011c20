"""Arrays on disk: one .npz without pickled objects, equal bytes for equal content."""

import math
import mmap
import os
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from pesforge.errors import DataError
from pesforge.io import atomic_path, writing
from pesforge.representations.arrays import FloatArray, IntArray

PART_BYTES = 64_000_000
"""What is held of an array at once where it passes in parts."""
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
ALIGNMENT = 64
PADDING, PADDING_ID = struct.Struct("<HH"), 0xD935
"""Head of an extra field of an archive (kind and length), and the kind that Android's zipalign uses for padding."""
ZIP64_EXTRA = 20
"""Bytes of the extra field with the long sizes, which `zipfile` writes before the others."""
LOCAL_HEADER = 30
"""Bytes of the fixed part of the header of a file within an archive; the lengths of the rest are its last four."""


def save_arrays(path: Path | str, arrays: Mapping[str, Any], rows: Mapping[str, IntArray] | None = None) -> None:
    """Write named arrays (numbers, or text as sequences of str) to `path`, which ends in .npz, atomically.

    Args:
        path: file.
        arrays: what to write.
        rows: of which arrays only these rows; they pass in parts, so that large arrays can stay on the disk.

    Raises:
        DataError: the path has another ending.
    """
    if Path(path).suffix != ".npz":
        raise DataError(f"{path}: arrays are stored in files that end in .npz.")
    plain = {name: np.asarray(value) for name, value in arrays.items()}
    with atomic_path(path) as temporary, ZipFile(temporary, "w", ZIP_STORED) as archive:
        for name, array in plain.items():
            with archive.open(_aligned(archive, f"{name}.npy"), "w", force_zip64=True) as stream:
                _write(stream, array, None if rows is None else rows.get(name))


def _aligned(archive: ZipFile, name: str) -> ZipInfo:
    """A file in an archive whose content begins at a multiple of 64 bytes, as numbers must that are mapped."""
    info = ZipInfo(name)
    assert archive.fp is not None
    begin = archive.fp.tell() + LOCAL_HEADER + len(name) + ZIP64_EXTRA + PADDING.size
    gap = -begin % ALIGNMENT
    info.extra = PADDING.pack(PADDING_ID, gap) + bytes(gap)
    return info


def _write(stream: Any, array: np.ndarray, rows: IntArray | None) -> None:
    """An array, or some of its rows, as a file of its own; large ones in parts."""
    if rows is None and (array.nbytes <= PART_BYTES or not array.flags.c_contiguous):
        np.lib.format.write_array(stream, array, allow_pickle=False)
        return
    length = len(array) if rows is None else len(rows)
    header = np.lib.format.header_data_from_array_1_0(array[:0])
    np.lib.format.write_array_header_1_0(stream, {**header, "shape": (length, *array.shape[1:])})
    size = max(1, PART_BYTES // max(array[:1].nbytes, 1))
    for start in range(0, length, size):
        part = np.arange(start, min(start + size, length)) if rows is None else rows[start : start + size]
        stream.write(take(array, part).reshape(-1).view(np.uint8).data)


def load_arrays(path: Path | str, names: tuple[str, ...], mapped: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """The arrays of the given names.

    Args:
        path: file.
        names: arrays to read.
        mapped: those of them that stay on the disk until they are looked at; they cannot be changed.

    Raises:
        DataError: the file is missing, damaged or lacks a name.
    """
    try:
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            held = {name: archive[name] for name in names if name not in mapped}
            return held | {name: _mapped(Path(path), archive.zip, name) for name in mapped}
    except Exception as error:  # a damaged archive fails in many ways
        raise DataError(f"{path}: cannot be read as stored arrays ({error}). Delete the file and run again.") from error


def _mapped(path: Path, archive: ZipFile, name: str) -> np.ndarray:
    """An array that stays on the disk; it is read once, to see that nothing in it is damaged."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as stream:
        shape, by_columns, kind = HEADERS[np.lib.format.read_magic(stream)](stream)
        begin = stream.tell()
        while stream.read(PART_BYTES):
            pass
    if info.compress_type != ZIP_STORED or kind.hasobject or info.file_size != begin + math.prod(shape) * kind.itemsize:
        raise ValueError(f"{name} is compressed, holds objects or has another size than it says")
    with path.open("rb") as file:
        file.seek(info.header_offset)
        lengths = PADDING.unpack(file.read(LOCAL_HEADER)[-PADDING.size :])
    begin += info.header_offset + LOCAL_HEADER + sum(lengths)
    if begin % ALIGNMENT:
        raise ValueError(f"{name} begins at no multiple of {ALIGNMENT} bytes")
    if not math.prod(shape):
        return np.empty(shape, kind)
    return np.memmap(path, kind, "r", begin, shape, "F" if by_columns else "C").view(np.ndarray)


def room_for(shape: tuple[int, ...], folder: Path | None) -> FloatArray:
    """Numbers to be filled in: in memory, or in a file without a name, which is gone when nobody holds the array.

    Raises:
        StorageError: the disk is full.
    """
    size = 8 * math.prod(shape)
    if folder is None or not size:
        return np.empty(shape)
    with writing(folder), tempfile.TemporaryFile(dir=folder) as file:
        # Without it a full disk would be met in the middle of a store to memory, which ends the process.
        os.posix_fallocate(file.fileno(), 0, size)
        return np.memmap(file, np.float64, "r+", shape=shape).view(np.ndarray)


def take(array: np.ndarray, rows: IntArray) -> np.ndarray:
    """Rows of an array, which may be mapped from a file: of that no more than a part is held at once.

    The system maps far more around each row than the row, so that rows from everywhere would bring in the whole file.
    """
    if _map_of(array) is None:
        return np.asarray(array[rows])
    found = np.empty((len(rows), *array.shape[1:]), array.dtype)
    parts = rows // max(1, PART_BYTES // max(array[:1].nbytes, 1))
    for number in np.unique(parts):
        chosen = parts == number
        found[chosen] = array[rows[chosen]]
        let_go(array)
    return found


def let_go(array: np.ndarray) -> None:
    """Give back the memory of an array that is mapped from a file; it is read again where it is looked at again."""
    mapped = _map_of(array)
    if mapped is not None:
        mapped.madvise(mmap.MADV_DONTNEED)


def _map_of(array: np.ndarray) -> mmap.mmap | None:
    """What an array is mapped from; None for one in memory."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None
