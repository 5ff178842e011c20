"""The hierarchy of functional forms on one data set: test error against cost, with the Cauchy relation beside it.

Usage: OMP_NUM_THREADS=1 .venv/bin/python benchmarks/hierarchy.py TRAIN.extxyz TEST.extxyz --out DIR
           --prototype fcc --lattice 3.62 [--models pair eam ace] [--reference C11 C12 C44]

Fits every form that `pesforge fit --model` knows into DIR/<model>; a fit that is there is kept. Writes
`hierarchy.csv` and `hierarchy.svg`. Cost is CPU time of energy, forces and stress on the largest test structure, the
least of repeated runs on one core. Elastic constants are those of the perfect crystal at the form's own equilibrium.
At zero pressure central forces between atoms that are all centres of inversion give C12 = C44 (Born and Huang,
Dynamical Theory of Crystal Lattices, 1954).
"""

import argparse
import csv
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from pesforge import load_potential
from pesforge.dataset import read_dataset
from pesforge.errors import DataError
from pesforge.fitting import FitSettings
from pesforge.fitting.commands import METRICS, save_fit
from pesforge.fitting.models import FITTERS
from pesforge.io import read_json
from pesforge.report import svg
from pesforge.validation.eos import fit_eos, volume_cells
from pesforge.validation.properties import (
    at_equilibrium,
    evaluate,
    named_constants,
    phonon_thz,
    relaxed_elastic_tensor,
)

REPEATS = 20
VOLUMES, LINEAR_STRAIN = 13, 0.06
STRAIN, DISPLACEMENT_ANG = 0.002, 0.01
Row = dict[str, Any]


def microseconds_per_atom(potential: Any, atoms: Atoms) -> float:
    """CPU time of one evaluation per atom, the least of several."""
    potential.evaluate(atoms)
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        potential.evaluate(atoms)
        times.append(time.process_time() - started)
    return 1e6 * min(times) / len(atoms)


def crystal(calculator: Any, parent: Atoms) -> Row:
    """Lattice constant (Å) and elastic constants (GPa) at the equilibrium of a potential; empty where it has none."""
    cells = volume_cells(parent, VOLUMES, LINEAR_STRAIN)
    energies = [found["energy"] for found in evaluate(calculator, cells)]
    try:
        fit = fit_eos(parent, [cell.get_volume() for cell in cells], energies)
    except DataError:
        return {}
    equilibrium = at_equilibrium(parent, fit)
    phi = phonon_thz(calculator, equilibrium, DISPLACEMENT_ANG)[1]
    constants = named_constants(relaxed_elastic_tensor(calculator, equilibrium, STRAIN, phi), equilibrium)
    found = {f"{name.lower()}_gpa": value for name, value in constants.items()}
    return {"lattice_ang": float(equilibrium.cell.lengths()[0]), **found}


def measure(name: str, train: Path, test: Path, out: Path, parent: Atoms) -> Row:
    """One row of the table."""
    testing = read_dataset(test).frames
    if not (out / name / METRICS).is_file():
        training = read_dataset(train)
        fitter = FITTERS[name]
        result = fitter(training.frames, testing, FitSettings(), say=_say, warnings=training.warnings)
        save_fit(out / name, result)
    metrics = read_json(out / name / METRICS)
    calculator = load_potential(out / name)
    largest = max(testing, key=len)
    kept = metrics.get("test_without_copies", metrics["test"])
    return {
        "model": name,
        "parameters": metrics["n_functions"],
        "fit_seconds": metrics["fit_seconds"],
        "microseconds_per_atom": microseconds_per_atom(calculator.potential, largest),
        **{f"test_{key}": metrics["test"][key] for key in ("energy_mae_mev_per_atom", "force_mae_ev_per_ang")},
        **{f"new_{key}": kept[key] for key in ("energy_mae_mev_per_atom", "force_mae_ev_per_ang")},
        **crystal(calculator, parent),
    }


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def draw(rows: Sequence[Row], reference: Sequence[float] | None, title: str) -> Figure:
    """Error against cost, and C12 against C44."""
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    FigureCanvasSVG(figure)
    left, middle, right = figure.subplots(1, 3)
    columns = (
        ("test_force_mae_ev_per_ang", "force MAE (eV/Å)"),
        ("test_energy_mae_mev_per_atom", "energy MAE (meV/atom)"),
    )
    for axes, (key, label) in zip((left, middle), columns, strict=True):
        for number, row in enumerate(rows):
            style = {"marker": svg.MARKERS[number % 6], "color": svg.SERIES[number % 6]}
            axes.plot(row["microseconds_per_atom"], row[key], linestyle="none", label=row["model"], **style)
        axes.margins(0.2)
        axes.set(xlabel="cost (µs per atom)", ylabel=label)
        for which, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
            svg.log_axis(axes, which)
            axis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0)))
    for number, row in enumerate(rows):
        if "c44_gpa" in row:
            style = {"marker": svg.MARKERS[number % 6], "color": svg.SERIES[number % 6]}
            right.plot(row["c44_gpa"], row["c12_gpa"], linestyle="none", **style)
    values = [row[key] for row in rows for key in ("c12_gpa", "c44_gpa") if key in row]
    if reference is not None:
        right.plot(reference[2], reference[1], "x", color=svg.INK, label="reference", linestyle="none")
        values += reference[1:]
    span = np.array([min(values) - 10, max(values) + 10]) if values else np.array([0.0, 1.0])
    right.plot(span, span, "--", color=svg.MUTED, linewidth=1.0, label="C₁₂ = C₄₄")
    right.set(xlabel="C₄₄ (GPa)", ylabel="C₁₂ (GPa)", xlim=span, ylim=span, aspect="equal")
    handles, labels = left.get_legend_handles_labels()
    more = right.get_legend_handles_labels()
    figure.legend(handles + more[0], labels + more[1], loc="outside lower center", ncols=6)
    figure.suptitle(title, fontsize=9)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--prototype", required=True, help="cubic crystal of one element by ASE's name: fcc, bcc, diamond"
    )
    parser.add_argument("--lattice", type=float, required=True, help="about its lattice constant in Å")
    parser.add_argument("--models", nargs="+", choices=list(FITTERS), default=list(FITTERS))
    parser.add_argument("--reference", nargs=3, type=float, metavar="GPA", help="C11 C12 C44 of the reference method")
    arguments = parser.parse_args()
    symbol = read_dataset(arguments.test).frames[0].get_chemical_symbols()[0]
    parent = bulk(symbol, arguments.prototype, a=arguments.lattice, cubic=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = [measure(name, arguments.train, arguments.test, arguments.out, parent) for name in arguments.models]
    keys = list(dict.fromkeys(key for row in rows for key in row))
    with (arguments.out / "hierarchy.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, keys, restval="")
        writer.writeheader()
        writer.writerows(rows)
    with svg.drawing("hierarchy"):
        figure = draw(rows, arguments.reference, f"{symbol}, {arguments.prototype}: {arguments.test.name}")
        figure.savefig(arguments.out / "hierarchy.svg")
    for row in rows:
        print("  ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
