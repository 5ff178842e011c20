"""Rewrites the conda environments of the rules from the lock file: envs/environments.py, from the repository's root.

`envs/dft.yaml` is for rules that do reference calculations, `envs/pipeline.yaml` for all others. Both pin what the lock
file pins, with all that it needs, and differ in where they begin.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = (
    "ase",
    "gpaw",
    "gpaw-data",
    "llvmlite",
    "numba",
    "numpy",
    "pandas",
    "phonopy",
    "pulp",
    "pydantic",
    "pymatgen",
    "pyyaml",
    "safetensors",
    "scipy",
    "snakemake",
    "sphericart",
    "torch",
    "vesin",
)
"""What the scripts of rules with reference calculations import, and Snakemake, which starts them."""
TEXT = """\
# {about}, for users of conda. Not built here: the supported installation is `make install`.
# Written by envs/environments.py from requirements.lock. It needs g++, like that one; from the repository's root:
# GPAW_CONFIG=$PWD/envs/gpaw_siteconfig.py PYTHONPATH=$PWD/src snakemake --sdm conda --config study=NAME
name: pesforge-{name}
dependencies:
  - python={python}
  - pip
  - pip:
{pins}
"""


def locked() -> dict[str, tuple[str, set[str]]]:
    """Version of every package of the lock file, and who asks for it."""
    found: dict[str, tuple[str, set[str]]] = {}
    name = ""
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if pin := re.match(r"([A-Za-z0-9_.-]+)==(\S+)", line):
            name = pin[1].lower()
            found[name] = (pin[2], set())
        elif name and (asks := re.match(r"\s+#\s+(?:via\s+)?(\S+)", line)):
            found[name][1].add(asks[1].lower())
    return found


def project() -> dict[str, list[str]]:
    """The names that the project itself depends on, and its Python as `python`."""
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.match(r"[A-Za-z0-9_.-]+", line) for line in stated["dependencies"]]
    version = re.match(r">=(\d+\.\d+)", stated["requires-python"])
    return {"names": [name[0].lower() for name in names if name], "python": [version[1]] if version else []}


def pins(roots: list[str]) -> list[str]:
    """Pinned lines of some packages and of all that they need, sorted."""
    lock = locked()
    wanted: set[str] = set()
    fresh = set(roots)
    while fresh:
        wanted |= fresh
        fresh = {name for name, (_, asking) in lock.items() if asking & fresh} - wanted
    return [f"{name}=={lock[name][0]}" for name in sorted(wanted)]


def texts() -> dict[str, str]:
    """The text of every environment file by its name."""
    stated = project()
    kinds = {
        "dft": ("Rules that do reference calculations", list(REFERENCE)),
        "pipeline": ("Rules without reference calculations", stated["names"]),
    }
    return {
        f"{name}.yaml": TEXT.format(
            about=about,
            name=name,
            python=stated["python"][0],
            pins="\n".join(f"      - {pin}" for pin in pins(roots)),
        )
        for name, (about, roots) in kinds.items()
    }


if __name__ == "__main__":
    for name, text in texts().items():
        (ROOT / "envs" / name).write_text(text)
