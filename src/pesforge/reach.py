"""What code a script can reach by import: the digest of it reruns a job when any of it changes."""

import ast
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

from pesforge.errors import StorageError
from pesforge.io import write_json
from pesforge.provenance import PACKAGE_ROOT, digest, stripped

PASSED = ("*settings*.py", "study*.py", "errors.py", "mistakes.py", "peaks.py", "progress.py")
"""Modules of the ground floor that are not followed: settings, whose values a rule compares itself, and words."""
CACHE = f"__pycache__/reach.{sys.implementation.cache_tag}.json"


class Sources:
    """The source files of a package, each read once for all processes: to read them takes a second, and every job asks.

    Args:
        root: folder of the package.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.known = root, dict[str, tuple[str, list[str]]]()
        self.read, self.led = dict[Path, tuple[str, list[str]]](), dict[Path, set[Path]]()
        with suppress(OSError, ValueError):
            self.known = json.loads((root / CACHE).read_text())
        self.kept = len(self.known)

    def facts(self, file: Path) -> tuple[str, list[str]]:
        """Digest of the code of a file, and the modules that it imports."""
        if file not in self.read:
            source = file.read_bytes()
            key = sha256(source).hexdigest()
            if key not in self.known:
                self.known[key] = _facts(source)
            self.read[file] = self.known[key]
        return self.read[file]

    def digest(self, files: Iterable[Path]) -> str:
        """Digest of some files under names that are the same wherever the project lies."""
        found = digest({self._name(file): self.facts(file)[0] for file in files})
        if len(self.known) > self.kept:
            self.kept = len(self.known)
            with suppress(OSError, StorageError):
                write_json(self.root / CACHE, self.known)
        return found

    def imported(self, file: Path, scripts: Path) -> set[Path]:
        """Files of the package and of a folder of scripts that a file imports.

        The `__init__.py` of a room counts where the room itself is imported: what it offers of other modules is no
        part of the module behind it that is asked for.
        """
        if file not in self.led:
            self.led[file] = set().union(*(self._files(module, scripts) for module in self.facts(file)[1]))
        return self.led[file]

    def _files(self, module: str, scripts: Path) -> Iterator[Path]:
        first, *rest = module.split(".")
        if first != self.root.name:
            candidates = [scripts / f"{first}.py"]
        else:
            path = self.root.joinpath(*rest)
            candidates = [path.with_suffix(".py"), *([path / "__init__.py"] if rest else [])]
        return (candidate for candidate in candidates if candidate.is_file())

    def _name(self, file: Path) -> str:
        return file.relative_to(self.root).as_posix() if file.is_relative_to(self.root) else f"scripts/{file.name}"


def _facts(source: bytes) -> tuple[str, list[str]]:
    tree, modules = ast.parse(source), set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return digest(ast.dump(stripped(tree))), sorted(modules)


@cache
def _sources(root: Path) -> Sources:
    return Sources(root)


def reached_by(script: Path, *, without: Iterable[str] = (), root: Path = PACKAGE_ROOT) -> set[Path]:
    """A script and all files that it can reach by import, also by one inside a function.

    Args:
        script: file whose imports are followed, in its folder and in the package.
        without: modules that are not followed, such as `dft/vasp_engine`.
        root: folder of the package.
    """
    passed = {root / f"{part}.py" for part in without}.union(*(root.glob(pattern) for pattern in PASSED))
    seen, waiting = set[Path](), [script]
    while waiting:
        file = waiting.pop()
        if file not in seen and file not in passed:
            seen.add(file)
            waiting += _sources(root).imported(file, script.parent)
    return seen


def code_of(script: Path, *, without: Iterable[str] = (), root: Path = PACKAGE_ROOT) -> str:
    """Digest of the code of `reached_by`, without comments, docstrings and layout; arguments as there."""
    return _sources(root).digest(reached_by(script, without=without, root=root))


def code_of_package(root: Path = PACKAGE_ROOT) -> str:
    """Digest of all code of a package, without comments, docstrings and layout."""
    return _sources(root).digest(root.rglob("*.py"))
