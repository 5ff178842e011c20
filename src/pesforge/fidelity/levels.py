"""The low level: its reference settings beside the converged ones, and its labels in a design."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np
from ase import Atoms

from pesforge.dft.settings import ReferenceSettings
from pesforge.errors import DataError
from pesforge.fidelity_settings import LowLevel
from pesforge.fields import FAMILY, ID
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


def by_id(frames: Sequence[Atoms]) -> dict[str, Atoms]:
    """Structures by their names."""
    return {str(frame.info[ID]): frame for frame in frames}
