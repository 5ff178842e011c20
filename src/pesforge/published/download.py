"""Files from the network, by address and digest: whole and right, or not there at all."""

import re
import shutil
import tempfile
from pathlib import Path

import pooch
import requests

from pesforge.errors import DataError
from pesforge.io import atomic_path, read_json, sha256_of, write_text

TIMEOUT_S = 60.0
"""Longest silence of the server."""
OTHERWISE = "Try again later, or take local files with `published.folder`."


def download(url: str, target: Path, *, sha256: str | None, record: Path) -> str:
    """The SHA-256 of the JSON file that was downloaded to `target`.

    Where no digest is given, that of the first download is written to `record`, and every later one must have it.

    Args:
        url: address of the file.
        target: where it goes; written only when it is whole and has the digest.
        sha256: digest that it must have; None: that in `record`, if there is one.
        record: text file of the digest.

    Raises:
        DataError: the file cannot be had, has another digest, or is no JSON.
    """
    first = record.read_text(encoding="utf-8").split()[0] if record.is_file() else None
    known = sha256 or first
    target.parent.mkdir(parents=True, exist_ok=True)
    pooch.get_logger().setLevel("ERROR")
    with tempfile.TemporaryDirectory(prefix=".download.", dir=target.parent) as folder:
        try:
            downloader = pooch.HTTPDownloader(timeout=TIMEOUT_S)
            pooch.retrieve(url, known_hash=known, fname=target.name, path=folder, downloader=downloader)
        except requests.exceptions.HTTPError as error:
            answer = str(error).split(" for url")[0]
            raise DataError(f"{url}: the server answers {answer!r}. Check `published.base_url`. {OTHERWISE}") from error
        except requests.exceptions.RequestException as error:
            raise DataError(f"{url}: cannot be downloaded ({_short(error)}). {OTHERWISE}") from error
        except ValueError as error:
            source = "by `published.sha256`" if sha256 else f"at the first download, see {record}"
            found = re.search(r"got ([0-9a-f]{64})", str(error))
            raise DataError(
                f"{url}: has the SHA-256 {found[1] if found else 'of another file'}, but {known} {source}. The file "
                "was not kept: it is damaged, or was changed at its source. If the change is right, correct the digest."
            ) from error
        got = Path(folder) / target.name
        try:
            read_json(got)
        except DataError as error:
            raise DataError(f"{url}: what the server sends is no JSON; it was not kept. {OTHERWISE}") from error
        digest = sha256_of(got)
        write_text(record, f"{digest}  {target.name}\n")
        with atomic_path(target) as temporary:
            shutil.copyfile(got, temporary)
    return digest


def _short(error: Exception) -> str:
    """The kind of a network error in words; their own texts are long and full of addresses of objects."""
    if isinstance(error, requests.exceptions.Timeout):
        return f"no answer within {TIMEOUT_S:.0f} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke in the middle of the file"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "no connection to the server"
    return type(error).__name__
