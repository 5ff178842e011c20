"""The command `pesforge compare`: two sides in, one page out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.comparison.sides import Side, side
from pesforge.dataset import LabelKeys, check_species, read_dataset
from pesforge.errors import DataError
from pesforge.export import load_potential
from pesforge.fields import FAMILY
from pesforge.fitting.evaluation import evaluate_frames
from pesforge.fitting.search import Say
from pesforge.io import write_text
from pesforge.metrics import Residuals, by_family, errors
from pesforge.report.compare import render_comparison

Row = Mapping[str, Any]


def compare(
    names: tuple[str, str], out: Path, *, on: Path | None, keys: LabelKeys, root: Path, config: Path, say: Say
) -> str:
    """Write the page of two studies or two potentials, and say where it is and what they differ in.

    Args:
        names: what `pesforge.comparison.sides.side` understands, both of one kind.
        out: the page.
        on: labelled structures, extended XYZ, on which both potentials are judged; None: on none.
        keys: names of its labels.
        root: folder with `results`.
        config: folder of the studies.
        say: takes warnings.

    Raises:
        DataError: a study is not finished, a file is not usable, or the two are not of one kind.
    """
    first, second = (side(name, root, config) for name in names)
    if first.is_study is not second.is_study:
        raise DataError(
            f"{names[0]} is a {_kind(first)} and {names[1]} a {_kind(second)}: name two studies or two potentials. "
            "The potential of a study is the folder results/NAME/potential."
        )
    judged = None if on is None else _judge((first, second), on, keys, say)
    titles = _titles(first, second, names)
    sides = [
        {"name": title, "model": one.model, "settings": one.settings, "evidence": one.evidence}
        for title, one in zip(titles, (first, second), strict=True)
    ]
    write_text(out, render_comparison(sides, judged))
    return f"comparison: {out} ({out.stat().st_size / 1e6:.1f} MB)"


def _kind(one: Side) -> str:
    return "study" if one.is_study else "potential"


def _titles(first: Side, second: Side, names: tuple[str, str]) -> tuple[str, str]:
    """Names that differ: those of the sides, or what the user called them, numbered where that is the same."""
    for found in ((first.name, second.name), names):
        if found[0] != found[1]:
            return found
    return f"{first.name} (1)", f"{second.name} (2)"


def _judge(sides: Sequence[Side], file: Path, keys: LabelKeys, say: Say) -> dict[str, Any]:
    """Errors of both potentials on the same structures, and what each predicts."""
    data = read_dataset(file, keys)
    for warning in data.warnings:
        say(f"warning: {warning}")
    potentials = [load_potential(one.folder).potential for one in sides]
    for potential in potentials:
        check_species(data.frames, potential.species, file.name)
    found = [evaluate_frames(potential, data.frames) for potential in potentials]
    families = [str(atoms.info[FAMILY]) for atoms in data.frames]
    return {
        "file": file.name,
        "n_structures": len(families),
        "families": families,
        "errors": [errors(one) for one in found],
        "by_family": [by_family(one, families) for one in found],
        "energy_ev_per_atom": [_energies(data.frames, one) for one in found],
        "force_ev_per_ang": [_forces(data.frames, one) for one in found],
    }


def _energies(frames: Sequence[Atoms], found: Residuals) -> list[float]:
    """Predicted energies per atom."""
    labels = np.array([atoms.calc.results["energy"] / len(atoms) for atoms in frames])
    return list((labels + found.energy).tolist())


def _forces(frames: Sequence[Atoms], found: Residuals) -> list[float]:
    """Predicted force components."""
    labels = np.concatenate([atoms.calc.results["forces"].ravel() for atoms in frames])
    return list((labels + found.forces).tolist())
