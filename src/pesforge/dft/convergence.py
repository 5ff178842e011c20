"""Numerical convergence of the reference method, on cells where nothing is zero by symmetry."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.dft.label import Label
from pesforge.dft.pseudopotentials import reference_settings, settings_from_dict
from pesforge.dft.scan import CONFIRMATIONS, Scan, scan
from pesforge.dft.settings import ReferenceSettings
from pesforge.dft.shapes import shapes
from pesforge.errors import DataError, LabelError
from pesforge.fields import REFERENCE_CELL
from pesforge.settings import Converge, ConvergenceTargets, Dft

PARAMETERS = ("scf_tolerance", "cutoff_ev", "smearing_ev", "k_spacing_per_ang")
DECIMALS = 8
Calculate = Callable[..., Label]
NO_SHAPES: Mapping[str, Any] = MappingProxyType({})


def convergence_cells(parent: Atoms, converge: Converge) -> dict[str, Atoms]:
    """Three cells on which the parameters are converged; each carries the parent's cell as `reference_cell`.

    `displaced`: the first atom moved along the body diagonal of the cell, which leaves some symmetry to save time.
    `stretched`: longer along x, with the volume that this gives. `compressed`: shorter in all directions.

    Args:
        parent: parent crystal.
        converge: amplitudes.
    """
    displaced, stretched, compressed = parent.copy(), parent.copy(), parent.copy()
    diagonal = parent.cell.array.sum(axis=0)
    displaced.positions[0] += converge.displacement_ang * diagonal / np.linalg.norm(diagonal)
    stretched.set_cell(parent.cell.array @ np.diag([1 + converge.strain, 1, 1]), scale_atoms=True)
    compressed.set_cell(parent.cell.array * (1 - converge.strain), scale_atoms=True)
    cells = {"displaced": displaced, "stretched": stretched, "compressed": compressed}
    for cell in cells.values():
        cell.positions = np.round(cell.positions, DECIMALS)
        cell.info = {REFERENCE_CELL: parent.cell.array.copy()}
    return cells


def distinct_spacings(values: Sequence[float], parent: Atoms, settings: ReferenceSettings) -> tuple[float, ...]:
    """The k-point spacings of a grid that give different meshes for the parent, the loosest of each mesh.

    Two spacings with one mesh would agree without having been tested.

    Args:
        values: spacings in 1/Å, falling.
        parent: parent crystal.
        settings: any reference settings; only the spacing is replaced.
    """
    kept: dict[tuple[int, ...], float] = {}
    for value in values:
        kept.setdefault(_with(settings, "k_spacing_per_ang", value).mesh(parent.cell.array), value)
    return tuple(kept.values())


def scanned_parameters(converge: Converge) -> tuple[str, ...]:
    """The parameters that are scanned: those whose grid is not empty."""
    return tuple(name for name in PARAMETERS if getattr(converge, name))


def held_settings(parameter: str, dft: Dft, converge: Converge) -> ReferenceSettings:
    """The settings at which the other parameters stand while one is scanned.

    Errors of the parameters are nearly independent of each other, so the others stay cheap, and the scans can run side
    by side: the cutoff at its loosest value, the k-point spacing at its second, the SCF tolerance at its second
    tightest, which must not blur the others. Smearing and mesh do depend on each other: the smearing is scanned at the
    middle spacing, and the mesh at the narrowest smearing that can be chosen, because narrower needs finer meshes.

    Energies are free energies E − TS of electrons at the width, whose gradients the forces are. Their entropy, −(π²/6)
    g σ² with the density of states g at the Fermi level, is 0.03 eV/atom in aluminium at 0.2 eV and nearly the same in
    all cells; what the scan of the width sees is how far it differs between volumes and shapes, in energies, forces and
    stress alike. A mesh that is too coarse for the narrow widths shows as a scan that does not converge.

    Args:
        parameter: scanned parameter.
        dft: reference method.
        converge: grids.
    """
    spacings = converge.k_spacing_per_ang
    widths = converge.smearing_ev
    return reference_settings(
        dft,
        cutoff_ev=float(converge.cutoff_ev[0]),
        k_spacing_per_ang=float(spacings[len(spacings) // 2] if parameter == "smearing_ev" else spacings[1]),
        scf_tolerance=float(converge.scf_tolerance[-2]),
        smearing_ev=float(widths[-1 - CONFIRMATIONS] if widths else dft.smearing_ev),
    )


def scan_parameter(
    parameter: str,
    parent: Atoms,
    *,
    dft: Dft,
    converge: Converge,
    calculate: Calculate,
    other_shapes: Mapping[str, Any] = NO_SHAPES,
    on_progress: Callable[[float, str], None] | None = None,
) -> Scan:
    """The scan of one parameter on the convergence cells, and on the perfect parent in cells of other shape.

    Args:
        parameter: one of `scanned_parameters`.
        parent: parent crystal.
        dft: reference method.
        converge: grids, targets and amplitudes.
        calculate: gives the label of a structure at some settings, and with the keyword `mesh` at a mesh of its own.
        other_shapes: cells of `pesforge.dft.shapes.other_shapes`, for the k-point spacing.
        on_progress: called before each calculation with the value and the name of the cell.

    Raises:
        ConvergenceError: no value of the grid is converged.
        LabelError: a calculation failed.
    """
    cells, crystals = convergence_cells(parent, converge), shapes(parent, other_shapes)
    held = held_settings(parameter, dft, converge)
    values = getattr(converge, parameter)
    if parameter == "k_spacing_per_ang":
        values = distinct_spacings(values, parent, held)

    def evaluate(value: float, name: str) -> Label:
        if on_progress is not None:
            on_progress(value, name)
        settings = _with(held, parameter, value)
        try:
            if name in crystals:
                return calculate(crystals[name].atoms, settings, mesh=crystals[name].mesh(settings))
            return calculate(cells[name], settings)
        except LabelError as error:
            raise LabelError(
                error.reason,
                f"converge.{parameter} at {value:g}, {name} cell: {error} If this value is too loose for the material, "
                f"remove it from `converge.{parameter}`.",
            ) from error

    return scan(parameter, values, evaluate, cells=tuple(cells), targets=converge.targets, shapes=tuple(crystals))


def combine(scans: Mapping[str, Scan], dft: Dft) -> ReferenceSettings:
    """The settings of every label: the chosen value of each scan, and the method.

    Args:
        scans: scan of every parameter.
        dft: reference method; its smearing is used when none was scanned.

    Raises:
        DataError: the scan of a parameter is missing.
    """
    missing = [name for name in PARAMETERS if name not in scans and name != "smearing_ev"]
    if missing:
        raise DataError(f"convergence scans of {', '.join(missing)} are missing; run the stage `converge` again.")
    return reference_settings(
        dft,
        cutoff_ev=scans["cutoff_ev"].chosen,
        k_spacing_per_ang=scans["k_spacing_per_ang"].chosen,
        scf_tolerance=scans["scf_tolerance"].chosen,
        smearing_ev=scans["smearing_ev"].chosen if "smearing_ev" in scans else float(dft.smearing_ev),
    )


def convergence_evidence(
    settings: ReferenceSettings, scans: Mapping[str, Scan], targets: ConvergenceTargets
) -> dict[str, Any]:
    """Evidence of the stage: settings, their hash, targets, and the scans in the order of `PARAMETERS`.

    Args:
        settings: converged settings.
        scans: scan of every parameter.
        targets: largest allowed changes.
    """
    return {
        "settings": settings.to_dict(),
        "settings_hash": settings.hash,
        "targets": targets.model_dump(),
        "scans": [scans[name].to_dict() for name in PARAMETERS if name in scans],
    }


def _with(settings: ReferenceSettings, parameter: str, value: float) -> ReferenceSettings:
    return settings_from_dict(settings.to_dict() | {parameter: float(value)})
