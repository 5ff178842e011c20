"""A study file checked as a whole: all of its mistakes at once, or everything that the stages need to know."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ase import Atoms
from pydantic import BaseModel, ValidationError

from pesforge.dft.engines import get_engine
from pesforge.dft.shared import shared_cells
from pesforge.errors import PesforgeError
from pesforge.mistakes import Mistake, refusal, settings_mistakes
from pesforge.published.settings import Published, PublishedStudy
from pesforge.published.sources import local_files
from pesforge.sampling.driven import prepare_driven
from pesforge.sampling.prepare import prepare
from pesforge.sampling.wide_cell import wider_cell
from pesforge.settings import Dft, Study
from pesforge.settings_types import Structure
from pesforge.structure import build_parent, to_plain
from pesforge.study_file import Location, read_yaml
from pesforge.training.compose import points
from pesforge.validation.hull_crystals import hull_crystals

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class LoadedStudy:
    """A checked study: settings, parent structure as builtin types, and the training configuration of every run.

    The settings of each family are those that its sampler reads; `crystals` are those of `validate.hull`; `phonon_cell`
    is that of `validate.phonon_width_ang`; `driven` are the settings of families that need a driver, and `standins` a
    cell for each of their structures, by family.
    """

    settings: Study
    path: Path
    parent: dict[str, Any]
    families: dict[str, dict[str, Any]]
    runs: dict[str, dict[str, Any]]
    crystals: list[dict[str, Any]]
    phonon_cell: dict[str, Any] | None
    driven: dict[str, dict[str, Any]]
    standins: dict[str, list[Atoms]]


@dataclass(frozen=True)
class LoadedPublished:
    """A checked study of a published table: settings, and its local files by element and split, None for a download."""

    settings: PublishedStudy
    path: Path
    files: dict[str, dict[str, Path]] | None


def _section(model: type[Model], raw: Any) -> Model | None:
    """A section on its own, or None when it is wrong (its mistakes are reported with the whole)."""
    try:
        return model.model_validate(raw)
    except ValidationError:
        return None


def load_study(path: Path, train_folder: Path) -> LoadedStudy | LoadedPublished:
    """The checked study of a file; one with the section `published` rebuilds a published table.

    Args:
        path: study file (YAML).
        train_folder: folder of the Hydra configuration of the training runs.

    Raises:
        SettingsError: lists every mistake of the file.
    """
    raw, lines = read_yaml(path)
    return _published(path, raw, lines) if "published" in raw else _crystal(path, raw, lines, train_folder)


def _published(path: Path, raw: dict[str, Any], lines: dict[Location, int]) -> LoadedPublished:
    mistakes: list[Mistake] = []
    settings: PublishedStudy | None = None
    try:
        settings = PublishedStudy.model_validate(raw)
    except ValidationError as error:
        mistakes += settings_mistakes(error, PublishedStudy)
    section = _section(Published, raw["published"])
    files: dict[str, dict[str, Path]] | None = None
    if section is not None and section.folder is not None:
        files = {}
        for element in section.elements:
            try:
                files[element] = local_files(path.parent / section.folder, element)
            except PesforgeError as error:
                mistakes.append(Mistake(("published", "folder"), str(error)))
    if settings is None or mistakes:
        raise refusal(path, mistakes, lines)
    return LoadedPublished(settings=settings, path=path, files=files)


def _beside(folder: Path, dft: Dft) -> Dft:
    """The method with its folder of pseudopotentials relative to the study file."""
    given = dft.pseudopotential_folder
    return dft if given is None else dft.model_copy(update={"pseudopotential_folder": folder / given})


def _counted(study: Study, shared: int) -> Study:
    """The study with the number of all structures of the family `shared` where none is stated."""
    section = study.sample.shared
    if section is None or section.count is not None:
        return study
    sample = study.sample.model_copy(update={"shared": section.model_copy(update={"count": shared})})
    return study.model_copy(update={"sample": sample})


def _learn_mistakes(study: Study, atoms: int) -> list[Mistake]:
    """What the rounds of active learning cannot do with a parent of so many atoms."""
    if study.learn is None:
        return []
    found = []
    first, *more = (atoms * math.prod(cell) < 2 for cell in study.learn.pool.supercells())
    for key, wrong in (("supercell", first), ("more_supercells", any(more))):
        if wrong:
            found.append(Mistake(("learn", "pool", key), "a single atom does not move; raise it."))
    lowered = study.learn.degree_reduction
    if lowered is not None and lowered >= (most := max(study.describe.max_degree)):
        text = f"{lowered} leaves no function of `describe.max_degree`; allowed: below {most}."
        found.append(Mistake(("learn", "degree_reduction"), text))
    return found


def _phonon_cell(study: Study, parent: Atoms) -> tuple[dict[str, Any] | None, list[Mistake]]:
    """The cell whose phonons are compared, None for the parent's own, and why there is none."""
    width = study.validate_.phonon_width_ang
    if width is None:
        return None, []
    try:
        return to_plain(wider_cell(parent, width)), []
    except PesforgeError as error:
        return None, [Mistake(("validate", "phonon_width_ang"), str(error))]


def _crystal(path: Path, raw: dict[str, Any], lines: dict[Location, int], train_folder: Path) -> LoadedStudy:
    mistakes: list[Mistake] = []
    settings: Study | None = None
    try:
        settings = Study.model_validate(raw)
    except ValidationError as error:
        mistakes += settings_mistakes(error, Study)

    parent = None
    structure = _section(Structure, raw.get("structure"))
    if structure is not None:
        try:
            parent = build_parent(structure, path.parent)
        except PesforgeError as error:
            mistakes.append(Mistake(("structure",), str(error)))
    dft = _section(Dft, raw.get("dft", {}))
    if dft is not None:
        dft = _beside(path.parent, dft)
        elements = structure.species if structure is not None else ()
        mistakes += [Mistake(("dft",), problem) for problem in get_engine(dft).problems(dft, elements)]
    families: dict[str, dict[str, Any]] = {}
    crystals: list[dict[str, Any]] = []
    phonon_cell: dict[str, Any] | None = None
    driven: dict[str, dict[str, Any]] = {}
    standins: dict[str, list[Atoms]] = {}
    if settings is not None and parent is not None:
        shared = shared_cells(parent, settings) if settings.sample.shared else []
        settings = _counted(settings, len(shared))
        families, complaints = prepare(settings, parent, path.parent, shared)
        mistakes += [Mistake(place, text) for place, text in complaints]
        if not complaints:
            driven, standins, complaints = prepare_driven(settings, parent, families)
            mistakes += [Mistake(place, text) for place, text in complaints]
        mistakes += _learn_mistakes(settings, len(parent))
        crystals, complaints = hull_crystals(settings, parent, path.parent)
        mistakes += [Mistake(place, text) for place, text in complaints]
        phonon_cell, found = _phonon_cell(settings, parent)
        mistakes += found
    runs: dict[str, dict[str, Any]] = {}
    if settings is not None:
        try:
            runs = points(train_folder, settings.train)
        except PesforgeError as error:
            mistakes.append(Mistake(("train",), str(error)))
    if settings is None or parent is None or mistakes:
        raise refusal(path, mistakes, lines)
    settings = settings.model_copy(update={"dft": dft})
    return LoadedStudy(
        settings=settings,
        path=path,
        parent=to_plain(parent),
        families=families,
        runs=runs,
        driven=driven,
        standins=standins,
        crystals=crystals,
        phonon_cell=phonon_cell,
    )
