"""Where the labels of a published set are: addresses, local files, digests."""

from pathlib import Path

from pesforge.errors import DataError
from pesforge.published.mlearn import BASE_URL
from pesforge.published.settings import SPLITS, Published


def url_of(settings: Published, element: str, split: str) -> str:
    """Address of a published file.

    Args:
        settings: section `published` of the study.
        element: chemical symbol.
        split: `training` or `test`.
    """
    return f"{(settings.base_url or BASE_URL).rstrip('/')}/{element}/{split}.json"


def local_files(folder: Path, element: str) -> dict[str, Path]:
    """The local files of an element by split: extended XYZ, or JSON as it was published where there is none.

    Args:
        folder: folder of the files.
        element: chemical symbol.

    Raises:
        DataError: neither form is complete.
    """
    forms = [
        {split: folder / f"{element}_{split}.extxyz" for split in SPLITS},
        {split: folder / element / f"{split}.json" for split in SPLITS},
    ]
    for files in forms:
        if all(path.is_file() for path in files.values()):
            return files
    wanted = " or ".join(" and ".join(str(path) for path in files.values()) for files in forms)
    raise DataError(f"no labels of {element}: {wanted} must be there. Without `folder` they are downloaded.")
