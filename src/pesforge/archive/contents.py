"""What belongs to the archive of a study: code, study, labels, evidence and potential, with their digests."""

from collections.abc import Iterator
from pathlib import Path

from pesforge.errors import DataError
from pesforge.io import sha256_of

MANIFEST = "manifest-sha256.txt"
"""Digests of all files, a line of each as `sha256sum --check` reads them."""
CODE = (
    "Snakefile",
    "Makefile",
    "README.md",
    "LICENSE",
    "pyproject.toml",
    "requirements.lock",
    "config/train",
    "envs",
    "profiles",
    "src/pesforge",
    "workflow",
)
RESULTS = ("evidence", "potential", "report", "label/labels.extxyz")
"""Results that are kept beside the labels of the stores; all others follow from them."""
LEFT_OUT = ("__pycache__",)
STORE = "store"
JOURNALS = "journals"


def files_of(root: Path, parts: tuple[str, ...]) -> Iterator[Path]:
    """Paths relative to `root` of all files of some files and folders, sorted, caches left out.

    Raises:
        DataError: one of them is not there.
    """
    for part in parts:
        place = root / part
        if not place.exists():
            raise DataError(f"{place} is missing; an archive needs it.")
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.is_file() and not any(name in LEFT_OUT for name in path.parts):
                yield path.relative_to(root)


def stores_of(results: Path) -> list[Path]:
    """Folders of labels below the results of a study, of every level and of the driver."""
    return sorted(path for path in results.rglob(STORE) if path.is_dir())


def labels_of(store: Path) -> Iterator[Path]:
    """Files of the labels of a store, sorted; its journals and locks tell of runs, not of labels."""
    for path in sorted(store.rglob("[!.]*.json")):
        if JOURNALS not in path.parts:
            yield path


def damaged(root: Path) -> list[str]:
    """Names of files whose digest is not that of the manifest, or that are missing; none where there is no manifest.

    Raises:
        DataError: the manifest is none, or names a file outside the folder.
    """
    manifest = root / MANIFEST
    if not manifest.is_file():
        return []
    found = []
    for number, line in enumerate(manifest.read_text(encoding="utf-8").splitlines(), start=1):
        digest, _, name = line.partition("  ")
        if len(digest) != 64 or not name or Path(name).is_absolute() or ".." in Path(name).parts:
            raise DataError(f"{manifest}: line {number} is not a digest and a file of this folder. Unpack it again.")
        path = root / name
        if not path.is_file() or sha256_of(path) != digest:
            found.append(name)
    return found
