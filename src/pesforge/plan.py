"""What a study will compute, and about how long its reference calculations take, before a second is spent."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from ase import Atoms

from pesforge.cost import LABEL_FILES
from pesforge.dft.calculator import coarse_settings
from pesforge.dft.engines import Engine, get_engine
from pesforge.dft.labelling import read_journals
from pesforge.dft.prices import label_seconds
from pesforge.dft.pseudopotentials import reference_settings, settings_from_dict
from pesforge.dft.settings import ReferenceSettings
from pesforge.dft.shapes import other_shapes, shapes
from pesforge.driven_settings import Moving
from pesforge.fields import FAMILY, ID, REFERENCE_CELL
from pesforge.io import read_json
from pesforge.learn_settings import LEARNED
from pesforge.progress import duration
from pesforge.published.mlearn import CITATION
from pesforge.published.settings import SPLITS
from pesforge.published.sources import url_of
from pesforge.sampling.driven import SHIFT_ANG
from pesforge.sampling.prepare import draft, fewer
from pesforge.structure import from_plain
from pesforge.study import LoadedPublished, LoadedStudy
from pesforge.validation.phonon import displacements

CONVERGENCE_CELLS = 3
REFERENCE_CELLS = 33
"""Rough number of other symmetric cells: elastic constants, k_eff, finite differences of two cells."""
SYMMETRY_SAVING = 0.35
"""Rough cost of the slightly displaced or strained cells among them over that of a rattled one."""
TRIED = 20
"""Structures of each family whose time is estimated, evenly chosen."""


def _assumed_settings(loaded: LoadedStudy, results: Path) -> tuple[ReferenceSettings, str]:
    """Converged settings where they are there; otherwise the middle of the values that the scans can choose."""
    path = results / loaded.settings.name / "converge" / "settings.json"
    if path.is_file():
        return settings_from_dict(read_json(path)["settings"]), "converged settings"
    dft, converge = loaded.settings.dft, loaded.settings.converge
    guess = reference_settings(
        dft,
        cutoff_ev=_middle(converge.cutoff_ev),
        k_spacing_per_ang=_middle(converge.k_spacing_per_ang),
        scf_tolerance=_middle(converge.scf_tolerance),
        smearing_ev=dft.smearing_ev,
    )
    return guess, "a guess of the converged settings"


def _middle(grid: Sequence[float]) -> float:
    """The middle of the values that can be chosen: two finer ones must agree with the chosen one."""
    return grid[(len(grid) - 2) // 2]


def _family_seconds(
    drafts: Sequence[Atoms], settings: ReferenceSettings, engine: Engine, measured: Mapping[str, float]
) -> tuple[dict[str, float], float]:
    """Time of one label of each family in s, and what labels took over what was estimated for them.

    Families with labels have the mean of their times; the estimates of the others are scaled by the labels that are
    there.

    Args:
        drafts: all structures.
        settings: reference settings.
        engine: of the estimates.
        measured: seconds of finished labels by id.
    """
    members: dict[str, list[Atoms]] = {}
    for frame in drafts:
        members.setdefault(str(frame.info[FAMILY]), []).append(frame)
    estimates = {
        family: mean(label_seconds(frame, settings, engine) for frame in frames[:: math.ceil(len(frames) / TRIED)])
        for family, frames in members.items()
    }
    typical = mean(estimates[str(frame.info[FAMILY])] for frame in drafts)
    expected = {str(frame.info[ID]): estimates[str(frame.info[FAMILY])] for frame in drafts}
    scale = mean(measured.values()) / mean(expected.get(name, typical) for name in measured) if measured else 1.0
    times = {}
    for family, frames in members.items():
        own = [measured[name] for name in (str(frame.info[ID]) for frame in frames) if name in measured]
        times[family] = mean(own) if own else scale * estimates[family]
    return times, scale


def plan_text(loaded: LoadedStudy | LoadedPublished, results: Path) -> str:
    """The plan of a study in words.

    Args:
        loaded: checked study.
        results: folder that holds the results of all studies.
    """
    return _published_plan(loaded, results) if isinstance(loaded, LoadedPublished) else _crystal_plan(loaded, results)


def _published_plan(loaded: LoadedPublished, results: Path) -> str:
    """Elements, where their labels come from, and how many fits there are."""
    study = loaded.settings
    elements = study.published.elements
    if loaded.files is None:
        there = results / study.name / "fetch"
        have = sum((there / f"{element}_{split}.json").is_file() for element in elements for split in SPLITS)
        source = f"downloaded, such as {url_of(study.published, elements[0], SPLITS[0])} ({have} there already)"
    else:
        source = f"local, such as {loaded.files[elements[0]][SPLITS[0]]}"
    fits = sum((results / study.name / "fit" / element / "metrics.json").is_file() for element in elements)
    size = "as many functions as a minute allows" if study.functions is None else f"{study.functions} functions at most"
    return "\n".join(
        [
            f"study {study.name}: {', '.join(elements)} of {study.published.data_set}, {CITATION}",
            f"  {'labels':<10} {len(SPLITS) * len(elements):>6} files, {source}",
            f"  {'fits':<10} {len(elements):>6} ({fits} there already), model {study.model}, {size}",
        ]
    )


def _crystal_plan(loaded: LoadedStudy, results: Path) -> str:
    """Structures, training runs, and the time of the reference calculations."""
    study, parent = loaded.settings, from_plain(loaded.parent)
    assert isinstance(parent, Atoms)
    settings, source = _assumed_settings(loaded, results)
    families = {**study.families, **{name: len(cells) for name, cells in loaded.standins.items()}}
    labels, width = sum(families.values()), max(10, *map(len, families))
    events = list(read_journals(results / study.name / "label" / "journal"))
    measured = {event["id"]: float(event["seconds"]) for event in events if event["event"] == "finished"}
    done = {event["id"] for event in events if event["event"] in ("finished", "recalled")}
    done = {name for name in done if not name.startswith(f"{LEARNED}-")}
    engine = get_engine(study.dft)
    drafts = draft({name: fewer(plain) for name, plain in loaded.families.items()}, parent, study.seed)
    driven = [cell for cells in loaded.standins.values() for cell in cells]
    drafts += driven
    times, scale = _family_seconds(drafts, settings, engine, measured)
    symmetric = scale * SYMMETRY_SAVING * engine.estimate_seconds(parent, settings, settings.mesh(parent.cell.array))
    if measured:
        source = f"{len(measured)} labels of this study"
    each = sum(count * times[family] for family, count in families.items()) / labels
    scans = [study.converge.cutoff_ev, study.converge.k_spacing_per_ang, study.converge.scf_tolerance]
    shape_cells = CONVERGENCE_CELLS * len(shapes(parent, other_shapes(study.sample)))
    others = CONVERGENCE_CELLS * 3 * len(scans) + shape_cells + study.validate_.eos_points + REFERENCE_CELLS
    others += study.validate_.eos_points * len(loaded.crystals[1:])
    stored = len(list((results / study.name / "store").glob(LABEL_FILES))) - len(measured)
    beside = (
        event for folder in (results / study.name / "learn").glob("**/journal") for event in read_journals(folder)
    )
    stored -= sum(event["event"] == "finished" for event in beside)
    names = {frame.info[ID] for frame in drafts}
    left = sum(times[frame.info[FAMILY]] for frame in drafts if frame.info[ID] not in done)
    unknown = done - names
    for family, count in _undrawn(drafts, families).items():
        own = {name for name in unknown if name.startswith(f"{family}-")}
        left += max(count - len(own), 0) * times[family]
        unknown -= own
    left -= sum(times[frame.info[FAMILY]] for frame in driven[: len(unknown)])
    seconds = left + max(others - stored, 0) * symmetric + _phonon_seconds(loaded, results, settings, engine, scale)
    sweep = study.train.sweep
    points = len(loaded.runs)
    lines = [
        f"study {study.name}: {parent.get_chemical_formula()}, {study.dft.functional}, {study.dft.engine}",
        *(
            f"  {family:<{width}} {count:>6} structures, about {duration(count * times[family])}"
            for family, count in families.items()
        ),
        f"  {'labels':<10} {labels:>6} ({len(done)} there already)",
        f"  {'sweep':<10} {points:>6} points × {sweep.seeds} seeds = {points * sweep.seeds} training runs",
        *_member_lines(loaded),
        *_driver_lines(loaded),
        *_learn_lines(loaded, parent, settings, engine, scale),
        f"  DFT        about {duration(each)} per label ({source}),",
        f"             about {duration(seconds)} of one core still to do, {duration(seconds / 2)} on two",
    ]
    return "\n".join(lines)


def _phonon_seconds(
    loaded: LoadedStudy, results: Path, settings: ReferenceSettings, engine: Engine, scale: float
) -> float:
    """Time in s of the phonons of a wider cell; 0 without them, or where they are there."""
    study = loaded.settings
    if loaded.phonon_cell is None or (results / study.name / "validate" / "phonons.json").is_file():
        return 0.0
    frames = displacements(from_plain(loaded.phonon_cell), study.sample.stiffness_displacement_ang)
    return scale * sum(label_seconds(frame, settings, engine) for frame in frames)


def _member_lines(loaded: LoadedStudy) -> list[str]:
    """Trainings of the members of an ensemble: of every fold and of all groups; nothing without them."""
    members, parts = loaded.settings.train.members, loaded.settings.train.folds + 1
    if members == 1:
        return []
    trainings = f"{members} members × {parts} = {members * parts} training runs"
    return [f"  {'ensemble':<10} {trainings}, if a neural potential is chosen"]


def _undrawn(drafts: Sequence[Atoms], families: Mapping[str, int]) -> dict[str, int]:
    """Number of structures of each large family that are not among the drafts."""
    drawn = Counter(str(frame.info[FAMILY]) for frame in drafts)
    return {family: count - drawn[family] for family, count in families.items() if count > drawn[family]}


def _driver_lines(loaded: LoadedStudy) -> list[str]:
    """What moves the atoms of the families that need a driver, and what that costs at least; nothing without them."""
    study = loaded.settings
    if not loaded.standins:
        return []
    moving = {name: part for name, part in study.sample.driven().items() if isinstance(part, Moving)}
    steps = sum(part.shortest_steps() for part in moving.values())
    driver = study.sample.driver
    if driver.kind == "potential":
        return [f"  {'driver':<10} draft potential of {driver.functions} functions at most, {steps} steps or more"]
    engine, settings = get_engine(study.dft), coarse_settings(study.dft, driver, study.converge)
    seconds = sum(
        part.shortest_steps()
        * engine.estimate_seconds(loaded.standins[name][0], settings, settings.mesh_of(loaded.standins[name][0]))
        for name, part in moving.items()
    )
    return [f"  {'driver':<10} coarse DFT, {steps} steps or more: about {duration(seconds)} beside the labels"]


def _learn_lines(
    loaded: LoadedStudy, parent: Atoms, settings: ReferenceSettings, engine: Engine, scale: float
) -> list[str]:
    """What the rounds of active learning label at most, and how long that takes; nothing without rounds.

    Args:
        loaded: checked study.
        parent: parent crystal.
        settings: reference settings.
        engine: of the estimate.
        scale: what labels took over what was estimated for them.
    """
    learn = loaded.settings.learn
    if learn is None:
        return []
    cells = [parent.repeat(supercell) for supercell in learn.pool.supercells()]
    for cell in cells:
        cell.rattle(SHIFT_ANG, seed=0)
        cell.info[REFERENCE_CELL] = cell.cell.array
    most = learn.rounds * learn.per_round
    labels = most * (1 + learn.controls) + learn.test
    seconds = labels * scale * mean(label_seconds(cell, settings, engine) for cell in cells)
    control = f", {learn.controls} times as many random ones beside them" if learn.controls else ""
    return [
        f"  {'learn':<10} up to {most} labels in {learn.rounds} rounds{control}, an exam of {learn.test}: at most "
        f"{duration(seconds)} beside the labels above"
    ]
