"""Mistakes of a study file in words: where each stands, what was found, what is allowed, and a suggestion."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pesforge.errors import SettingsError
from pesforge.study_file import Location

MOST = 30
"""Mistakes that are listed; a file with more of them is no study."""


@dataclass(frozen=True)
class Mistake:
    """One mistake and where it stands."""

    location: Location
    text: str


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


def settings_mistakes(error: ValidationError, model: type[BaseModel]) -> list[Mistake]:
    """The mistakes of a section, each where it stands.

    Args:
        error: what its validation found.
        model: its type.
    """
    details = error.errors(include_url=False)
    locations = [item["loc"] for item in details]

    def shadowed(item: ErrorDetails) -> bool:
        """A tuple that is too short only because its items were refused is no mistake of its own."""
        return item["type"] == "too_short" and any(
            other[: len(item["loc"])] == item["loc"] and other != item["loc"] for other in locations
        )

    return [Mistake(item["loc"], _explain(item, model)) for item in details if not shadowed(item)]


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


def refusal(path: Path, mistakes: Sequence[Mistake], lines: dict[Location, int]) -> SettingsError:
    """The error that lists all mistakes of a study file, in the order of its lines.

    Args:
        path: the file.
        mistakes: all of them.
        lines: line of every key.
    """
    ordered = sorted(mistakes, key=lambda mistake: (_line(mistake.location, lines), _dotted(mistake.location)))
    count = f"{len(ordered)} mistake" + ("s" if len(ordered) != 1 else "")
    body = [f"  line {_line(item.location, lines)}: {_dotted(item.location)}: {item.text}" for item in ordered[:MOST]]
    if len(ordered) > MOST:
        body.append(f"  and {len(ordered) - MOST} more")
    return SettingsError("\n".join([f"{path}: {count}", *body, "  config/README.md explains every key."]))
