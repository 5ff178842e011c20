"""Running potentials in LAMMPS: our own pair style as a plugin, its files, and how to start LAMMPS from Python."""

from pesforge.export.lammps.ace_file import leverage_terms, write_ace_file
from pesforge.export.lammps.folder import UNCERTAINTY, pair_lines, uncertainty_lines, write_lammps
from pesforge.export.lammps.plugin import PLUGIN, build_plugin, import_lammps

__all__ = [
    "PLUGIN",
    "UNCERTAINTY",
    "build_plugin",
    "import_lammps",
    "leverage_terms",
    "pair_lines",
    "uncertainty_lines",
    "write_ace_file",
    "write_lammps",
]
