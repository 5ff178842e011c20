"""Reg-M with and without: smoothness of the surface, label noise that gets through, dependence on the force weight.

A linear potential of few functions is fitted once to each training set; a head of 2 × 16 neurons learns what it leaves,
by the trainer of the library, at force weights λ_F over a factor of 100, without Reg-M and with several λ_M, widths and
mollifiers, on small and large training sets. Every seed has another split, another head and other noise. Runs are kept
in DIR/runs and not repeated.

Usage: OMP_NUM_THREADS=1 .venv/bin/python benchmarks/smoothness.py TRAIN.extxyz TEST.extxyz --out DIR
           [--seeds 4] [--sizes 16 48] [--draws 4] [--page-only]

Writes `smoothness.csv` and `smoothness.html`. Roughness is rms |F(r) - <F(r + ξ)>| over four antithetic pairs of normal
displacements ξ of 0.05 Å of every third test structure, the same for all: what a surface changes on that length. DFT
forces at r + ξ are not published; in their place stands a linear potential of all functions, fitted to all training and
test labels together. A perfectly flat surface has no roughness, so its distance from that of the reference,
rms |rough - rough of the reference|, stands beside it.
"""

import argparse
import csv
import tempfile
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from smoothness_page import write_page

from pesforge.dataset import read_dataset
from pesforge.io import read_json, write_json
from pesforge.metrics import Residuals, errors
from pesforge.potentials.linear import LinearProblem, predict, residuals
from pesforge.potentials.normal import Weights
from pesforge.provenance import derive_seed, digest
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import Design, describe
from pesforge.representations.principal import principal_projections
from pesforge.representations.projections import ProjectionSet, project_all
from pesforge.settings import Crossvalidate
from pesforge.training.compose import compose
from pesforge.training.data import Targets
from pesforge.training.run import train_run
from pesforge.training.stages import Split, fit_linear, head_labels, with_linear_column

CONFIG = Path(__file__).parents[1] / "config" / "train"
CUTOFF_ANG, DEGREES, L_MAX, PROJECTIONS = 4.5, (10, 10, 8), (0, 4, 3), 10
LINEAR_DEGREE = 2
"""The linear potential below the head has the pair functions up to this degree alone, so that the head has to learn."""
MODEL, ALPHA, WEIGHTS = Crossvalidate(prior_power=2.0), 1e-5, Weights(400.0, 1.0, 0.0)
FORCE_WEIGHTS, LAMBDAS = (0.1, 1.0, 10.0), (0.0, 0.02, 0.2, 2.0)
OTHERS = ((0.2, "gaussian", 0.01), (0.2, "gaussian", 0.2), (0.2, "bump", 0.12))
NOISE_EV_PER_ANG = 0.2
PROBE_EVERY, PAIRS, PROBE_ANG = 3, 4, 0.05
Array = np.ndarray


@dataclass(frozen=True)
class Run:
    """What decides a run; `draw` is the number of a draw of label noise, 0 for labels as they are."""

    size: int
    seed: int
    w_force: float
    lambda_m: float
    kernel: str = "gaussian"
    width_ang: float = 0.05
    draw: int = 0


@dataclass(frozen=True)
class Material:
    """What all runs share: structures of the training file, of the test file, and probes, whose labels are zero."""

    design: Design
    projections: ProjectionSet
    n_train: int
    n_test: int
    reference: Array
    """Forces of the reference surface on the probes."""


def probes_of(frames: list[Atoms]) -> list[Atoms]:
    """Structures without labels, each followed by its 2 PAIRS displaced copies."""
    rng, found = np.random.default_rng(5), []
    for atoms in frames:
        moves = PROBE_ANG * rng.normal(size=(PAIRS, len(atoms), 3))
        for move in (np.zeros((len(atoms), 3)), *moves, *-moves):
            found.append(Atoms(atoms.numbers, positions=atoms.positions + move, cell=atoms.cell, pbc=atoms.pbc))
    return found


def material(train: Path, test: Path) -> Material:
    """Descriptors of everything, and forces of the reference surface on the probes."""
    training, held_out = (list(read_dataset(path).frames) for path in (train, test))
    every = [*training, *held_out, *probes_of(held_out[::PROBE_EVERY])]
    species = tuple(sorted({symbol for atoms in training for symbol in atoms.get_chemical_symbols()}))
    basis = AceBasis(species, CUTOFF_ANG, DEGREES, L_MAX)
    design, number = describe(every, basis), len(training) + len(held_out)
    problem = LinearProblem(design.select(np.arange(number)), prior_power=MODEL.prior_power)
    reference = problem.fit(WEIGHTS, ALPHA)
    seen = errors(residuals(problem.design, reference))
    print(f"{basis.n_functions} functions; reference off by {seen['force_rmse_ev_per_ang']:.3f} eV/Å on its own labels")
    matrix = principal_projections(training, basis, problem.scale[: basis.n_functions], PROJECTIONS)
    labels = {"y_energy": design.y_energy, "y_forces": design.y_forces}
    return Material(
        replace(design, **{name: np.nan_to_num(values) for name, values in labels.items()}),
        with_linear_column(project_all(every, basis, matrix)),
        len(training),
        len(held_out),
        predict(design.select(np.arange(number, len(every))), reference).forces,
    )


