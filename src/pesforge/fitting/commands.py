"""The commands `pesforge fit` and `pesforge evaluate`: files in, a folder or a table out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pesforge.dataset import LabelKeys, check_species, read_dataset
from pesforge.errors import DataError
from pesforge.export import load_potential, save_model
from pesforge.fields import FAMILY
from pesforge.fitting.candidates import FitSettings
from pesforge.fitting.evaluation import evaluate_frames
from pesforge.fitting.fit import FitResult
from pesforge.fitting.models import fitter_of
from pesforge.fitting.search import Say
from pesforge.io import write_json
from pesforge.metrics import by_family, errors
from pesforge.uncertainty.evidence import spoken

METRICS = "metrics.json"
POTENTIAL = "potential"
SPLITS = ("train", "validation", "cv", "test", "test_without_copies")
COLUMNS = (
    ("energy_mae_mev_per_atom", "E MAE meV/atom", 16, ".2f"),
    ("energy_rmse_mev_per_atom", "RMSE", 8, ".2f"),
    ("force_mae_ev_per_ang", "F MAE eV/Å", 12, ".4f"),
    ("force_rmse_ev_per_ang", "RMSE", 8, ".4f"),
    ("stress_mae_gpa", "S MAE GPa", 11, ".3f"),
    ("stress_rmse_gpa", "RMSE", 8, ".3f"),
)


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file. Name a folder with --out.")
    if not folder.is_dir():
        return
    own = {METRICS, POTENTIAL}
    found = {path.name for path in folder.iterdir()}
    if found and not (found <= own and (folder / POTENTIAL / "model.json").is_file()):
        raise DataError(f"{folder}: holds something else than an earlier fit. Name another folder with --out.")


def save_fit(folder: Path, result: FitResult) -> None:
    """Write `potential/` and `metrics.json` into a folder.

    Raises:
        DataError: the folder holds something else.
    """
    _check_folder(folder)
    save_model(folder / POTENTIAL, result.potential, result.metadata)
    write_json(folder / METRICS, result.metrics)


def fit_files(
    train: Path,
    test: Path | None,
    folder: Path,
    *,
    keys: LabelKeys,
    settings: FitSettings,
    say: Say,
    model: str = "ace",
    options: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Fit a potential to a file of labels, write it into `folder` and return the table of its errors.

    Args:
        train: extended XYZ file of the training structures.
        test: the same for a test; None: no test.
        folder: new folder, or that of an earlier fit.
        keys: names of the labels in both files.
        settings: the candidates.
        say: takes lines of progress and warnings.
        model: functional form, one of `FITTERS`.
        options: options of this functional form, values as text by name.

    Raises:
        DataError: a file is not usable, or the folder holds something else.
        SettingsError: an option is not known, or its value not allowed.
    """
    fitter = fitter_of(model, options)
    _check_folder(folder)
    training = read_dataset(train, keys)
    testing = None if test is None else read_dataset(test, keys)
    warnings = [*training.warnings, *(() if testing is None else testing.warnings)]
    result = fitter(training.frames, None if testing is None else testing.frames, settings, say=say, warnings=warnings)
    for warning in result.metrics["warnings"]:
        say(f"warning: {warning}")
    save_fit(folder, result)
    metrics = result.metrics
    rows: list[tuple[str, Any]] = [(split, metrics[split]) for split in SPLITS if split in metrics]
    if metrics["cv_leave_family_out"]:
        rows.append(("cv by family", metrics["cv_leave_family_out"]))
    return "\n".join(
        [
            metrics["choice"]["text"],
            "",
            *table(rows),
            *_interval(metrics.get("test_intervals_90")),
            *_own_errors(metrics.get("uncertainty")),
            "",
            f"potential: {folder / POTENTIAL} ({metrics['fit_seconds']:.0f} s)",
        ]
    )


def _interval(found: Mapping[str, Any] | None) -> list[str]:
    """A line on how far the errors of the test would move with another draw of test structures."""
    if found is None:
        return []
    energy, force = found["energy_mae_mev_per_atom"], found["force_mae_ev_per_ang"]
    return [
        f"test MAE, 90 % of draws of its structures: {energy[0]:.2f} to {energy[1]:.2f} meV/atom, "
        f"{force[0]:.4f} to {force[1]:.4f} eV/Å"
    ]


def _own_errors(found: Mapping[str, Any] | None) -> list[str]:
    """Lines on how often the intervals of left-out errors hold, for a potential that gives any."""
    if found is None:
        return []
    return ["", "left out:", *spoken(found)] if found["kinds"] else ["", f"no intervals of errors: {found['remark']}"]


def evaluate_files(folder: Path, file: Path, *, keys: LabelKeys, out: Path | None, say: Say) -> str:
    """The table of the errors of a potential on a file of labels; written as JSON to `out` if that is given.

    Args:
        folder: folder of a fit or of a potential.
        file: extended XYZ file.
        keys: names of the labels.
        out: JSON file; None: none is written.
        say: takes warnings.

    Raises:
        DataError: a file is not usable, or an element has no parameters.
    """
    potential = load_potential(folder).potential
    data = read_dataset(file, keys)
    check_species(data.frames, potential.species, file.name)
    for warning in data.warnings:
        say(f"warning: {warning}")
    found = evaluate_frames(potential, data.frames)
    families = [str(atoms.info[FAMILY]) for atoms in data.frames]
    rows = by_family(found, families)
    total = errors(found)
    if out is not None:
        metrics = {**total, "by_group": rows, "n_structures": len(families), "warnings": list(data.warnings)}
        write_json(out, metrics)
    return "\n".join(table([*((str(row["family"]), row) for row in rows), ("all", total)]))


def table(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Lines of a table of errors, one row per name; – where there is no label."""
    width = max(12, *(len(name) for name, _ in rows))
    lines = [" " * width + "".join(f"{title:>{size}}" for _, title, size, _ in COLUMNS)]
    for name, values in rows:
        cells = (_cell(values[key], size, form) for key, _, size, form in COLUMNS)
        lines.append(
            f"{name:<{width}}" + "".join(f"{cell:>{column[2]}}" for cell, column in zip(cells, COLUMNS, strict=True))
        )
    return lines


def _cell(value: float | None, size: int, form: str) -> str:
    """A number that fits into its column; – where there is none."""
    if value is None:
        return "–"
    usual = format(value, form)
    return usual if len(usual) < size else format(value, ".1e")
