"""The command `pesforge lammps`: a stored potential in, files for LAMMPS out."""

from pathlib import Path

from pesforge.export.lammps.folder import (
    EXAMPLE,
    UNCERTAINTY,
    YACE,
    pair_lines,
    style_lines,
    uncertainty_lines,
    write_lammps,
)
from pesforge.export.lammps.plugin import PLUGIN, build_plugin
from pesforge.export.potential import Potential
from pesforge.export.potential_folder import load_potential, potential_place

INNER = "lammps"
"""Folder of the files, within that of the potential, so that a new fit does not leave old ones behind."""


def export_lammps(folder: Path | str, *, build: bool) -> str:
    """Write the files of a potential for LAMMPS into its folder `lammps`; returns the lines that use them.

    Args:
        folder: folder of a fit or of a potential.
        build: whether the plugin is compiled there as well.

    Raises:
        PesforgeError: there is no potential, it is of another kind, or the plugin cannot be built.
    """
    place = (potential_place(folder) / INNER).resolve()
    potential = load_potential(folder).potential
    notes = write_lammps(place, potential)
    if build:
        build_plugin(place)
    built = (place / PLUGIN).is_file()
    baseline = potential.baseline if isinstance(potential, Potential) else None
    sigma = isinstance(potential, Potential) and potential.posterior is not None
    first = pair_lines(potential.species, place, baseline, sigma=sigma)
    lines = [f"An input to start from: {place / EXAMPLE}", "", *first]
    if sigma:
        lines += ["", "How far atoms are from the training data; without these lines, sigma is not needed:", ""]
        lines += [*uncertainty_lines(100), f"thermo_style custom step temp pe etotal press {UNCERTAINTY}"]
    if not built:
        lines += ["", f"{PLUGIN} is not built yet: add --build on the machine where LAMMPS will run."]
    lines += ["", *(notes or ("A LAMMPS that has ML-PACE runs the same potential without the plugin:", ""))]
    if not notes:
        lines += style_lines("pace", f"{place}/{YACE}", potential.species, baseline)
    if baseline is not None:
        lines += ["", "Both need the lines of `zbl`: the repulsion of nuclei is not in the files."]
    return "\n".join(lines)
