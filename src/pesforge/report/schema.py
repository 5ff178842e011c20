"""How the shape of evidence is stated, and the check of evidence against it."""

from typing import Any

from pesforge.errors import DataError

ANY = None
"""Any value, null included: a number that was not measured is null."""


class OrNull(dict[str, Any]):
    """A mapping that may be null as a whole: that part was not computed."""


def _mistakes(value: Any, shape: Any, where: str) -> list[str]:
    if shape is ANY or (value is None and isinstance(shape, OrNull)):
        return []
    if isinstance(shape, list):
        if not isinstance(value, list | tuple):
            return [f"`{where}` must be a list"]
        return [text for number, item in enumerate(value) for text in _mistakes(item, shape[0], f"{where}[{number}]")]
    if not isinstance(value, dict):
        return [f"`{where}` must be a mapping"]
    found = []
    for key, inner in shape.items():
        path = f"{where}.{key}" if where else key
        found += _mistakes(value[key], inner, path) if key in value else [f"`{path}` is missing"]
    return found


def require(evidence: dict[str, Any], shape: dict[str, dict[str, Any]]) -> None:
    """Check that `evidence` holds every key that a report reads.

    Args:
        evidence: what each stage wrote, by stage.
        shape: the keys that it needs; a list holds the shape of its items.

    Raises:
        DataError: a key is missing or has the wrong kind; the message lists the first ten mistakes.
    """
    mistakes = _mistakes(evidence, shape, "")
    if mistakes:
        listed = "\n".join(f"  {text}" for text in mistakes[:10])
        rest = f"\n  and {len(mistakes) - 10} more" if len(mistakes) > 10 else ""
        raise DataError(
            f"The evidence for the report is incomplete:\n{listed}{rest}\nRun the stages that write these keys again."
        )
