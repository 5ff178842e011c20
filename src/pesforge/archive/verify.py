"""Running a study again from its labels, elsewhere, and comparing all that it says with what it said."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pesforge.archive.compare import RELATIVE, TRAINED, Comparison, compare_files
from pesforge.archive.contents import damaged, labels_of, stores_of
from pesforge.dft.labelling import read_journals
from pesforge.errors import DataError, PesforgeError
from pesforge.io import read_json
from pesforge.launch import run
from pesforge.study import LoadedStudy

TIMED = frozenset({"cost", "ledger", "repeats", "provenance"})
"""Evidence that holds times or versions, which differ from machine to machine."""
LIGHTNING = frozenset({"train"})
NEEDED = ("Snakefile", "workflow", "config/train", "envs", "profiles")
COMPARED = ("potential/weights.safetensors", "label/labels.extxyz")


@dataclass(frozen=True)
class Verification:
    """What a rerun found.

    Args:
        files: every file that was compared.
        computed: number of calculations that the stores did not hold.
        versions: packages whose version is not that of the archive, as `numpy 2.4.6, was 2.4.5`.
    """

    files: tuple[Comparison, ...]
    computed: int
    versions: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether every file came out again."""
        return not any(file.differences for file in self.files)

    def text(self) -> str:
        """The findings, a line each."""
        width = max(len(file.name) for file in self.files)
        rows = [f"{file.name:<{width}}  {file.words}" for file in self.files]
        rows.append(f"calculations that were not among the labels: {self.computed}")
        if self.versions:
            rows.append(f"other versions than the archive's: {', '.join(self.versions)}")
        differing = sum(bool(file.differences) for file in self.files)
        rows.append(f"{differing} of {len(self.files)} files differ" if differing else "all files agree")
        return "\n".join(rows)


def verify(loaded: LoadedStudy, root: Path, folder: Path | None = None) -> Verification:
    """Run a study again in a folder of its own, from nothing but its labels, and compare.

    Args:
        loaded: checked study.
        root: folder of the repository or of an unpacked archive, with `results`; nothing in it is changed.
        folder: where to run, empty or new; None: a temporary one, which goes when all is done.

    Raises:
        DataError: files of the archive are damaged, or there is nothing to compare with.
        PesforgeError: the rerun did not come to its end.
    """
    name = loaded.settings.name
    results = root / "results" / name
    if broken := damaged(root):
        raise DataError(
            f"{root}: {len(broken)} files are missing or changed since the archive was written: "
            f"{', '.join(broken[:5])}. Unpack it again."
        )
    archived = sorted((results / "evidence").glob("[!.]*.json"))
    if not archived or not stores_of(results):
        raise DataError(f"{results}: holds no evidence or no labels; run the study first, or name another.")
    with _place(folder) as place:
        _prepare(root.resolve(), results, place, name)
        status = run(str(loaded.path.resolve()), folder=place)
        if status:
            raise PesforgeError(f"the rerun of {name} in {place} did not finish; see above.")
        made = place / "results" / name
        names = [f"evidence/{path.name}" for path in archived if path.stem not in TIMED]
        names += [path for path in COMPARED if (results / path).is_file()]
        return Verification(
            tuple(
                compare_files(
                    results / path, made / path, path, relative=TRAINED if Path(path).stem in LIGHTNING else RELATIVE
                )
                for path in names
            ),
            sum(event["event"] == "finished" for journal in _journals(made) for event in read_journals(journal)),
            _other_versions(results, made),
        )


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    """The folder of the rerun, absolute and empty."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="pesforge-verify-") as made:
            yield Path(made).resolve()
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: is not an empty folder; name a new one for the rerun.")
    folder.mkdir(parents=True, exist_ok=True)
    yield folder.resolve()


def _prepare(root: Path, results: Path, place: Path, name: str) -> None:
    """The workflow, and the labels of the study; links where the file system has them, for nothing of it is changed."""
    for part in NEEDED:
        source, target = root / part, place / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    for store in stores_of(results):
        for path in labels_of(store):
            target = place / "results" / name / path.relative_to(results)
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(path, target)


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def _journals(made: Path) -> list[Path]:
    """Folders of the journals of a run."""
    return sorted(path for pattern in ("journal", "journals") for path in made.rglob(pattern) if path.is_dir())


def _other_versions(results: Path, made: Path) -> tuple[str, ...]:
    old, new = (read_json(folder / "evidence" / "provenance.json")["versions"] for folder in (results, made))
    return tuple(f"{key} {new[key]}, was {value}" for key, value in sorted(old.items()) if new.get(key, value) != value)
