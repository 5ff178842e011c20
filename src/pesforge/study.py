"""Reading a study file: all of its mistakes at once, each with line, key, value, what is allowed and a suggestion."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from ase import Atoms
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pesforge.dft.engines import get_engine
from pesforge.dft.shared import shared_cells
from pesforge.errors import PesforgeError, SettingsError
from pesforge.published.settings import Published, PublishedStudy
from pesforge.published.sources import local_files
from pesforge.sampling.driven import prepare_driven
from pesforge.sampling.prepare import prepare
from pesforge.settings import Dft, Study
from pesforge.settings_types import Structure
from pesforge.structure import build_parent, to_plain
from pesforge.training.compose import points
from pesforge.validation.hull_crystals import hull_crystals

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[str | int, ...]
MAX_BYTES = 1_000_000


@dataclass(frozen=True)
class LoadedStudy:
    """A checked study: settings, parent structure as builtin types, and the training configuration of every run.

    The settings of each family are those that its sampler reads; `crystals` are those of `validate.hull`; `driven` are
    the settings of families that need a driver, and `standins` a cell for each of their structures, by family.
    """

    settings: Study
    path: Path
    parent: dict[str, Any]
    families: dict[str, dict[str, Any]]
    runs: dict[str, dict[str, Any]]
    crystals: list[dict[str, Any]]
    driven: dict[str, dict[str, Any]]
    standins: dict[str, list[Atoms]]


@dataclass(frozen=True)
class LoadedPublished:
    """A checked study of a published table: settings, and its local files by element and split, None for a download."""

    settings: PublishedStudy
    path: Path
    files: dict[str, dict[str, Path]] | None


@dataclass(frozen=True)
class Mistake:
    """One mistake and where it stands."""

    location: Location
    text: str


class _Loader(yaml.SafeLoader):
    """Safe YAML that also refuses what hides mistakes: repeated keys, anchors and aliases."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.lines: dict[Location, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if getattr(event, "anchor", None):
            raise yaml.constructor.ConstructorError(
                None, None, "anchors and aliases are not supported", event.start_mark
            )
        return super().compose_node(parent, index)

    def note_lines(self, node: yaml.Node, location: Location = ()) -> None:
        """Remember the line of every key and item, and refuse repeated keys."""
        self.lines[location] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise yaml.constructor.ConstructorError(None, None, "keys must be plain words", key.start_mark)
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} stands twice", key.start_mark
                    )
                seen.add(key.value)
                self.note_lines(value, (*location, key.value))
                self.lines[(*location, key.value)] = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.note_lines(item, (*location, index))


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[Location, int]]:
    """The content of a study file and the line of each of its keys.

    Raises:
        SettingsError: the file is missing, too large, not UTF-8 or not the YAML of a mapping.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SettingsError(f"{path}: larger than {MAX_BYTES} bytes; a study file holds settings, not data.")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        found = sorted(str(other) for other in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        raise SettingsError(
            f"{path}: cannot be read as a study file ({getattr(error, 'strerror', None) or error})."
            + (f" Study files there: {', '.join(found)}." if found else "")
        ) from error
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise SettingsError(f"{path}: a study file is a mapping of keys to values, such as `name: my-study`.")
        loader.note_lines(node)
        content = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise SettingsError(f"{path}: line {line}: not valid YAML: {error.problem or error.context}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: not valid YAML: {error}.") from error
    finally:
        loader.dispose()
    return content, loader.lines


def _closest(word: str, allowed: Sequence[str]) -> str:
    """A suggestion for a misspelt word, or nothing."""
    near = difflib.get_close_matches(word, allowed, n=2, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(item) for item in near)}?" if near else ""


def _keys_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Keys that are allowed in the section at `location`."""
    current: type[BaseModel] = model
    for step in location:
        fields = {field.alias or name: field for name, field in current.model_fields.items()}
        if step not in fields:
            continue
        candidates = [fields[str(step)].annotation, *getattr(fields[str(step)].annotation, "__args__", ())]
        sections = [item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)]
        if sections:
            current = sections[0]
    return [field.alias or name for name, field in current.model_fields.items()]


