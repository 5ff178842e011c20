"""A study file as text: its content, and the line of every key, for errors that say where."""

from pathlib import Path
from typing import Any

import yaml

from pesforge.errors import SettingsError

Location = tuple[str | int, ...]
MAX_BYTES = 1_000_000


def study_path(name: str, folder: Path) -> Path:
    """The file of a study: `name` itself when it is a YAML file, otherwise `folder/name.yaml`."""
    direct = Path(name)
    return direct if direct.suffix in {".yaml", ".yml"} else folder / f"{name}.yaml"


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
    except (OSError, ValueError) as error:
        found = sorted(str(other) for other in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        raise SettingsError(
            f"{path}: cannot be read as a study file ({getattr(error, 'strerror', None) or error})."
            + (f" Study files there: {', '.join(found)}." if found else "")
        ) from error
    loader = None
    try:
        loader = _Loader(text)
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
        if loader is not None:
            loader.dispose()
    return content, loader.lines