def split_of(given: Material, run: Run) -> tuple[Array, Split]:
    """Structures that take part, and which of them train, stop and judge.

    Whole groups of the training file in random order: the first to train, a quarter as many structures to stop.
    """
    groups = np.array(given.design.groups[: given.n_train])
    names = np.random.default_rng(run.seed).permutation(np.unique(groups))
    order = np.concatenate([np.flatnonzero(groups == name) for name in names])
    train, rest = order[: run.size], order[run.size :]
    stop = rest[~np.isin(groups[rest], groups[train])][: run.size // 4]
    part = np.concatenate([train, stop, np.arange(given.n_train, len(given.design.ids))])
    return part, Split(*np.split(np.arange(len(part)), [len(train), len(train) + len(stop)]))


def noisy(given: Material, run: Run) -> Design:
    """The design with the noise of a draw on the force labels of the training file."""
    forces = given.design.y_forces.copy()
    if run.draw:
        rows = 3 * given.design.offsets[given.n_train]
        forces[:rows] += np.random.default_rng([run.seed, run.draw]).normal(0.0, NOISE_EV_PER_ANG, rows)
    return replace(given.design, y_forces=forces)


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def roughness(forces: Array, n_atoms: Array) -> Array:
    """F(r) - <F(r + ξ)> of all probed structures, one after the other, from the forces on all of their copies."""
    block = 2 * PAIRS + 1
    rows = np.split(forces, np.cumsum(3 * n_atoms)[:-1])
    return np.concatenate([rows[s] - np.mean(rows[s + 1 : s + block], axis=0) for s in range(0, len(rows), block)])


def judged(given: Material, run: Run, folder: Path) -> dict[str, Any]:
    """Numbers of one run, and its errors of forces where labels were noisy."""
    names = ("w_force", "lambda_m", "kernel", "width_ang")
    changes = [f"loss.{name}={getattr(run, name)}" for name in names]
    config = compose(CONFIG, [*changes, "loss.w_stress=0", "model.width=16", "optimizer.learning_rate=0.01"])
    part, split = split_of(given, run)
    design = noisy(given, run).select(part)
    columns = (design.degree <= LINEAR_DEGREE) & (design.order == 1)
    fit, held_out = fit_linear(design, split.seen, WEIGHTS, model=MODEL, alpha=ALPHA, columns=columns)
    labels = head_labels(design, split, fit, held_out)
    result = train_run(
        config,
        given.projections.select(part),
        Targets(labels.energy * design.n_atoms, labels.forces, labels.stress),
        design.counts,
        train_index=split.train,
        val_index=split.validation,
        test_index=split.test,
        seed=derive_seed(1, "head", run.seed) % 2**31,
        folder=folder,
        progress_bar=False,
    )
    every = result.residuals["test"]
    tested = np.arange(len(split.test)) < given.n_test
    test, probes = every.select(tested), every.select(~tested)
    linear = residuals(design.select(split.test[tested]), fit)
    return asdict(run) | {
        "best_epoch": result.best_epoch,
        **errors_of(test, linear),
        **roughness_of(probes, given.reference),
        "forces": np.round(test.forces, 5).tolist() if run.draw else None,
    }


def errors_of(test: Residuals, linear: Residuals) -> dict[str, float]:
    """Held-out errors of the potential and of its linear part, and mean products of the head's forces h with what the
    linear part lacks: enough to tell what a head s h would be off by.
    """
    head, wanted = test.forces - linear.forces, -linear.forces
    return {
        "force_rmse_ev_per_ang": _rms(test.forces),
        "energy_rmse_mev_per_atom": 1e3 * _rms(test.energy),
        "linear_force_rmse_ev_per_ang": _rms(linear.forces),
        "linear_energy_rmse_mev_per_atom": 1e3 * _rms(linear.energy),
        "head_square": float(np.mean(head**2)),
        "head_wanted": float(np.mean(head * wanted)),
    }


def roughness_of(probes: Residuals, reference: Array) -> dict[str, float]:
    """Roughness of a surface, whose forces are the residuals of labels that are zero, and of the reference."""
    own, wanted = (roughness(forces, probes.n_atoms) for forces in (probes.forces, reference))
    return {
        "roughness_ev_per_ang": _rms(own),
        "reference_roughness_ev_per_ang": _rms(wanted),
        "roughness_error_ev_per_ang": _rms(own - wanted),
    }


def planned(sizes: list[int], seeds: int, draws: int) -> list[Run]:
    """All runs, seed after seed; other widths and the bump on the smallest training set alone."""
    runs = []
    for seed in range(seeds):
        for size, value in product(sizes, LAMBDAS):
            runs += [Run(size, seed, weight, value) for weight in FORCE_WEIGHTS]
            runs += [Run(size, seed, 1.0, value, draw=draw) for draw in range(1, draws + 1)]
        for variant in OTHERS:
            runs += [Run(min(sizes), seed, weight, *variant) for weight in FORCE_WEIGHTS]
            runs += [Run(min(sizes), seed, 1.0, *variant, draw=draw) for draw in range(1, draws + 1)]
    return runs


def main() -> None:
    """Train what is missing, and write table and page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 48])
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--page-only", action="store_true", help="make the page of the runs that are there")
    given = parser.parse_args()
    data = digest([path.read_text("utf-8") for path in (given.train, given.test)])
    shared: Material | None = None
    rows = []
    for run in planned(given.sizes, given.seeds, given.draws):
        path = given.out / "runs" / f"{digest({**asdict(run), 'data': data})}.json"
        if not path.is_file():
            if given.page_only:
                continue
            shared = shared or material(given.train, given.test)
            with tempfile.TemporaryDirectory() as folder:
                write_json(path, judged(shared, run, Path(folder)))
            print(run, flush=True)
        rows.append(read_json(path))
    with (given.out / "smoothness.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [name for name in rows[0] if name != "forces"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    write_page(rows, given.out / "smoothness.html", given.train.stem, NOISE_EV_PER_ANG)


if __name__ == "__main__":
    main()
