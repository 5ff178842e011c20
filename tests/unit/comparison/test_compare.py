"""The command `compare`: potentials on the same structures against errors by hand, and clear refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones

from pesforge.cli import main
from pesforge.comparison import compare
from pesforge.dataset import LabelKeys
from pesforge.errors import DataError
from pesforge.export import load_potential
from pesforge.fitting import FitSettings
from pesforge.fitting.commands import fit_files
from pesforge.io import write_frames

KEYS = LabelKeys(None, None, None, None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Labels of a Lennard-Jones crystal and two pair potentials that were fitted to different halves of them."""
    place = tmp_path_factory.mktemp("compare")
    rng = np.random.default_rng(3)
    frames = []
    for index in range(12):
        atoms = bulk("Ar", "fcc", 5.2 + 0.02 * index, cubic=True)
        atoms.positions += rng.normal(scale=0.08, size=atoms.positions.shape)
        atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=7.0)
        atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
        frames.append(atoms)
    write_frames(place / "a.extxyz", frames[:8])
    write_frames(place / "b.extxyz", frames[4:])
    write_frames(place / "on.extxyz", frames)
    for name in "ab":
        fit_files(
            place / f"{name}.extxyz",
            None,
            place / name,
            keys=KEYS,
            settings=FitSettings(functions=12),
            say=lambda _: None,
            model="pair",
        )
    return place, frames


def run(place, first, second, on="on.extxyz", say=lambda _: None):
    out = place / "page.html"
    compare((first, second), out, on=on and place / on, keys=KEYS, root=place, config=place / "config", say=say)
    return out.read_text(encoding="utf-8")


def test_errors_on_the_same_structures_are_those_by_hand(folder):
    place, frames = folder
    page = run(place, str(place / "a"), str(place / "b"))
    metadata = page[page.index('id="fig-parity"') :]
    panel = json.loads(metadata[metadata.index("<metadata>") + 10 : metadata.index("</metadata>")])[0]
    for axis, name in (("x", "a"), ("y", "b")):
        energies = []
        for atoms in frames:
            copy = atoms.copy()
            copy.calc = load_potential(place / name)
            energies.append(copy.get_potential_energy() / len(copy))
        points = next(series for series in panel["series"] if len(series["x"]) == len(frames))
        assert points[axis] == pytest.approx(energies, abs=1e-8)
    assert page == run(place, str(place / "a"), str(place / "b"))
    assert "Both potentials on the 12 structures of on.extxyz" in page


def test_what_is_not_finished_or_of_two_kinds_is_refused(folder, tmp_path, monkeypatch, capsys):
    place, _ = folder
    repository = Path(__file__).parents[3]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").symlink_to(repository / "config")
    assert main(["compare", "silicon", "aluminium", "--out", "x.html"]) == 1
    assert "study silicon is not finished" in capsys.readouterr().err
    assert main(["compare", "mlearn", "silicon", "--out", "x.html"]) == 1
    assert "study of published labels" in capsys.readouterr().err
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError):
        run(place, str(place / "a"), str(empty), on=None)
    assert not (tmp_path / "x.html").exists()
