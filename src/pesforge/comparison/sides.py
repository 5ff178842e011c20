"""What is compared: the settings and the evidence of a finished study, or a folder with a potential."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pesforge.errors import DataError
from pesforge.export.potential_folder import MODEL, potential_place
from pesforge.io import read_json
from pesforge.report.compare import SHAPE
from pesforge.report.schema import require
from pesforge.study import LoadedStudy, load_study
from pesforge.study_file import study_path

Row = Mapping[str, Any]
APART = ("name",)
"""Settings that differ between any two studies."""


@dataclass(frozen=True)
class Side:
    """One of the two.

    Args:
        name: what the page calls it.
        folder: that of its potential.
        model: kind, digests and metadata of the potential.
        settings: all settings of the study by their path, such as `dft.cutoff_ev`; none for a potential.
        evidence: parts of the evidence of the study; none for a potential.
    """

    name: str
    folder: Path
    model: Row
    settings: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)

    @property
    def is_study(self) -> bool:
        """Whether it is a study; otherwise a potential alone."""
        return bool(self.evidence)


def side(name: str, root: Path, config: Path) -> Side:
    """The finished study or the potential of this name.

    Args:
        name: folder of a fit or of a potential; or name of a study below `config`, or path of its YAML file.
        root: folder with `results`.
        config: folder of the studies, with `train`.

    Raises:
        DataError: a study is not finished, or is one of published labels.
        SettingsError: there is no such study.
    """
    folder = Path(name)
    if folder.is_dir():
        return Side(_title(folder), folder, _model(folder))
    loaded = load_study(study_path(name, config), config / "train")
    if not isinstance(loaded, LoadedStudy):
        raise DataError(f"{name}: is a study of published labels; studies of a crystal and potentials are compared.")
    results = root / "results" / loaded.settings.name
    paths = {stage: results / "evidence" / f"{stage}.json" for stage in SHAPE}
    missing = [path.name for path in paths.values() if not path.is_file()]
    if missing or not (results / "potential" / MODEL).is_file():
        what = ", ".join(missing) or "the potential"
        raise DataError(
            f"study {loaded.settings.name} is not finished: {results} lacks {what}. "
            f"`make run STUDY={name}` finishes it."
        )
    evidence = {stage: read_json(path) for stage, path in paths.items()}
    require(evidence, SHAPE)
    settings = dict(_flat(loaded.settings.model_dump(mode="json")))
    return Side(
        loaded.settings.name,
        results / "potential",
        _model(results / "potential"),
        {key: value for key, value in settings.items() if key not in APART},
        evidence,
    )


def _title(folder: Path) -> str:
    """Name of a folder that tells it from others: that above one which is called `potential`."""
    place = folder.resolve()
    return place.parent.name if place.name == "potential" else place.name


def _model(folder: Path) -> Row:
    """What `model.json` says of a potential: its kind, its metadata and the digests of its files."""
    place = potential_place(folder)
    found = read_json(place / MODEL)
    wanted = ("kind", "metadata", "sha256")
    if not isinstance(found, dict) or any(key not in found for key in wanted):
        raise DataError(f"{place / MODEL}: is not of a potential that pesforge wrote: it lacks {', '.join(wanted)}.")
    return {key: found[key] for key in wanted}


def _flat(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Values of nested mappings by the path of their keys."""
    if isinstance(value, Mapping) and value:
        return [pair for key, item in value.items() for pair in _flat(item, f"{path}.{key}" if path else str(key))]
    return [(path, value)]
