"""Calculations that a study makes anyway at its converged settings, as structures to train on: they cost nothing.

These are the cells of the check of derivatives with their finite-difference neighbours, the perfect parent, and the
displaced cells of k_eff. What a check of the potential compares with never trains it: no cell of the equation of state
and of the elastic constants, so that the parent is left out where an odd number of volumes holds it; and the cells of
k_eff only where the primitive cell holds one atom, because of other crystals they give the optical phonon and the
relaxation inside the elastic constants.
"""

from typing import Any

from ase import Atoms

from pesforge.dft.consistency import check_cells, slopes
from pesforge.sampling.lattice_planes import standard_cell
from pesforge.settings import Study
from pesforge.structure import to_plain
from pesforge.validation.phonon import displacements


def shared_cells(parent: Atoms, study: Study) -> list[dict[str, Any]]:
    """The cells as builtin types of `to_plain`, each with its `name` and the `group` that no split may separate.

    How many there are follows from the settings and the symmetry of the parent. A cell and its neighbours are one
    group; so are the parent and the cells of k_eff. Cells come first that differ most.

    Args:
        parent: parent crystal.
        study: settings of amplitudes and of the equation of state.
    """
    centres, neighbours = [], []
    for name, cell in check_cells(parent, study.converge).items():
        group = name.replace(" ", "_")
        centres.append((group, group, cell))
        for slope in slopes(cell):
            neighbours += [
                (f"{group}-{slope.quantity}-{sign}", group, atoms)
                for sign, atoms in (("low", slope.low), ("high", slope.high))
            ]
    parents = [] if study.validate_.eos_points % 2 else [("parent", "parent", parent)]
    if len(standard_cell(parent, to_primitive=True)) == 1:
        moved = displacements(parent, study.sample.stiffness_displacement_ang)
        parents += [(f"stiffness-{number}", "parent", atoms) for number, atoms in enumerate(moved)]
    return [
        {"name": name, "group": group, **to_plain(atoms)} for name, group, atoms in [*centres, *parents, *neighbours]
    ]
