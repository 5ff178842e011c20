"""Writing the archive of a study: an RO-Crate that holds all that a rerun without DFT needs, and what it must give.

Source: S. Soiland-Reyes et al., Data Science 5, 97 (2022); the metadata are those of ro-crate-py.
"""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rocrate.rocrate import ROCrate

from pesforge.archive.contents import CODE, MANIFEST, RESULTS, files_of, labels_of, stores_of
from pesforge.errors import DataError
from pesforge.io import atomic_path, read_json, sha256_of, write_text
from pesforge.study import LoadedStudy

LICENCE = "https://spdx.org/licenses/MIT"
KINDS = {
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".txt": "text/plain",
    ".extxyz": "chemical/x-xyz",
}
"""Media types by the ending of a file."""
WORDS = {
    "config": "settings of the study, and the structure files that it names",
    "src": "code of pesforge",
    "workflow": "rules and scripts of the workflow",
    "envs": "how the environment is installed",
    "profiles": "profiles of Snakemake",
}
READ_ME = """# {name}

Archive of a study of {formula} by pesforge: its settings, its code, all of its labels, its evidence and its potential.

    make verify    # installs everything, runs every stage again from the labels, compares with the archived evidence

Open results/{name}/report/index.html first. results/{name}/potential holds the potential, with its model card as
MODEL_CARD.md and as model.json. manifest-sha256.txt holds the digests of all files (sha256sum --check).
`make verify` runs the code of this archive: read it, or compare it with a copy that you trust, before you do.
"""


def write_archive(loaded: LoadedStudy, root: Path, out: Path) -> int:
    """Write the archive of a finished study as a zip file; return the number of its files.

    Args:
        loaded: checked study.
        root: folder of the repository, with `results`.
        out: zip file.

    Raises:
        DataError: the study has no report yet, or names a structure file that is not beside it.
        StorageError: the disk is full.
    """
    name = loaded.settings.name
    results = root / "results" / name
    if not (results / "report" / "index.html").is_file():
        raise DataError(f"{results}: there is no report yet; `make run STUDY={loaded.path}` makes it.")
    provenance = read_json(results / "evidence" / "provenance.json")
    with tempfile.TemporaryDirectory(prefix="pesforge-archive-") as folder:
        stage = Path(folder) / name
        names = [_copy(root, stage, path) for path in files_of(root, CODE)]
        names += [_copy(results, stage / "results" / name, path) for path in files_of(results, RESULTS)]
        for store in stores_of(results):
            names += [_copy(results, stage / "results" / name, path.relative_to(results)) for path in labels_of(store)]
        _study(loaded, stage)
        _default_study(stage / "Makefile", name)
        write_text(stage / "README.md", READ_ME.format(name=name, formula=provenance["formula"]))
        written = sorted(path for path in stage.rglob("*") if path.is_file())
        rows = [f"{sha256_of(path)}  {path.relative_to(stage).as_posix()}\n" for path in written]
        write_text(stage / MANIFEST, "".join(rows))
        crate = _described(stage, name, provenance)
        with atomic_path(out) as place:
            made = Path(folder) / "crate.zip"
            crate.write_zip(made)
            shutil.copyfile(made, place)
    return len(rows)


def _copy(source: Path, target: Path, path: Path) -> Path:
    """Copy a file of one folder to its place in another."""
    place = target / path
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / path, place)
    return path


def _study(loaded: LoadedStudy, stage: Path) -> None:
    """The study file as `config/NAME.yaml`, with the structure files that it names beside it."""
    folder = loaded.path.parent
    target = stage / "config" / f"{loaded.settings.name}.yaml"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(loaded.path, target)
    hull = loaded.settings.validate_.hull
    crystals = [loaded.settings.structure, *(hull.crystals if hull is not None else ())]
    for file in [crystal.file for crystal in crystals if crystal.file is not None]:
        if file.is_absolute() or ".." in file.parts:
            raise DataError(
                f"{loaded.path}: {file} is not beside the study; an archive holds its files by the same names. Move it "
                "into the folder of the study, and name it relative to that."
            )
        _copy(folder, stage / "config", file)


def _default_study(makefile: Path, name: str) -> None:
    """Let the archive's `make verify` take its study."""
    text = makefile.read_text(encoding="utf-8")
    write_text(makefile, text.replace("STUDY ?= config\n", f"STUDY ?= {name}\n", 1))


def _described(stage: Path, name: str, provenance: Mapping[str, Any]) -> ROCrate:
    """The crate of a folder, with what each part is."""
    crate = ROCrate()
    crate.name = f"{name}: machine-learning interatomic potential of {provenance['formula']} and its evidence"
    hashes = f"settings {provenance['settings_hash']}, study {provenance['study_hash']}, seed {provenance['seed']}"
    crate.description = (
        f"Settings, code, DFT labels, evidence and potential of the study {name} ({hashes}); `make verify` runs it "
        "again from the labels."
    )
    crate.license = LICENCE
    workflow = crate.add_workflow(stage / "Snakefile", "Snakefile", main=True, lang="snakemake")
    workflow["softwareRequirements"] = [
        f"{package} {number}" for package, number in sorted(provenance["versions"].items())
    ]
    results = stage / "results" / name
    words = {stage / part: about for part, about in WORDS.items()}
    words[results / "evidence"] = "what every stage found, JSON"
    words |= dict.fromkeys(stores_of(results), "labels, a JSON file of each, named by all that decides it")
    for folder, about in words.items():
        part = folder.relative_to(stage).as_posix()
        crate.add_directory(folder, part, properties={"name": part, "description": about})
    for path in sorted(path for path in stage.rglob("*") if path.is_file()):
        if path != stage / "Snakefile" and not any(path.is_relative_to(folder) for folder in words):
            part = path.relative_to(stage).as_posix()
            properties = {"name": part, "contentSize": path.stat().st_size, "sha256": sha256_of(path)}
            kind = KINDS.get(path.suffix)
            crate.add_file(path, part, properties=properties | ({"encodingFormat": kind} if kind else {}))
    return crate
