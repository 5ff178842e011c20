"""Labelled structures for the benchmarks of acquisition, with what each label costs: published sets and studies.

A source is one of
- the path of an element of mlearn without its ending, such as `mlearn/Si` for `mlearn/Si_training.extxyz` and
  `mlearn/Si_test.extxyz`: the predicted seconds are those of GPAW's law at 520 eV, not what the authors spent;
- a file of labels, `FILE.extxyz` or `FILE.extxyz.xz`, with `:El-El` behind it for the structures of these elements
  alone and `/n` for every n-th structure of each family: the same law;
- the folder of the results of a finished study: structures that passed curation, predicted seconds by the law of its
  engine at its converged settings, measured seconds from its label store and, where it has two levels, the labels and
  seconds of the cheap one.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from scipy.stats import spearmanr

from pesforge.dataset import first_copies, read_dataset
from pesforge.dft.gpaw_engine import GpawEngine
from pesforge.dft.prices import label_seconds
from pesforge.dft.pseudopotentials import settings_from_dict
from pesforge.dft.settings import ReferenceSettings
from pesforge.errors import DataError
from pesforge.fidelity.levels import relabelled
from pesforge.fields import FAMILY, LABEL_KEY
from pesforge.io import read_frames, read_json
from pesforge.learning.choose import of_ids
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import Design, describe

BASES: dict[str, dict[str, Any]] = {
    "small": {"cutoff_ang": 5.2, "max_degree": (11, 9, 6), "l_max": (0, 6, 5), "l_weight": 0.9},
    "large": {"cutoff_ang": 5.2, "max_degree": (12, 13, 11), "l_max": (0, 6, 5), "l_weight": 1.0},
}
"""145 and 581 functions of one element."""
ALLOY_BASIS: dict[str, Any] = {"cutoff_ang": 5.0, "max_degree": (8, 6, 4), "l_max": (0, 4, 2), "l_weight": 1.0}
MOST_FUNCTIONS = 300
"""Degrees of the bases of studies and alloys are lowered until no more functions are left."""
PUBLISHED = ReferenceSettings("gpaw", "PBE", False, 0.0, 520.0, 0.16, 1e-3, 0.05)
"""The law's settings for published sets: the cutoff of mlearn and, about, its 4 × 4 × 4 k-points of large cells."""


@dataclass(frozen=True)
class LabelSet:
    """Structures with their labels, and the seconds of these.

    Args:
        name: of the set.
        design: structures and labels.
        predicted: (S,) seconds of a label by the law, known before it is made.
        measured: (S,) seconds that it took; None where nobody wrote them down.
        low: the structures with the labels of a cheap level, NaN where there is none; None without such a level.
        low_predicted: (S,) the same seconds of the cheap level.
        low_measured: as measured.
    """

    name: str
    design: Design
    predicted: np.ndarray
    measured: np.ndarray | None = None
    low: Design | None = None
    low_predicted: np.ndarray | None = None
    low_measured: np.ndarray | None = None

    def prices(self, by: str) -> np.ndarray:
        """(S,) of a label: 1, its predicted seconds or its measured ones."""
        found = {"labels": np.ones(len(self.design.ids)), "seconds": self.predicted, "measured": self.measured}[by]
        if found is None:
            raise SystemExit(f"{self.name}: nobody measured the seconds of these labels; use --by seconds.")
        return found

    def law(self) -> str:
        """How well the law foretells the seconds, in words; nothing where nobody measured them."""
        if self.measured is None:
            return f"{self.name}: seconds by the law, none measured"
        off = np.log(self.measured / self.predicted)
        order = spearmanr(self.measured, self.predicted).statistic
        return (
            f"{self.name}: {len(off)} labels, {self.measured.sum():.0f} s measured, {self.predicted.sum():.0f} s by "
            f"the law; spread of the logarithm of the ratio {off.std():.2f}, rank correlation {order:.2f}"
        )

    def without(self, families: Sequence[str]) -> "LabelSet":
        """The structures of all other families."""
        kept = np.array([family not in families for family in self.design.families])
        return replace(self.select(kept), name=f"{self.name}-{kept.sum()}") if families else self

    def paired(self) -> "LabelSet":
        """The structures that have labels of both levels."""
        if self.low is None:
            raise SystemExit(f"{self.name} has one level alone.")
        return self.select(np.isfinite(self.low.y_energy))

    def select(self, kept: np.ndarray) -> "LabelSet":
        """The structures of a mask."""
        parts = {key: getattr(self, key) for key in ("predicted", "measured", "low_predicted", "low_measured")}
        chosen = {key: values if values is None else values[kept] for key, values in parts.items()}
        low = None if self.low is None else self.low.select(kept)
        return replace(self, design=self.design.select(kept), low=low, **chosen)


def load(source: str, cache: Path, basis: str = "small", most: int = MOST_FUNCTIONS) -> LabelSet:
    """The set of a source; design matrices of published sets are kept in a folder."""
    path = Path(source)
    if (path / "evidence").is_dir():
        return study(path, most)
    if ".extxyz" in source:
        return alloy(source, cache)
    return mlearn(path, cache, basis)


