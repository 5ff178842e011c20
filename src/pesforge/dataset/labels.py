"""Where the labels of a structure stand: the names that other programs give to energy, forces, stress and group."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress

from pesforge.errors import DataError

FloatArray = npt.NDArray[np.float64]

KNOWN = {
    "energy": ("energy", "REF_energy"),
    "forces": ("forces", "REF_forces"),
    "stress": ("stress", "REF_stress", "virial", "REF_virial"),
    "group": ("group", "config_type"),
}
"""Names that are looked for, the first that occurs being taken for stress and group."""


@dataclass(frozen=True)
class LabelKeys:
    """Names of the labels in a file; None: one of `KNOWN`.

    Args:
        energy: energy of the whole structure in eV.
        forces: forces in eV/Å.
        stress: stress in eV/Å³, ASE's sign and order; a name that holds `virial` is a virial in eV, −stress × volume.
        group: label of the family or of the group.
    """

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None
    group: str | None = None


def value_of(atoms: Atoms, key: str) -> Any:
    """What a structure holds under a name: in its calculator, its information or its arrays; None if nothing."""
    results = {} if atoms.calc is None else atoms.calc.results
    for place in (results, atoms.info, atoms.arrays):
        if key in place:
            return place[key]
    return None


def resolve_keys(frames: Sequence[Atoms], keys: LabelKeys, source: str) -> tuple[LabelKeys, list[str]]:
    """The names under which a file holds its labels, and warnings about names that were passed over.

    Args:
        frames: the structures of the file.
        keys: names that the user has chosen.
        source: name of the file for messages.

    Raises:
        DataError: a chosen name does not occur, energy or forces are not there, or stand there under two names.
    """
    found: dict[str, str | None] = {}
    warnings = []
    for kind, names in KNOWN.items():
        chosen: str | None = getattr(keys, kind)
        present = [name for name in names if any(value_of(atoms, name) is not None for atoms in frames)]
        if chosen is not None:
            if not any(value_of(atoms, chosen) is not None for atoms in frames):
                raise DataError(f"{source}: no structure has `{chosen}`; it holds {_names(frames)}. See --{kind}-key.")
            found[kind] = chosen
            continue
        if kind in ("energy", "forces"):
            if not present:
                raise DataError(
                    f"{source}: no structure has {' or '.join(names)}; it holds {_names(frames)}. "
                    f"Name the right one with --{kind}-key."
                )
            if len(present) > 1:
                raise DataError(f"{source}: holds {' and '.join(present)}. Name the right one with --{kind}-key.")
        elif kind == "stress" and len(present) > 1:
            warnings.append(
                f"{source}: holds {' and '.join(present)}; `{present[0]}` is used. --stress-key names another."
            )
        found[kind] = present[0] if present else None
    return LabelKeys(**found), warnings


def _names(frames: Sequence[Atoms]) -> str:
    names = {
        name
        for atoms in frames
        for place in (atoms.info, atoms.arrays, {} if atoms.calc is None else atoms.calc.results)
        for name in place
    }
    return ", ".join(sorted(names - {"numbers", "positions"})) or "no label at all"


def _numbers(value: Any, what: str, where: str) -> FloatArray:
    try:
        if np.asarray(value).dtype == bool:
            raise TypeError("a flag")
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: {what} is {value!r}, which is no number. Repair or drop the structure.") from error


def labels_of(atoms: Atoms, keys: LabelKeys, where: str) -> dict[str, Any]:
    """Energy in eV, forces (n, 3) in eV/Å and, for three periodic directions and where there is one, stress (6,).

    Args:
        atoms: a structure as it was read.
        keys: names of the labels, energy and forces not None.
        where: file, index and name of the structure for messages.

    Raises:
        DataError: a label is missing, has another shape or is not finite.
    """
    labels: dict[str, Any] = {}
    for kind, key, shape in (("energy", keys.energy, ()), ("forces", keys.forces, (len(atoms), 3))):
        value = None if key is None else value_of(atoms, key)
        if value is None:
            raise DataError(f"{where}: `{key}` is missing. Add the label or drop the structure.")
        array = _numbers(value, f"`{key}`", where)
        if array.shape != shape and not (kind == "energy" and array.size == 1):
            raise DataError(f"{where}: `{key}` has the shape {array.shape}, {shape} is needed. Repair the label.")
        if not np.isfinite(array).all():
            raise DataError(f"{where}: `{key}` holds NaN or infinity. Repair or drop the structure.")
        labels[kind] = float(array.reshape(-1)[0]) if kind == "energy" else array
    stress = None if keys.stress is None else value_of(atoms, keys.stress)
    if stress is not None and atoms.pbc.all():
        labels["stress"] = _stress(stress, str(keys.stress), float(atoms.get_volume()), where)
    return labels


def _stress(value: Any, key: str, volume: float, where: str) -> FloatArray:
    array = _numbers(value, f"`{key}`", where)
    if array.size == 9:
        matrix = array.reshape(3, 3)
        if not np.allclose(matrix, matrix.T, atol=1e-3 * max(1e-12, float(np.abs(matrix).max())), equal_nan=True):
            raise DataError(f"{where}: `{key}` is not symmetric. Repair the label or leave the stress out.")
        array = full_3x3_to_voigt_6_stress(matrix)
    if array.shape != (6,):
        raise DataError(f"{where}: `{key}` has the shape {array.shape}, (6,) or (3, 3) is needed. Repair the label.")
    if not np.isfinite(array).all():
        raise DataError(f"{where}: `{key}` holds NaN or infinity. Repair the label or leave the stress out.")
    return -array / volume if "virial" in key.lower() else array