def _explain(error: ErrorDetails, model: type[BaseModel]) -> str:
    """One sentence: what was found, what is allowed, how to mend it."""
    location, kind = error["loc"], error["type"]
    if kind == "extra_forbidden":
        allowed = _keys_at(model, location[:-1])
        return f"unknown key.{_closest(str(location[-1]), allowed)} Allowed: {', '.join(allowed)}."
    if kind == "missing":
        return "this key is missing and has no default."
    found = f"found {error['input']!r}; "[:200]
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        return f"{found}allowed: {', '.join(allowed)}.{_closest(str(error['input']), allowed)}"
    if kind == "value_error":
        text = str(error["ctx"]["error"])
        return text if text.endswith((".", "?")) else text + "."
    text = error["msg"].removeprefix("Input ").removeprefix("should ")
    return f"{found}it should {text}."


def _settings_mistakes(error: ValidationError, model: type[BaseModel]) -> list[Mistake]:
    details = error.errors(include_url=False)
    locations = [item["loc"] for item in details]

    def shadowed(item: ErrorDetails) -> bool:
        """A tuple that is too short only because its items were refused is no mistake of its own."""
        return item["type"] == "too_short" and any(
            other[: len(item["loc"])] == item["loc"] and other != item["loc"] for other in locations
        )

    return [Mistake(item["loc"], _explain(item, model)) for item in details if not shadowed(item)]


def _section(model: type[Model], raw: Any) -> Model | None:
    """A section on its own, or None when it is wrong (its mistakes are reported with the whole)."""
    try:
        return model.model_validate(raw)
    except ValidationError:
        return None


def _line(location: Location, lines: dict[Location, int]) -> int:
    """Line of a key, or of the nearest enclosing key that stands in the file."""
    while location not in lines and location:
        location = location[:-1]
    return lines.get(location, 1)


def _dotted(location: Location) -> str:
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text or "study"


def study_path(name: str, folder: Path) -> Path:
    """The file of a study: `name` itself when it is a YAML file, otherwise `folder/name.yaml`."""
    direct = Path(name)
    return direct if direct.suffix in {".yaml", ".yml"} else folder / f"{name}.yaml"


def _refuse(path: Path, mistakes: Sequence[Mistake], lines: dict[Location, int]) -> SettingsError:
    """The error that lists all mistakes of a study file, in the order of its lines."""
    ordered = sorted(mistakes, key=lambda mistake: (_line(mistake.location, lines), _dotted(mistake.location)))
    count = f"{len(ordered)} mistake" + ("s" if len(ordered) != 1 else "")
    body = [f"  line {_line(item.location, lines)}: {_dotted(item.location)}: {item.text}" for item in ordered]
    return SettingsError("\n".join([f"{path}: {count}", *body, "  config/README.md explains every key."]))


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
        mistakes += _settings_mistakes(error, PublishedStudy)
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
        raise _refuse(path, mistakes, lines)
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


def _crystal(path: Path, raw: dict[str, Any], lines: dict[Location, int], train_folder: Path) -> LoadedStudy:
    mistakes: list[Mistake] = []
    settings: Study | None = None
    try:
        settings = Study.model_validate(raw)
    except ValidationError as error:
        mistakes += _settings_mistakes(error, Study)

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
        crystals, complaints = hull_crystals(settings, parent, path.parent)
        mistakes += [Mistake(place, text) for place, text in complaints]
    runs: dict[str, dict[str, Any]] = {}
    if settings is not None:
        try:
            runs = points(train_folder, settings.train)
        except PesforgeError as error:
            mistakes.append(Mistake(("train",), str(error)))
    if settings is None or parent is None or mistakes:
        raise _refuse(path, mistakes, lines)
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
    )
