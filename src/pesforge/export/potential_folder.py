"""The folder to take away: a potential with its origin, written whole or not at all, and read back in one line."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from pesforge.errors import DataError
from pesforge.export.calculator import Kind, PesforgeCalculator, Potential
from pesforge.export.card import model_card
from pesforge.io import read_json, write_json, write_text
from pesforge.potentials.head import NeuralHead
from pesforge.representations.ace import AceBasis
from pesforge.representations.arrays import FloatArray

FORMAT = 1
MODEL = "model.json"
WEIGHTS = "weights.safetensors"
CARD = "MODEL_CARD.md"
INNER = "potential"
"""Folder of the potential within the folder of a fit or of a study."""


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder` that takes its place when the block ends without an error."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MODEL).is_file():
        raise DataError(f"{folder}: is not empty and holds no potential; name another folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    umask = os.umask(0)
    os.umask(umask)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    retired = temporary.with_name(f"{temporary.name}.old")
    try:
        yield temporary
        temporary.chmod(0o777 & ~umask)
        if folder.exists():
            folder.rename(retired)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(retired, ignore_errors=True)


def save_potential(
    folder: Path | str,
    *,
    kind: Kind,
    basis: AceBasis,
    coefficients: FloatArray,
    zeros: Mapping[str, float],
    head: NeuralHead | None = None,
    matrix: FloatArray | None = None,
    offset: FloatArray | None = None,
    metadata: Mapping[str, Any],
) -> None:
    """Write a potential into `folder`: equal potentials give equal bytes, and an older potential there is replaced.

    Args:
        folder: place of `model.json`, `weights.safetensors`, `MODEL_CARD.md` and the files of the head.
        kind: `ace-linear` or `ace-neural`.
        basis: K invariants per atom.
        coefficients: (K,) in eV.
        zeros: energy zero per chemical symbol in eV, of the whole potential.
        head: non-linear head of a neural potential.
        matrix: projections (K, P) that the head sees.
        offset: (P,) taken off the projections; None for a neural potential: zero.
        metadata: plain values for `model.json` and the model card; `pesforge.export.card` names the known keys.

    Raises:
        DataError: the parts do not fit together, or `folder` holds something else.
    """
    target = Path(folder)
    if head is not None and offset is None:
        offset = np.zeros(len(head.mean))
    potential = Potential(kind, basis, coefficients, dict(zeros), head, matrix, offset)
    tensors = {"coefficients": potential.coefficients, "matrix": matrix, "offset": offset}
    with _whole_folder(target) as temporary:
        arrays = {
            name: np.ascontiguousarray(array, dtype=np.float64) for name, array in tensors.items() if array is not None
        }
        save_file(arrays, temporary / WEIGHTS)
        (temporary / WEIGHTS).chmod(0o644)
        if head is not None:
            head.save(temporary)
        model = {
            "format": FORMAT,
            "kind": kind,
            "basis": basis.to_dict(),
            "zeros_ev": {symbol: float(value) for symbol, value in zeros.items()},
            "weights_sha256": _digest(temporary / WEIGHTS),
            "metadata": dict(metadata),
        }
        write_json(temporary / MODEL, model)
        write_text(temporary / CARD, model_card(potential, metadata))


def load_potential(folder: Path | str) -> PesforgeCalculator:
    """The ASE calculator of the potential that `save_potential` wrote into `folder`, or into `folder/potential`.

    Raises:
        DataError: a file is missing or damaged, or the format is not known.
    """
    place = Path(folder)
    if not (place / MODEL).is_file() and (place / INNER / MODEL).is_file():
        place = place / INNER
    if not (place / MODEL).is_file():
        raise DataError(
            f"{place}: there is no {MODEL}. Name the folder of a potential, such as results/<study>/potential."
        )
    model = read_json(place / MODEL)
    found = model.get("format") if isinstance(model, dict) else None
    if found != FORMAT:
        raise DataError(
            f"{place / MODEL}: format {found!r} is not known; this version of pesforge reads format {FORMAT}. "
            "Load it with the version that wrote it, or export it again."
        )
    try:
        if _digest(place / WEIGHTS) != model["weights_sha256"]:
            raise DataError(f"{place}: {WEIGHTS} does not belong to {MODEL}; export the potential again.")
        tensors = load_file(place / WEIGHTS)
        potential = Potential(
            kind=model["kind"],
            basis=AceBasis.from_dict(model["basis"]),
            coefficients=tensors["coefficients"],
            zeros={str(symbol): float(value) for symbol, value in model["zeros_ev"].items()},
            head=NeuralHead.load(place) if model["kind"] == "ace-neural" else None,
            matrix=tensors.get("matrix"),
            offset=tensors.get("offset"),
        )
        return PesforgeCalculator(potential, model["metadata"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{place}: the potential cannot be read ({type(error).__name__}: {error}). Copy the whole folder, or "
            "export the potential again."
        ) from error


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
