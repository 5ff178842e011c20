"""The perfect parent in cells of other shape, whose energies per atom show the k-point error between families.

Slabs, faults, supercells, wide cells and other phases have meshes of their own, so that their energies against the
parent carry a k-point error that no refinement of the parent's own cell shows. One crystal has one energy per atom in
any cell: what differs between the cells here is that error. A competing crystal of another structure has no such
identity; its error is not measured, only bounded by the same spacing of k-points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.dft.label import Label
from pesforge.dft.settings import Mesh, ReferenceSettings
from pesforge.family_settings import Family, Sample
from pesforge.fields import REFERENCE_CELL
from pesforge.sampling.lattice_planes import block, plane_cell, standard_cell
from pesforge.sampling.wide_cell import wide_cell

PARENT = "parent"
PRIMITIVE = "primitive"
LAYERS = 3
"""Most lattice planes of a block; fewer where it would hold more atoms than the parent, and cost more."""
DECIMALS = 8
ONE = (1, 1, 1)


@dataclass(frozen=True)
class Shape:
    """The perfect crystal in some cell.

    Args:
        atoms: the cell.
        supercell: repetitions of it that decide the mesh. The mesh m of a supercell and the mesh m × repetitions of
            its unit hold the same k-points (both are centred on Γ), so that the unit gives its energy per atom.
    """

    atoms: Atoms
    supercell: tuple[int, int, int] = ONE

    def mesh(self, settings: ReferenceSettings) -> Mesh:
        """Numbers of k-points of the unit.

        Args:
            settings: reference settings.
        """
        times = np.array(self.supercell)
        first, second, third = times * settings.mesh(self.atoms.cell.array * times[:, None])
        return int(first), int(second), int(third)


def other_shapes(sample: Sample) -> dict[str, Any]:
    """The cells that the families of a study have beside the parent's, as builtin types; empty where there are none.

    `planes`: the first plane of the surfaces and of the stacking faults. `supercells`: repetitions of the parent.
    `widths`: widths in Å of the cells of `wide`. `primitive`: whether there is more than those, so that energies are
    compared with cells that may be as small as the primitive one.

    Args:
        sample: families.
    """
    sections = [getattr(sample, name) for name in type(sample).model_fields]
    families = [section for section in sections if isinstance(section, Family)]
    planes = [sample.surface.planes[0].hkl] if sample.surface else []
    planes += [sample.stacking_fault.lines[0].hkl] if sample.stacking_fault else []
    repeats = [tuple(getattr(family, "supercell", ONE)) for family in families]
    supercells = [repeat for repeat in dict.fromkeys(repeats) if repeat != ONE]
    widths = [sample.wide.width_ang] if sample.wide else []
    primitive = bool(planes or supercells or sample.phase)
    if not (primitive or widths):
        return {}
    return {
        "planes": [list(plane) for plane in dict.fromkeys(planes)],
        "supercells": [list(repeat) for repeat in supercells],
        "widths": widths,
        "primitive": primitive,
    }


def shapes(parent: Atoms, other: Mapping[str, Any]) -> dict[str, Shape]:
    """The perfect crystal in the parent's cell and in other ones, by name; empty where there are no others.

    The primitive cell is left out where it is the parent's own.

    Args:
        parent: parent crystal.
        other: what `other_shapes` found.

    Raises:
        DataError: spglib finds no lattice in the parent, or no cell is as wide as wanted.
    """
    if not other:
        return {}
    found = {PARENT: Shape(_perfect(parent))}
    primitive = standard_cell(parent, to_primitive=True)
    if other["primitive"] and len(primitive) < len(parent):
        found[PRIMITIVE] = Shape(_perfect(primitive))
    for a, b, c in other["supercells"]:
        found[f"supercell {a}×{b}×{c}"] = Shape(_perfect(parent), (a, b, c))
    for width in other["widths"]:
        found[f"{width:g} Å wide"] = Shape(_perfect(wide_cell(parent, width)))
    for plane in other["planes"]:
        first, second, third = plane
        cell = plane_cell(parent, (first, second, third))
        layers = max(1, min(LAYERS, len(parent) // len(primitive)))
        found[f"block ({first} {second} {third})"] = Shape(_perfect(block(cell, 0, layers)))
    return found if len(found) > 1 else {}


def spread(labels: Mapping[str, Label], names: Sequence[str]) -> float:
    """Largest difference of the energy per atom between shapes in meV; 0 where there are none.

    Args:
        labels: label of every cell that was computed.
        names: names of the shapes.
    """
    energies = list(_energies(labels, names).values())
    return float(np.ptp(energies)) if energies else 0.0


def shape_rows(
    values: Sequence[float], labels: Sequence[Mapping[str, Label]], names: Sequence[str]
) -> list[dict[str, Any]]:
    """One row per shape of every value that it was computed at: its energy per atom above that of the first shape.

    Args:
        values: values of the scanned parameter.
        labels: label of every cell at each of them.
        names: names of the shapes.
    """
    rows = []
    for value, found in zip(values, labels, strict=True):
        energies = _energies(found, names)
        rows += [
            {"value": value, "cell": name, "energy_above_first_mev_per_atom": energy - energies[names[0]]}
            for name, energy in energies.items()
        ]
    return rows


def _energies(labels: Mapping[str, Label], names: Sequence[str]) -> dict[str, float]:
    """Energy per atom in meV of the shapes that were computed."""
    return {name: 1e3 * labels[name].energy / len(labels[name].forces) for name in names if name in labels}


def _perfect(cell: Atoms) -> Atoms:
    """A bare copy that carries its own cell as `reference_cell`."""
    atoms = Atoms(cell.symbols, positions=np.round(cell.positions, DECIMALS), cell=cell.cell, pbc=True)
    atoms.info = {REFERENCE_CELL: cell.cell.array.copy()}
    return atoms
