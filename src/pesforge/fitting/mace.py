"""Fit of a message-passing network (MACE), from scratch or from a foundation model."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from pesforge.errors import DataError, SettingsError
from pesforge.fitting.candidates import FitSettings, all_pairs, cutoffs
from pesforge.fitting.fit import FitResult, evaluate_frames
from pesforge.fitting.foundation import foundation
from pesforge.fitting.mace_options import SIZE_OPTIONS, SIZES, MaceOptions
from pesforge.fitting.search import Say
from pesforge.fitting.splits import families_of, groups_of, hold_out, in_order, species_of, work_folder
from pesforge.fitting.summary import copies_in_test, fit_metadata, fit_metrics
from pesforge.folds import group_folds
from pesforge.metrics import Residuals
from pesforge.potentials.graphs import Graph, graph_of
from pesforge.potentials.mace import MacePotential, pick_device, restored
from pesforge.potentials.mace_network import MaceArchitecture, build_network, learned, load_learned, set_zeros
from pesforge.provenance import derive_seed
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.training.mace_config import MaceTraining

if TYPE_CHECKING:
    from torch import nn

    from pesforge.training.mace import MaceRun

CODE = ("dataset", "fitting", "potentials", "training", "export")


@dataclass(frozen=True)
class _Problem:
    """Labelled graphs and the network that training starts from.

    Args:
        frames: labelled structures.
        graphs: of the structures.
        architecture: of the network.
        start: network to go on from; None: random numbers.
        zeros: (Z,) energies of the elements in eV.
    """

    frames: Sequence[Atoms]
    graphs: Sequence[Graph]
    architecture: MaceArchitecture
    start: "nn.Module | None"
    zeros: FloatArray

    @property
    def counts(self) -> FloatArray:
        """(S, Z) atoms per species."""
        size = len(self.architecture.species)
        return np.array([np.bincount(graph.species, minlength=size) for graph in self.graphs], dtype=np.float64)

    def network(self, precision: str) -> "nn.Module":
        """The network that training starts from, without energies of elements."""
        none = dict.fromkeys(self.architecture.species, 0.0)
        network = build_network(self.architecture, none, precision)
        if self.start is not None:
            load_learned(network, learned(self.start), "start")
            set_zeros(network, none, self.architecture.species)
        return network


def fit_mace(
    frames: Sequence[Atoms],
    test_frames: Sequence[Atoms] | None,
    settings: FitSettings,
    *,
    say: Say,
    warnings: Sequence[str],
    options: MaceOptions | None = None,
) -> FitResult:
    """A message-passing network fitted to labelled structures; some groups decide when to stop.

    Args:
        frames: labelled training structures with groups.
        test_frames: labelled structures that are only predicted; None: no test.
        settings: `neighbours` give the cutoff where no option does.
        say: takes lines of progress.
        warnings: what is odd about the data, kept in the metrics.
        options: of the network and its training; None: the defaults.

    Raises:
        DataError: mace-torch is not installed, all structures are of one group, or an element of the test is new.
        SettingsError: options contradict each other.
    """
    began = time.monotonic()
    options = options or MaceOptions()
    notes = list(warnings)
    copies = copies_in_test(frames, test_frames, notes)
    problem = _problem(frames, species_of(frames), settings, options)
    train, validation = hold_out(frames, options.validation_fraction, options.seed)
    with work_folder(options.work) as work:
        run = _train(problem, options, train, validation, work / "final", say)
        potential, every = _finished(problem, options, run, train)
        found = {"train": every.select(train), "validation": every.select(validation)}
        if options.folds:
            found["cv"] = _cross_validated(frames, settings, options, work, say)
    if test_frames:
        found["test"] = evaluate_frames(potential, test_frames)
    metrics = fit_metrics(
        found,
        frames,
        test_frames,
        copies=copies,
        parameters=potential.n_parameters,
        choice=_choice(potential, options, run, len(train), len(validation)),
        notes=notes,
        started=began,
        members={"train": train, "validation": validation},
    )
    metrics["training_seconds"] = run.seconds
    judged, how = ("cv", "left out by group") if options.folds else ("validation", "groups that stopped the training")
    return FitResult(potential, fit_metadata(frames, metrics, CODE, judged=judged, how=how), metrics)


def _problem(
    frames: Sequence[Atoms], species: tuple[str, ...], settings: FitSettings, options: MaceOptions
) -> _Problem:
    """Graphs, architecture and energies of the elements.

    Raises:
        DataError: the foundation model cannot be read or does not know an element.
        SettingsError: a size is given beside a foundation model, which has its own.
    """
    known = None if options.start is None else foundation(options.start)
    if known is not None:
        given = sorted(set(SIZE_OPTIONS) & options.model_fields_set)
        if given:
            raise SettingsError(f"option `from`: the network has its sizes already; leave out {', '.join(given)}.")
        missing = sorted(set(species) - set(known.species))
        if missing:
            raise DataError(f"{options.start}: knows {', '.join(known.species)}, but not {', '.join(missing)}.")
        architecture, species = known.architecture, known.species
        cutoff = architecture.cutoff_ang
    else:
        cutoff = options.cutoff_ang or cutoffs(all_pairs(frames), settings)[0]
    index = {symbol: number for number, symbol in enumerate(species)}
    graphs = [graph_of(atoms, index, cutoff) for atoms in frames]
    if known is None:
        architecture = _architecture(species, cutoff, graphs, frames, options)
    zeros = np.zeros(len(species)) if known is None else np.array([known.zeros[symbol] for symbol in species])
    problem = _Problem(frames, graphs, architecture, None if known is None else known.network, zeros)
    residual = _energies(frames) - problem.counts @ zeros
    if known is not None:
        residual -= np.array([known.evaluate(atoms)[0].sum() for atoms in frames]) - problem.counts @ zeros
    return _Problem(frames, graphs, architecture, problem.start, zeros + _solved(problem.counts, residual))


def _architecture(
    species: tuple[str, ...], cutoff: float, graphs: Sequence[Graph], frames: Sequence[Atoms], options: MaceOptions
) -> MaceArchitecture:
    sizes = SIZES[pick_device(options.device).type]
    size = {name: sizes[name] if getattr(options, name) is None else getattr(options, name) for name in sizes}
    edges, atoms = sum(len(graph.sender) for graph in graphs), sum(len(graph.positions) for graph in graphs)
    if not edges:
        raise DataError(f"no two atoms of the training structures are within {cutoff:g} Å: there is nothing to fit.")
    force_rms = float(np.sqrt(np.mean(np.concatenate([found.calc.results["forces"] for found in frames]) ** 2)))
    channels = "+".join(f"{size['channels']}x{degree}{'eo'[degree % 2]}" for degree in range(size["max_l"] + 1))
    return MaceArchitecture(
        species=species,
        cutoff_ang=cutoff,
        max_ell=size["max_ell"],
        layers=options.layers,
        channels=channels,
        correlation=options.correlation,
        neighbours=edges / atoms,
        radial_layers=(size["radial_width"],) * 3,
        scale_ev=force_rms or 1.0,
    )


def _energies(frames: Sequence[Atoms]) -> FloatArray:
    return np.array([atoms.calc.results["energy"] for atoms in frames])


def _solved(counts: FloatArray, residual: FloatArray) -> FloatArray:
    """Energies of elements (Z,) in eV that explain residual energies best, of least norm where several do."""
    size = counts.sum(axis=1)
    solution: FloatArray = np.linalg.lstsq(counts / size[:, None], residual / size, rcond=1e-10)[0]
    return solution


def _train(
    problem: _Problem, options: MaceOptions, train: IntArray, validation: IntArray, folder: Path, say: Say
) -> "MaceRun":
    from pesforge.training.data import Targets
    from pesforge.training.graph_data import GraphData
    from pesforge.training.mace import train_mace

    results = [atoms.calc.results for atoms in problem.frames]
    stress = [found.get("stress", np.full(6, np.nan)) for found in results]
    targets = Targets(
        energy=_energies(problem.frames),
        forces=np.concatenate([found["forces"].ravel() for found in results]),
        stress=np.concatenate(stress),
    )
    training = MaceTraining.model_validate(options.model_dump(include=set(MaceTraining.model_fields)))
    began = time.monotonic()

    def on_progress(epoch: int, last: int, loss: float) -> None:
        say(f"epoch {epoch} of {last}: validation loss {loss:.4g}, {time.monotonic() - began:.0f} s")

    return train_mace(
        lambda: problem.network(options.precision),
        GraphData(problem.graphs, targets, problem.zeros, options.precision),
        training,
        train=train,
        validation=validation,
        folder=folder,
        device=options.device,
        on_progress=on_progress,
    )


def _finished(
    problem: _Problem, options: MaceOptions, run: "MaceRun", train: IntArray
) -> tuple[MacePotential, Residuals]:
    """The potential in double precision with its energies of elements solved anew, and its residuals on all frames."""
    architecture = problem.architecture
    network = restored(architecture, learned(run.network), "network")
    set_zeros(network, dict(zip(architecture.species, problem.zeros.tolist(), strict=True)), architecture.species)
    potential = MacePotential(architecture, network, options.precision, options.device)
    found = evaluate_frames(potential, problem.frames)
    size = problem.counts.sum(axis=1)
    change = _solved(problem.counts[train], -(found.energy * size)[train])
    zeros = dict(zip(architecture.species, (problem.zeros + change).tolist(), strict=True))
    set_zeros(network, zeros, architecture.species)
    energy = found.energy + problem.counts @ change / size
    return potential, Residuals(energy, found.forces, found.stress, found.n_atoms)


def _cross_validated(
    frames: Sequence[Atoms], settings: FitSettings, options: MaceOptions, work: Path, say: Say
) -> Residuals:
    """Residuals of every structure by a network that has not seen its group, from the same options."""
    parts = group_folds(
        groups_of(frames), options.folds, derive_seed(options.seed, "folds"), families=families_of(frames)
    )
    found: list[Residuals] = []
    for number, held in enumerate(parts):
        say(f"fold {number + 1} of {len(parts)}: {len(held)} structures are left out")
        seen = [frames[index] for index in np.setdiff1d(np.arange(len(frames)), held)]
        problem = _problem(seen, species_of(frames), settings, options)
        train, validation = hold_out(seen, options.validation_fraction, options.seed)
        run = _train(problem, options, train, validation, work / f"fold-{number}", say)
        potential, _ = _finished(problem, options, run, train)
        found.append(evaluate_frames(potential, [frames[index] for index in held]))
    return in_order(parts, found)


def _choice(
    potential: MacePotential, options: MaceOptions, run: "MaceRun", n_train: int, n_validation: int
) -> dict[str, Any]:
    architecture = potential.architecture
    start = "random numbers" if options.start is None else str(options.start.name)
    text = (
        f"MACE of {potential.n_parameters} parameters ({architecture.channels}, {architecture.layers} interactions of "
        f"{architecture.cutoff_ang:g} Å), trained in {options.precision} from {start}: {run.epochs} epochs in "
        f"{run.seconds:.0f} s on {n_train} structures, ended by {run.stop_reason}; epoch {run.best_epoch} had the "
        f"smallest loss on {n_validation} structures of other groups, whose errors are therefore a little too small. "
        "Test data took no part."
    )
    return {
        "architecture": architecture.model_dump(mode="json"),
        "seed": options.seed,
        "best_epoch": run.best_epoch,
        "epochs": run.epochs,
        "stop_reason": run.stop_reason,
        "w_energy": options.w_energy,
        "w_force": options.w_force,
        "w_stress": options.w_stress,
        "history": [vars(row) for row in run.history],
        "text": text,
    }
