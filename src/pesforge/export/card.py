"""The model card: what a user must know about a potential before using it, as Markdown."""

from collections.abc import Mapping
from typing import Any

from pesforge.potentials.model import Model

SECTIONS = (
    ("data", "Data"),
    ("method", "Method"),
    ("settings", "Reference settings"),
    ("errors", "Held-out errors"),
    ("domain", "Validity domain"),
    ("limits", "Limits"),
    ("code", "Digests of the code"),
    ("versions", "Versions"),
)
"""Known keys of the metadata and their headings; other keys of mappings and lists follow under their own name."""


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {_text(item)}" for key, item in sorted(value.items()))
    return "–" if value is None else str(value)


def _cell(value: Any) -> str:
    return _text(value).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def _body(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        rows = [f"| {_cell(key)} | {_cell(item)} |" for key, item in sorted(value.items())]
        return ["| key | value |", "|---|---|", *rows]
    if isinstance(value, list | tuple):
        return [f"- {_text(item)}" for item in value]
    return [_text(value)]


def model_card(potential: Model, metadata: Mapping[str, Any]) -> str:
    """The model card of a potential.

    Args:
        potential: the potential.
        metadata: plain values; those named in `SECTIONS` come first, single values stand in the head of the card.
    """
    facts = {"kind": potential.kind, "elements": list(potential.species), **potential.facts()}
    known = [key for key, _ in SECTIONS]
    single = {key: value for key, value in metadata.items() if not isinstance(value, Mapping | list | tuple)}
    facts |= {key.replace("_", " "): value for key, value in sorted(single.items()) if key not in known}
    lines = [f"# Potential of {', '.join(potential.species)}", "", *_body(facts), ""]
    lines += ["## Use", "", "```python", "from pesforge import load_potential", ""]
    lines += ['atoms.calc = load_potential("path/to/this/folder")', "```", ""]
    lines += ["Energies in eV, forces in eV/Å, stress in eV/Å³ (ASE's sign and order).", ""]
    others = sorted(key for key in metadata if key not in known and key not in single)
    titles = [*SECTIONS, *((key, key.replace("_", " ").capitalize()) for key in others)]
    for key, title in titles:
        if key in metadata:
            lines += [f"## {title}", "", *_body(metadata[key]), ""]
    if "limits" not in metadata:
        lines += [
            "## Limits",
            "",
            "- Only the elements named above, and only structures like those in the training data.",
            "- The repulsion below the shortest distance in the training data is a guess.",
            "",
        ]
    return "\n".join(lines)
