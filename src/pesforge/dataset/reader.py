"""Reading a file of labelled structures, with checks that name the structure and say what to do."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge.dataset.copies import first_copies
from pesforge.dataset.labels import LabelKeys, labels_of, resolve_keys, value_of
from pesforge.errors import DataError
from pesforge.fields import FAMILY, GROUP, ID
from pesforge.io import read_frames
from pesforge.pairs import find_pairs, unfit

MANY_LABELS = 10
"""From this number of distinct values on, a label may name groups; below it, it names families."""
LARGE_GROUP = 20
"""Structures per value above which a label names families, however many values there are."""
SHORTEST_ANG = 0.3
SEARCH_ANG = 2.0
"""Reach of the search for atoms that are too close: shorter ones divide the cell into needlessly many boxes."""
LARGE_STRESS = 10.0
LARGE_FORCE = 100.0
NET_FORCE_SHARE = 0.1
SMALL_FORCE = 0.01
"""Net forces of structures whose rms force (eV/Å) is below this are numerical noise."""
FAR_ENERGY_EV = 50.0


@dataclass(frozen=True)
class Dataset:
    """Structures with labels in a calculator and `id`, `family` and `group`; and what is odd about them."""

    frames: tuple[Atoms, ...]
    warnings: tuple[str, ...]


def read_dataset(path: Path | str, keys: LabelKeys | None = None) -> Dataset:
    """The labelled structures of an extended XYZ file.

    A structure without an own `id` is named by its index. The label `group` or `config_type` with fewer than 10
    distinct values, or with more than 20 structures per value, names families; then every structure is a group of its
    own, shared by its exact copies. Any other label names the groups themselves.

    Args:
        path: extended XYZ file, energies in eV, forces in eV/Å, stresses in eV/Å³ with ASE's sign or virials in eV.
        keys: names of the labels; None: the usual names.

    Raises:
        DataError: the file cannot be read, a label is missing or broken, or a structure cannot exist.
    """
    source = Path(path).name
    raw = read_frames(path)
    if not raw:
        raise DataError(f"{path}: holds no structure.")
    names = _ids(raw)
    where = [
        f"{source}: structure {index}" + (f" ({name})" if name != str(index) else "")
        for index, name in enumerate(names)
    ]
    found, warnings = resolve_keys(raw, keys or LabelKeys(), source)
    frames = []
    for atoms, place in zip(raw, where, strict=True):
        _check_geometry(atoms, place)
        labels = labels_of(atoms, found, place)
        clean = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        clean.calc = SinglePointCalculator(clean, **labels)
        frames.append(clean)
    families, groups = _families_and_groups(raw, frames, found.group, names)
    for atoms, name, family, group in zip(frames, names, families, groups, strict=True):
        atoms.info.update({ID: name, FAMILY: family, GROUP: group})
    return Dataset(tuple(frames), (*warnings, *_suspicious(frames, where, source)))


def check_species(frames: Sequence[Atoms], species: Sequence[str], source: str) -> None:
    """Refuse structures with elements that a potential does not know.

    Raises:
        DataError: with the index and name of the first such structure.
    """
    for index, atoms in enumerate(frames):
        unknown = sorted(set(atoms.get_chemical_symbols()) - set(species))
        if unknown:
            raise DataError(
                f"{source}: structure {index} ({atoms.info[ID]}) holds {', '.join(unknown)}, but the potential knows "
                f"{', '.join(species)} alone. Add these elements to the training file or drop the structure."
            )


def _ids(raw: Sequence[Atoms]) -> list[str]:
    names = [str(atoms.info.get(ID, "")) for atoms in raw]
    return names if all(names) and len(set(names)) == len(names) else [str(index) for index in range(len(raw))]


def _check_geometry(atoms: Atoms, where: str) -> None:
    if not len(atoms):
        raise DataError(f"{where}: has no atoms. Drop it.")
    if (atoms.numbers < 1).any():
        raise DataError(f"{where}: an atom has no chemical symbol that is known. Repair the structure.")
    if wrong := unfit(atoms):
        raise DataError(f'{where}: {wrong}. Repair or drop the structure; without a cell, write pbc="F F F".')
    first, second, distance = find_pairs(atoms, SEARCH_ANG, "ijd", both_ways=False)
    worst = int(distance.argmin()) if len(distance) else -1
    if worst >= 0 and distance[worst] < SHORTEST_ANG:
        raise DataError(
            f"{where}: atoms {first[worst]} and {second[worst]} are {distance[worst]:.3f} Å apart, less than "
            f"{SHORTEST_ANG} Å. Repair or drop the structure."
        )


def _labels(raw: Sequence[Atoms], key: str | None) -> list[str]:
    values = [None if key is None else value_of(atoms, key) for atoms in raw]
    return ["all" if key is None else "unlabelled" if value is None else str(value) for value in values]


def _families_and_groups(
    raw: Sequence[Atoms], frames: Sequence[Atoms], key: str | None, names: Sequence[str]
) -> tuple[list[str], list[str]]:
    labels = _labels(raw, key)
    first = first_copies(frames)
    few = max(MANY_LABELS, len(raw) / LARGE_GROUP)
    if len(set(labels)) < few:
        return labels, [names[index] for index in first]
    other = _labels(raw, "config_type" if any("config_type" in atoms.info for atoms in raw) else None)
    families = other if len(set(other)) < few else ["all"] * len(raw)
    groups = [name if label == "unlabelled" else label for name, label in zip(names, labels, strict=True)]
    return families, groups


def _suspicious(frames: Sequence[Atoms], where: Sequence[str], source: str) -> list[str]:
    """Warnings about labels that are finite, yet hardly right.

    Raises:
        DataError: all forces are zero.
    """
    results = [atoms.calc.results for atoms in frames]
    rms = np.array([float(np.sqrt(np.mean(found["forces"] ** 2))) for found in results])
    largest = np.array([float(np.abs(found["forces"]).max()) for found in results])
    net = np.array([float(np.linalg.norm(found["forces"].sum(axis=0))) for found in results])
    stress = np.array([float(np.abs(found.get("stress", np.zeros(6))).max()) for found in results])
    periodic = np.array([bool(atoms.pbc.all()) for atoms in frames])
    if not rms.any():
        raise DataError(f"{source}: all forces are zero. Add the forces, or name them with --forces-key.")
    formula = [Counter(atoms.get_chemical_symbols()) for atoms in frames]
    symbols = sorted({symbol for counts in formula for symbol in counts})
    share = np.array([[counts[symbol] for symbol in symbols] for counts in formula], dtype=np.float64)
    size = share.sum(axis=1, keepdims=True)
    energy = np.array([found["energy"] for found in results]) / size[:, 0]
    far = np.abs(energy - share / size @ np.linalg.lstsq(share / size, energy, rcond=None)[0])
    still = (largest == 0.0) & (size[:, 0] > 1)
    checks = (
        (stress > LARGE_STRESS, f"a stress above {LARGE_STRESS:g} eV/Å³: is it in GPa or kbar?"),
        (largest > LARGE_FORCE, f"a force above {LARGE_FORCE:g} eV/Å: is its unit eV/Å?"),
        (far > FAR_ENERGY_EV, f"an energy {FAR_ENERGY_EV:g} eV/atom away from its composition's: is its unit eV?"),
        (
            periodic & (rms > SMALL_FORCE) & (net > NET_FORCE_SHARE * rms),
            f"a net force above {NET_FORCE_SHARE:.0%} of its rms force, although it is periodic",
        ),
        (still & (still.mean() > 0.5), "forces that are exactly zero, like most structures of the file"),
    )
    return [
        f"{where[int(np.argmax(odd))]} has {what}" + (f" (and {odd.sum() - 1} more)" if odd.sum() > 1 else "")
        for odd, what in checks
        if odd.any()
    ]
