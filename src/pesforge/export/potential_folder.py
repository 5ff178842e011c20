"""The folder to take away: a potential with its origin, written whole or not at all, and read back in one line."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from pesforge.errors import DataError, PesforgeError
from pesforge.export.calculator import PesforgeCalculator
from pesforge.export.card import model_card
from pesforge.export.classical_files import write_classical
from pesforge.export.potential import Kind, Potential
from pesforge.io import read_json, sha256_of, write_json, write_text
from pesforge.potentials.classical import ClassicalPotential
from pesforge.potentials.ensemble import HeadEnsemble
from pesforge.potentials.head import NeuralHead
from pesforge.potentials.mace import MacePotential
from pesforge.potentials.model import Model
from pesforge.potentials.posterior import Posterior
from pesforge.representations.arrays import FloatArray
from pesforge.representations.stacked import Basis
from pesforge.uncertainty.calibrated import Calibrated
from pesforge.uncertainty.guard import Action, Guard

FORMAT = 2
MODEL = "model.json"
CARD = "MODEL_CARD.md"
INNER = "potential"
"""Folder of the potential within the folder of a fit or of a study."""

READERS: Mapping[str, Callable[[Path, Mapping[str, Any]], Model]] = {
    "ace-linear": Potential.read,
    "ace-neural": Potential.read,
    "ace-quadratic": Potential.read,
    "pair": ClassicalPotential.read,
    "eam": ClassicalPotential.read,
    "tersoff": ClassicalPotential.read,
    "mace": MacePotential.read,
}
"""What reads a stored potential of each kind, from its folder and from what `model.json` says."""


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


def save_model(folder: Path | str, model: Model, metadata: Mapping[str, Any]) -> None:
    """Write a potential into `folder`: equal potentials give equal bytes, and an older potential there is replaced.

    Args:
        folder: place of `model.json`, `MODEL_CARD.md` and the model's own files.
        model: the potential.
        metadata: plain values for `model.json` and the model card; `pesforge.export.card` names the known keys.

    Raises:
        DataError: `folder` holds something else.
    """
    with _whole_folder(Path(folder)) as temporary:
        described = dict(model.write(temporary))
        if isinstance(model, ClassicalPotential):
            write_classical(temporary, model)
        files = sorted(temporary.iterdir())
        for file in files:
            file.chmod(0o644)
        whole = {
            "format": FORMAT,
            "kind": model.kind,
            **described,
            "sha256": {file.name: sha256_of(file) for file in files},
            "metadata": dict(metadata),
        }
        write_json(temporary / MODEL, whole)
        write_text(temporary / CARD, model_card(model, metadata))


def save_potential(
    folder: Path | str,
    *,
    kind: Kind,
    basis: Basis,
    coefficients: FloatArray,
    zeros: Mapping[str, float],
    head: NeuralHead | HeadEnsemble | None = None,
    matrix: FloatArray | None = None,
    offset: FloatArray | None = None,
    posterior: Posterior | None = None,
    calibrated: Calibrated | None = None,
    metadata: Mapping[str, Any],
) -> None:
    """Write a potential on ACE invariants into `folder`, see `save_model`.

    Args:
        folder: place of the files.
        kind: `ace-linear` or `ace-neural`.
        basis: K invariants per atom.
        coefficients: (K,) in eV.
        zeros: energy zero per chemical symbol in eV, of the whole potential.
        head: non-linear head of a neural potential, or several.
        matrix: projections (K, P) that the head sees.
        offset: (P,) taken off the projections; None for a neural potential: zero.
        posterior: of the coefficients of a linear potential; None: it knows nothing of its own error.
        calibrated: laws of the errors of an ensemble or of a head with dropout; None: none are known.
        metadata: plain values for `model.json` and the model card.

    Raises:
        DataError: the parts do not fit together, or `folder` holds something else.
    """
    if head is not None and offset is None:
        offset = np.zeros(head.n_inputs)
    potential = Potential(
        kind, basis, coefficients, dict(zeros), head, matrix, offset, posterior, calibrated=calibrated
    )
    save_model(folder, potential, metadata)


def potential_place(folder: Path | str) -> Path:
    """The folder that holds `model.json`: `folder`, or `folder/potential`.

    Raises:
        DataError: neither does.
    """
    place = Path(folder)
    if not (place / MODEL).is_file() and (place / INNER / MODEL).is_file():
        place = place / INNER
    if not (place / MODEL).is_file():
        raise DataError(
            f"{place}: there is no {MODEL}. Name the folder of a potential, such as results/<study>/potential."
        )
    return place


def load_potential(folder: Path | str, guard: Guard | Action | None = None) -> PesforgeCalculator:
    """The ASE calculator of the potential that `save_potential` wrote into `folder`, or into `folder/potential`.

    Args:
        folder: place of the files.
        guard: watches the leverages of atoms: `stop` ends a run that leaves the training data, `watch` only reports,
            a `Guard` does what it says; None: nothing is watched.

    Raises:
        DataError: a file is missing or damaged, the format is not known, or there is a guard and no posterior.
    """
    place = potential_place(folder)
    watching = Guard.named(guard) if isinstance(guard, str) else guard
    model = read_json(place / MODEL)
    found = model.get("format") if isinstance(model, dict) else None
    if found != FORMAT:
        raise DataError(
            f"{place / MODEL}: format {found!r} is not known; this version of pesforge reads format {FORMAT}. "
            "Load it with the version that wrote it, or export it again."
        )
    try:
        for name, digest in model["sha256"].items():
            if sha256_of(place / Path(name).name) != digest:
                raise DataError(f"{place}: {name} does not belong to {MODEL}; export the potential again.")
        if model["kind"] not in READERS:
            raise DataError(f"{place}: kind {model['kind']!r} is not known; it is one of {', '.join(READERS)}.")
        return PesforgeCalculator(READERS[model["kind"]](place, model), model["metadata"], watching)
    except PesforgeError as error:
        raise DataError(str(error) if str(error).startswith(str(place)) else f"{place}: {error}") from error
    except (OSError, SafetensorError, LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(
            f"{place}: the potential cannot be read ({type(error).__name__}: {error}). Copy the whole folder, or "
            "export the potential again."
        ) from error
