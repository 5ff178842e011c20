"""Representations side by side: energies of structures by kernel ridge regression, every group left out.

All have the same kernel, centres, grid and data; only the numbers that describe a structure differ. The kernel between
two structures is exp(−d²/2L²) of the distance between their vectors, those of atoms averaged; L is a multiple of the
median distance. Length and ridge are those with the lowest error left out, from the same grid for all, so that all
are flattered alike. Energies are per atom, and the energy of every element is free. Forces are not fitted: only the
cluster expansion has derivatives here. × is the error over that of the cluster expansion, ± its standard error by the
jackknife over groups.

Usage: OMP_NUM_THREADS=1 .venv/bin/python benchmarks/representations.py results/default [results/silicon …] --out DIR
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from matplotlib.figure import Figure

from pesforge.fields import GROUP
from pesforge.io import read_frames
from pesforge.metrics import Residuals, errors, paired_changes, standard_errors
from pesforge.report import svg
from pesforge.report.text import plus_minus
from pesforge.representations.ace import AceBasis
from pesforge.representations.crystal_graph import CrystalGraph
from pesforge.representations.directional import DirectionalLayer
from pesforge.representations.soap import Soap
from pesforge.representations.structure_factor import StructureFactor

CUTOFF_ANG = 5.0
LENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0)
"""Multiples of the median distance of two structures."""
RIDGES = (1e-11, 1e-10, 1e-9, 1e-8, 1e-6, 1e-4, 1e-2)
FREE = 10.0
"""Times the product of compositions, added to every kernel, so that an energy for each element is free."""
BINS = 64

Vector = np.ndarray
Represent = Callable[[Atoms], Vector]


def distances_of(atoms: Atoms) -> Vector:
    """Smeared histogram of the distances of the crystal graph, per atom: what a graph without angles knows at first."""
    graph = CrystalGraph.of(atoms, CUTOFF_ANG)
    centres = np.linspace(1.0, CUTOFF_ANG, BINS)
    width = centres[1] - centres[0]
    return np.exp(-(((graph.distance[:, None] - centres) / width) ** 2) / 2).sum(axis=0) / len(atoms)


def representations(species: tuple[str, ...]) -> dict[str, Represent]:
    """The vectors of a structure by name; the others are compared with the first."""
    soap, factor = Soap(species, CUTOFF_ANG), StructureFactor(species, q_max_per_ang=12.0, points=64)
    angular, plain = (DirectionalLayer(species, CUTOFF_ANG, l_max=l_max) for l_max in (4, -1))
    ace = AceBasis(species, CUTOFF_ANG, (10, 12, 10), (0, 5, 4))
    return {
        "ACE": lambda atoms: ace.rows(atoms)[0] / len(atoms),
        "structure factor": factor.structure,
        "distances of the graph": distances_of,
        "messages without angles": lambda atoms: plain.atoms(atoms).mean(axis=0),
        "directional messages": lambda atoms: angular.atoms(atoms).mean(axis=0),
        "SOAP": lambda atoms: soap.atoms(atoms).mean(axis=0),
    }


def left_out(kernel: Vector, energies: Vector, groups: Sequence[str], ridge: float) -> Vector:
    """Prediction minus label of every structure by the fit without its group: e_g = −(H⁻¹)_gg⁻¹ (H⁻¹ y)_g.

    Args:
        kernel: (S, S).
        energies: (S,).
        groups: (S,).
        ridge: added to the diagonal.
    """
    inverse = np.linalg.inv(kernel + ridge * np.eye(len(kernel)))
    weights, names, found = inverse @ energies, np.array(groups), np.empty(len(energies))
    for group in dict.fromkeys(groups):
        own = np.flatnonzero(names == group)
        found[own] = -np.linalg.solve(inverse[np.ix_(own, own)], weights[own])
    return found


def judge(vectors: Vector, frames: Sequence[Atoms]) -> tuple[dict[str, float], Residuals]:
    """Lowest error left out over the grid in meV/atom, its standard error and where it is; and the residuals there.

    Args:
        vectors: (S, F).
        frames: labelled structures (S).
    """
    energies = np.array([atoms.get_potential_energy() / len(atoms) for atoms in frames])
    groups, sizes = [str(atoms.info[GROUP]) for atoms in frames], np.array([len(atoms) for atoms in frames])
    elements = sorted({number for atoms in frames for number in atoms.numbers})
    composition = np.array([[np.mean(atoms.numbers == number) for number in elements] for atoms in frames])
    unlabelled = np.full(6 * len(frames), np.nan), np.full(3 * sizes.sum(), np.nan)
    scaled = vectors - vectors.mean(axis=0)
    squares = np.array([((scaled - row) ** 2).sum(axis=1) for row in scaled])
    median = np.median(squares[np.triu_indices(len(frames), 1)])
    rows = []
    for length in LENGTHS:
        kernel = np.exp(-squares / (2 * length**2 * median)) + FREE * composition @ composition.T
        for ridge in RIDGES:
            found = left_out(kernel, energies - energies.mean(), groups, ridge)
            residuals = Residuals(found, unlabelled[1], unlabelled[0], sizes)
            error = errors(residuals)["energy_rmse_mev_per_atom"]
            rows.append(({"error": error, "length": length, "ridge": ridge}, residuals))
    best, residuals = min(rows, key=lambda row: row[0]["error"])
    return best | {"se": standard_errors(residuals, groups)["energy_rmse_se_mev_per_atom"]}, residuals


def draw(table: dict[str, dict[str, dict[str, float]]], path: Path) -> None:
    """Errors with their standard errors, a panel for each study."""
    lines = -(-len(table) // 2)
    figure = Figure(figsize=(4.1 * min(len(table), 2), 2.2 * lines), layout="constrained")
    panels = figure.subplots(lines, min(len(table), 2), squeeze=False, sharey=True).ravel()
    for panel, (study, rows) in zip(panels, table.items(), strict=False):
        found, spread = ([row[key] for row in rows.values()] for key in ("error", "se"))
        panel.errorbar(found, range(len(rows)), xerr=spread, fmt="o", capsize=3, color=svg.BLUE)
        panel.set_yticks(range(len(rows)), list(rows))
        svg.log_axis(panel, "x")
        panel.set_xlabel("energy error left out by group (meV/atom)")
        panel.set_title(study)
    for panel in panels[len(table) :]:
        panel.remove()
    figure.savefig(path)


def compared(frames: Sequence[Atoms]) -> dict[str, dict[str, float]]:
    """Errors of all representations on the structures of a study; prints a line of the table for each."""
    species = tuple(sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()}))
    groups = [str(atoms.info[GROUP]) for atoms in frames]
    table: dict[str, dict[str, float]] = {}
    base: Residuals | None = None
    for name, represent in representations(species).items():
        begun = time.process_time()
        vectors = np.array([represent(atoms) for atoms in frames])
        seconds = time.process_time() - begun
        row, residuals = judge(vectors, frames)
        base = base or residuals
        change = paired_changes(base, residuals, groups)
        table[name] = row
        factor = plus_minus(change["energy_rmse_factor"], change["energy_rmse_factor_se"])
        print(
            f"| {name} | {vectors.shape[1]} | {plus_minus(row['error'], row['se'])} | {factor} | {row['length']:g} | "
            f"{row['ridge']:g} | {seconds:.2f} |",
            flush=True,
        )
    return table


def main() -> None:
    """Print the table and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="+", type=Path, help="folders of finished studies")
    parser.add_argument("--families", nargs="*", default=[], help="families that take part; none: all")
    parser.add_argument("--out", type=Path, required=True, help="folder of the figure")
    given = parser.parse_args()
    table: dict[str, dict[str, dict[str, float]]] = {}
    for folder in given.studies:
        frames = [
            atoms
            for atoms in read_frames(folder / "curate" / "curated.extxyz")
            if atoms.pbc.all() and (not given.families or atoms.info["family"] in given.families)
        ]
        print(f"{folder.name}: {len(frames)} structures, {len({atoms.info[GROUP] for atoms in frames})} groups")
        table[folder.name] = compared(frames)
    given.out.mkdir(parents=True, exist_ok=True)
    with svg.drawing("representations"):
        draw(table, given.out / "representations.svg")


if __name__ == "__main__":
    main()
