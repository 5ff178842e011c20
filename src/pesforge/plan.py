"""What a study will compute, and about how long its reference calculations take, before a second is spent."""

from pathlib import Path
from statistics import mean

from ase import Atoms

from pesforge.dft.calculator import coarse_settings
from pesforge.dft.engines import get_engine
from pesforge.dft.labelling import read_journals
from pesforge.dft.pseudopotentials import reference_settings, settings_from_dict
from pesforge.dft.settings import ReferenceSettings
from pesforge.driven_settings import Moving
from pesforge.io import read_json
from pesforge.progress import duration
from pesforge.published.mlearn import CITATION
from pesforge.published.settings import SPLITS
from pesforge.published.sources import url_of
from pesforge.sampling.prepare import draft
from pesforge.structure import from_plain
from pesforge.study import LoadedPublished, LoadedStudy

CONVERGENCE_CELLS = 3
REFERENCE_CELLS = 20
"""Rough number of other symmetric cells: elastic constants, k_eff, finite differences."""
SYMMETRY_SAVING = 0.35
"""Rough cost of a symmetric cell over that of a rattled one."""


def _assumed_settings(loaded: LoadedStudy, results: Path) -> tuple[ReferenceSettings, str]:
    """Converged settings where they are there; otherwise a guess from the middle of the grids."""
    path = results / loaded.settings.name / "converge" / "settings.json"
    if path.is_file():
        return settings_from_dict(read_json(path)["settings"]), "converged settings"
    dft, converge = loaded.settings.dft, loaded.settings.converge
    guess = reference_settings(
        dft,
        cutoff_ev=converge.cutoff_ev[len(converge.cutoff_ev) // 3],
        k_spacing_per_ang=converge.k_spacing_per_ang[len(converge.k_spacing_per_ang) // 3],
        scf_tolerance=converge.scf_tolerance[-2],
        smearing_ev=dft.smearing_ev,
    )
    return guess, "a guess of the converged settings"


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
    measured = [float(event["seconds"]) for event in events if event["event"] == "finished"]
    done = len({event["id"] for event in events if event["event"] in ("finished", "recalled")})
    engine = get_engine(study.dft)
    symmetric = SYMMETRY_SAVING * engine.estimate_seconds(parent, settings, settings.mesh(parent.cell.array))
    drafts = draft(loaded.families, parent, study.seed)
    drafts += [cell for cells in loaded.standins.values() for cell in cells]
    each = mean(engine.estimate_seconds(frame, settings, settings.mesh_of(frame)) for frame in drafts)
    if measured:
        symmetric *= mean(measured) / each
        each, source = mean(measured), f"{len(measured)} labels of this study"
    scans = [study.converge.cutoff_ev, study.converge.k_spacing_per_ang, study.converge.scf_tolerance]
    others = CONVERGENCE_CELLS * 3 * len(scans) + study.validate_.eos_points + REFERENCE_CELLS
    stored = len(list((results / study.name / "store").glob("*/*.json"))) - len(measured)
    seconds = max(labels - done, 0) * each + max(others - stored, 0) * symmetric
    sweep = study.train.sweep
    points = len(loaded.runs)
    lines = [
        f"study {study.name}: {parent.get_chemical_formula()}, {study.dft.functional}, {study.dft.engine}",
        *(f"  {family:<{width}} {count:>6} structures" for family, count in families.items()),
        f"  {'labels':<10} {labels:>6} ({done} there already)",
        f"  {'sweep':<10} {points:>6} points × {sweep.seeds} seeds = {points * sweep.seeds} training runs",
        *_driver_lines(loaded),
        f"  DFT        about {duration(each)} per label ({source}),",
        f"             about {duration(seconds)} of one core still to do, {duration(seconds / 2)} on two",
    ]
    return "\n".join(lines)


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
