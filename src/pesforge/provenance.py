"""Digests, seeds, code fingerprints and versions: what makes a result repeatable and traceable."""

import ast
import hashlib
import importlib.metadata
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

from pesforge.io import canonical_json

PACKAGE_ROOT = Path(__file__).parent
REPORTED_PACKAGES = (
    "ase",
    "gpaw",
    "gpaw-data",
    "hydra-core",
    "numba",
    "numpy",
    "pandas",
    "pesforge",
    "phonopy",
    "pymatgen",
    "pytorch-lightning",
    "scipy",
    "snakemake",
    "torch",
)


def digest(value: Any, length: int = 16) -> str:
    """First `length` hexadecimal digits of the SHA-256 of `value` as canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]


def derive_seed(study_seed: int, *names: str | int) -> int:
    """A seed in [0, 2³²) that depends on the study's seed and on the names of the job, and on nothing else."""
    return int(digest([study_seed, *names], 8), 16)


def stripped(tree: ast.Module) -> ast.Module:
    """The syntax tree without docstrings, so that a changed text changes no fingerprint."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [
                item
                for item in node.body
                if not (
                    isinstance(item, ast.Expr)
                    and isinstance(item.value, ast.Constant)
                    and isinstance(item.value.value, str)
                )
            ]
    return tree


@cache
def _dumped(file: Path, _mtime_ns: int) -> str:
    """The stripped tree of a file as text; a plan asks for the same files thirty times."""
    return ast.dump(stripped(ast.parse(file.read_text(encoding="utf-8"))))


@cache
def fingerprint(*parts: str, root: Path = PACKAGE_ROOT) -> str:
    """Digest of the code of subpackages or modules, without comments, docstrings and layout.

    Args:
        parts: paths below the package such as `dft` or `potentials/linear`.
        root: folder of the package.

    Raises:
        FileNotFoundError: a part names neither a folder nor a module.
    """
    trees = {}
    for part in parts:
        folder, module = root / part, root / f"{part}.py"
        files = [module] if module.is_file() else sorted(folder.rglob("*.py"))
        if not files:
            raise FileNotFoundError(f"no code to fingerprint at {folder}")
        for file in files:
            trees[file.relative_to(root).as_posix()] = _dumped(file, file.stat().st_mtime_ns)
    return digest(trees)


def source_digest(*parts: str, root: Path = PACKAGE_ROOT) -> str:
    """Digest of the source files of subpackages, texts included: quick, for a record of what ran.

    Args:
        parts: paths below the package such as `dft`.
        root: folder of the package.
    """
    whole = hashlib.sha256()
    for part in parts:
        for file in sorted((root / part).rglob("*.py")):
            whole.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return whole.hexdigest()[:16]


def versions() -> dict[str, str]:
    """Versions of Python, the platform and the packages that decide the numbers."""
    found = {"python": sys.version.split()[0], "machine": platform.machine()}
    for name in REPORTED_PACKAGES:
        found[name] = importlib.metadata.version(name)
    return found
