"""Options of single functional forms, given as `name=value`: read, checked, and explained when they are wrong."""

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from pesforge.errors import SettingsError
from pesforge.settings import Section

Options = TypeVar("Options", bound=Section)


def split_options(given: Sequence[str]) -> dict[str, str]:
    """Options by name from texts `name=value`.

    Raises:
        SettingsError: a text has no `=`, or a name occurs twice.
    """
    options: dict[str, str] = {}
    for text in given:
        name, sign, value = (part.strip() for part in text.partition("="))
        if not sign or not name or not value:
            raise SettingsError(f"option {text!r}: write name=value, such as `--option seed=1`.")
        if name in options:
            raise SettingsError(f"option {name!r} is given twice; keep one of them.")
        options[name] = value
    return options


def read_options(model: str, section: type[Options], given: Mapping[str, str]) -> Options:
    """Checked options of a functional form.

    Args:
        model: its name, for messages.
        section: type of its options.
        given: values as text.

    Raises:
        SettingsError: an option is not known or its value not allowed; the message says what is.
    """
    fields = {field.alias or name: field for name, field in section.model_fields.items()}
    for name in given:
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise SettingsError(f"option {name!r} of the model {model} is not known.{hint} Known: {_list(section)}.")
    try:
        return section.model_validate({name: _items(fields[name], value) for name, value in given.items()})
    except ValidationError as error:
        mistakes = []
        for item in error.errors(include_url=False):
            name = ".".join(map(str, item["loc"])) or "options"
            text = re.sub(r"^(Input|Value error,) (should )?", "", item["msg"])
            found = f" found {item['input']!r};" if item["loc"] else ""
            about = f" ({fields[name].description})" if name in fields else ""
            mistakes.append(f"{name}:{found} it should {text}{about}" if item["loc"] else f"{text}")
        raise SettingsError(f"options of the model {model}: {'; '.join(mistakes)}.") from error


def _items(field: FieldInfo, value: str) -> str | list[str]:
    """The text, or its parts between commas where a tuple is wanted."""
    wanted = [get_origin(part) or part for part in (field.annotation, *get_args(field.annotation))]
    return [part.strip() for part in value.split(",")] if tuple in wanted else value


def no_options(model: str, given: Mapping[str, str]) -> None:
    """Refuse options of a functional form that has none.

    Raises:
        SettingsError: there is one.
    """
    if given:
        raise SettingsError(f"the model {model} has no options of its own; leave out {', '.join(sorted(given))}.")


def _list(section: type[Section]) -> str:
    return "; ".join(f"{field.alias or name}: {field.description}" for name, field in section.model_fields.items())
