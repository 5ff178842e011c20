"""The low level: its reference settings beside the converged ones, and its labels in a design."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from ase import Atoms

from pesforge.dft.engines import Engine
from pesforge.dft.labelling import check_one_settings
from pesforge.dft.settings import ReferenceSettings
from pesforge.dft.store import LabelStore
from pesforge.errors import DataError
from pesforge.fidelity_settings import LowLevel
from pesforge.fields import FAMILY, ID, LABEL_KEY
from pesforge.representations.arrays import FloatArray
from pesforge.representations.design import Design


def low_settings(high: ReferenceSettings, low: LowLevel, parent: Atoms) -> ReferenceSettings:
    """The reference settings of the low level: the converged ones with coarser numerical parameters.

    Args:
        high: converged settings.
        low: coarser parameters.
        parent: crystal that shows whether the mesh of k-points is smaller.

    Raises:
        DataError: a parameter is tighter than the converged one, or nothing is cheaper.
    """
    tighter = [
        f"fidelity.low.{key} is {getattr(low, key):g}, tighter than the converged {getattr(high, key):g}"
        for key, wrong in (
            ("cutoff_ev", low.cutoff_ev > high.cutoff_ev),
            ("k_spacing_per_ang", low.k_spacing_per_ang < high.k_spacing_per_ang),
            ("scf_tolerance", low.scf_tolerance < high.scf_tolerance),
        )
        if wrong
    ]
    if tighter:
        raise DataError(f"{'; '.join(tighter)}. A low level is nowhere tighter than the high one.")
    settings = replace(
        high, cutoff_ev=low.cutoff_ev, k_spacing_per_ang=low.k_spacing_per_ang, scf_tolerance=low.scf_tolerance
    )
    cell = parent.cell.array
    if settings.cutoff_ev == high.cutoff_ev and prod(settings.mesh(cell)) == prod(high.mesh(cell)):
        raise DataError(
            f"fidelity.low is no cheaper level: cutoff {low.cutoff_ev:g} eV and, on the parent crystal, "
            f"{'×'.join(map(str, high.mesh(cell)))} k-points are those of the converged settings. Lower "
            "`fidelity.low.cutoff_ev` or raise `fidelity.low.k_spacing_per_ang`."
        )
    return settings


def of_families(frames: Sequence[Atoms], families: Sequence[str]) -> list[Atoms]:
    """The structures of some families, in their order; of all where no family is named."""
    return [frame for frame in frames if not families or frame.info[FAMILY] in families]


def relabelled(design: Design, frames: Mapping[str, Atoms]) -> Design:
    """The design with the labels of other calculations of the same structures; stress is NaN where there is none.

    Args:
        design: structures.
        frames: labelled structures by id, at least those of the design.

    Raises:
        DataError: a structure is not the one of the same id in the design, or lacks a stress that the design has.
    """
    energy, forces, stress = [], [], []
    for name, count in zip(design.ids, design.n_atoms, strict=True):
        frame = frames[name]
        if len(frame) != count or frame.calc is None:
            raise DataError(f"the low-level label {name} does not belong to the structure of that name.")
        results = frame.calc.results
        energy.append(float(results["energy"]))
        forces.append(np.ravel(results["forces"]))
        stress.append(np.asarray(results.get("stress", np.full(6, np.nan))))
    found, present = np.concatenate(stress), np.isfinite(design.y_stress)
    if not np.isfinite(found[present]).all():
        raise DataError("a structure has a stress at the high level and none at the low one; label both again.")
    return replace(
        design,
        y_energy=np.array(energy),
        y_forces=np.concatenate(forces),
        y_stress=np.where(present, found, np.nan),
    )


@dataclass(frozen=True)
class Pairs:
    """Structures that have labels of both levels, in one order.

    Args:
        high: design with the labels of the high level.
        low: the same with those of the low level.
        high_frames: labelled structures.
        low_frames: the same with labels of the low level.
    """

    high: Design
    low: Design
    high_frames: list[Atoms]
    low_frames: list[Atoms]


def both_levels(design: Design, high: Sequence[Atoms], low: Sequence[Atoms]) -> Pairs:
    """The structures of a design that have a label of the low level too.

    Args:
        design: structures with labels of the high level.
        high: these structures, labelled.
        low: structures with labels of the low level; others than those of the design are left out.

    Raises:
        DataError: no structure has both, or the labels of both levels have the same settings.
    """
    first, second = by_id(high), by_id(low)
    kept = np.array([name in second for name in design.ids], dtype=np.bool_)
    if not kept.any():
        raise DataError("no structure has labels of both levels; see the failures of `label_low_batch`.")
    if check_one_settings(high) == check_one_settings(low):
        raise DataError("the labels of the low level were made with the settings of the high one.")
    chosen = design.select(kept)
    high_frames, low_frames = ([frames[name] for name in chosen.ids] for frames in (first, second))
    return Pairs(chosen, relabelled(chosen, second), high_frames, low_frames)


def measured_seconds(frames: Sequence[Atoms], store: LabelStore) -> FloatArray:
    """(S,) wall times in s of the calculations that made the labels.

    Args:
        frames: labelled structures that carry their `label_key`.
        store: label store that holds them.

    Raises:
        DataError: a label is not in the store.
    """
    seconds = []
    for frame in frames:
        label = store.get(str(frame.info[LABEL_KEY]).removeprefix("label-"))
        if label is None:
            raise DataError(f"the label of {frame.info[ID]} is not in the store {store.root}; label it again.")
        seconds.append(label.seconds)
    return np.array(seconds)


def estimated_seconds(frames: Sequence[Atoms], engine: Engine, settings: ReferenceSettings) -> FloatArray:
    """(S,) rough times in s that the engine expects for labels of these settings, whatever else a machine does."""
    return np.array([engine.estimate_seconds(frame, settings, settings.mesh_of(frame)) for frame in frames])


def by_id(frames: Sequence[Atoms]) -> dict[str, Atoms]:
    """Structures by their names."""
    return {str(frame.info[ID]): frame for frame in frames}
