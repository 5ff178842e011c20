"""Two runs of one study from nothing: what they say of the same things must have the same bytes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pesforge.archive.compare import TRAINED, Comparison, compare_files
from pesforge.archive.contents import labels_of, stores_of
from pesforge.archive.verify import LIGHTNING, TIMED
from pesforge.errors import DataError

PATTERNS = (
    "converge/**/*",
    "sample/*",
    "label/labels.extxyz",
    "curate/*",
    "describe/*",
    "crossvalidate/*",
    "choose/*",
    "validate/*",
    "potential/*",
    "evidence/*.json",
)
"""What is compared; logs, benchmarks, journals and the page tell of times."""


def compare_runs(first: Path, second: Path) -> list[Comparison]:
    """How every file of one run came out in another, evidence that holds times left out, and which labels there are.

    Args:
        first: results of a study.
        second: results of the same study from a run of its own.

    Raises:
        DataError: there is no evidence to compare.
    """
    names = sorted({*_names(first), *_names(second)})
    if not any(name.startswith("evidence/") for name in names):
        raise DataError(f"{first}: holds no evidence; run the study first.")
    found = [_compared(first, second, name) for name in names]
    one, other = (_labels(run) for run in (first, second))
    missing = tuple(f"{path} only in one run" for path in sorted(one ^ other))
    return [*found, Comparison(f"names of {len(one)} labels", not missing, 0.0, missing)]


def _labels(results: Path) -> set[Path]:
    """Files of the labels of a run; each is named by all that decides it."""
    return {path.relative_to(results) for store in stores_of(results) for path in labels_of(store)}


def _names(results: Path) -> Iterator[str]:
    """Names of the files of a run that are compared."""
    for pattern in PATTERNS:
        for path in results.glob(pattern):
            name = path.relative_to(results)
            hidden = any(part.startswith(".") for part in name.parts)
            if path.is_file() and not hidden and not (name.parts[0] == "evidence" and path.stem in TIMED):
                yield name.as_posix()


def _compared(first: Path, second: Path, name: str) -> Comparison:
    """How a file came out again; what Lightning trains may differ by its tolerance, all else by no byte."""
    if not (first / name).is_file():
        return Comparison(name, False, 0.0, ("the first run did not write it",))
    trained = name.startswith("evidence/") and Path(name).stem in LIGHTNING
    found = compare_files(first / name, second / name, name, relative=TRAINED if trained else 0.0)
    if found.same or found.differences or trained:
        return found
    return Comparison(name, False, found.largest, (f"other bytes, {found.words}",))


def text(found: Sequence[Comparison]) -> str:
    """The findings, a line each."""
    width = max(len(one.name) for one in found)
    rows = [f"{one.name:<{width}}  {one.words}" for one in found]
    differing = [one.name for one in found if one.differences]
    identical = sum(one.same for one in found)
    last = f"{identical} of {len(found)} identical; " + (
        f"{len(differing)} differ: {', '.join(differing)}" if differing else "none differs"
    )
    return "\n".join([*rows, last])