def _reduction(basis: AceBasis, most: int) -> int:
    """How much the degrees of a basis are lowered, as little as a number of functions allows."""
    tried = range(basis.max_degree[0])
    return next(by for by in tried if basis.subset_mask(by).sum() <= most)


def _law(frames: Sequence[Atoms], settings: ReferenceSettings) -> np.ndarray:
    engine = GpawEngine()
    return np.array([label_seconds(atoms, settings, engine) for atoms in frames])


def _described(name: str, frames: list[Atoms], basis: AceBasis, cache: Path) -> LabelSet:
    """The design of published structures, copies in one group, from the cache where it is there."""
    path = cache / f"{name}.npz"
    if path.exists():
        design = Design.load(path)
    else:
        for atoms, first in zip(frames, first_copies(frames), strict=True):
            atoms.info["group"] = frames[first].info["id"]
        design = describe(frames, basis)
        design.save(path)
    return LabelSet(name, design, _law(frames, PUBLISHED))


def mlearn(path: Path, cache: Path, basis: str) -> LabelSet:
    """All structures of an element, training before test."""
    frames = []
    for split in ("training", "test"):
        for atoms in read_dataset(path.with_name(f"{path.name}_{split}.extxyz")).frames:
            atoms.info["id"] = f"{split}-{atoms.info['id']}"
            frames.append(atoms)
    functions = AceBasis(species=(path.name,), **BASES[basis])
    name = path.name if basis == "small" else f"{path.name}-{basis}"
    return _described(name, frames, functions, cache)


def alloy(source: str, cache: Path) -> LabelSet:
    """Structures of some elements from a file."""
    file, _, wanted = source.partition(":")
    elements, _, every = wanted.partition("/")
    species = tuple(sorted(elements.split("-")))
    counts: Counter[str] = Counter()
    frames = []
    for atoms in read_dataset(Path(file)).frames:
        if set(atoms.symbols) <= set(species):
            counts[atoms.info[FAMILY]] += 1
            if (counts[atoms.info[FAMILY]] - 1) % int(every or 1) == 0:
                frames.append(atoms)
    name = "".join(species) + (f"-{every}" if every else "")
    basis = AceBasis(species=species, **ALLOY_BASIS)
    return _described(name, frames, basis.reduced(_reduction(basis, MOST_FUNCTIONS)), cache)


def _stored_seconds(frames: Sequence[Atoms], store: Path) -> np.ndarray:
    keys = [str(atoms.info[LABEL_KEY]).removeprefix("label-") for atoms in frames]
    records = [json.loads((store / key[:2] / f"{key}.json").read_text(encoding="utf-8")) for key in keys]
    return np.array([record["label"]["seconds"] for record in records])


def study(results: Path, most: int) -> LabelSet:
    """The labels of a finished study."""
    basis = AceBasis.from_dict(read_json(results / "describe" / "basis.json"))
    design = Design.load(results / "curate" / "design.npz").columns(basis.subset_mask(_reduction(basis, most)))
    by_name = {str(atoms.info["id"]): atoms for atoms in read_frames(results / "label" / "labels.extxyz")}
    missing = [name for name in design.ids if name not in by_name]
    if missing:
        raise DataError(f"{results}: {', '.join(missing[:3])} have no label in `label/labels.extxyz`.")
    frames = [by_name[name] for name in design.ids]
    settings = settings_from_dict(read_json(results / "converge" / "settings.json")["settings"])
    found = LabelSet(
        results.name, design, _law(frames, settings), _stored_seconds(frames, results / "store"), None, None, None
    )
    if not (results / "fidelity" / "labels.extxyz").is_file():
        return found
    low_frames = {str(atoms.info["id"]): atoms for atoms in read_frames(results / "fidelity" / "labels.extxyz")}
    both = np.array([name in low_frames for name in design.ids])
    cheap = of_ids(list(low_frames.values()), [name for name in design.ids if name in low_frames])
    low_settings = settings_from_dict(read_json(results / "fidelity" / "settings.json")["settings"])
    columns = {}
    for key, values in (
        ("low_predicted", _law(cheap, low_settings)),
        ("low_measured", _stored_seconds(cheap, results / "store")),
    ):
        columns[key] = np.full(len(design.ids), np.nan)
        columns[key][both] = values
    return replace(found, low=_spread(relabelled(design.select(both), low_frames), design, both), **columns)


def _spread(low: Design, design: Design, both: np.ndarray) -> Design:
    """The design with the labels of `low` where there are some, and NaN elsewhere."""
    energy, forces = np.full_like(design.y_energy, np.nan), np.full_like(design.y_forces, np.nan)
    stress = np.full_like(design.y_stress, np.nan)
    chosen = np.flatnonzero(both)
    energy[chosen], forces[design.force_rows(chosen)] = low.y_energy, low.y_forces
    stress[design.stress_rows(chosen)] = low.y_stress
    return replace(design, y_energy=energy, y_forces=forces, y_stress=stress)
