"""Files of labels: names of labels, families and groups, copies, and planted defects found by name and index."""

from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge.dataset import LabelKeys, check_species, copies_between, first_copies, read_dataset
from pesforge.errors import DataError

Write = Callable[[list[Atoms]], Path]


def cell(seed: int, *, strain: float = 0.0, displacement: float = 0.08) -> Atoms:
    atoms = bulk("Cu", "fcc", a=3.6 * (1 + strain), cubic=True)
    atoms.positions += displacement * np.random.default_rng(seed).normal(size=atoms.positions.shape)
    return labelled(atoms)


def labelled(atoms: Atoms) -> Atoms:
    atoms.calc = EMT()
    labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    if atoms.pbc.all():
        labels["stress"] = atoms.get_stress()
    atoms.calc = SinglePointCalculator(atoms, **labels)
    return atoms


def renamed(atoms: Atoms, energy: str, forces: str, stress: str) -> Atoms:
    """The structure with its labels under other names, the stress as a 3 × 3 matrix."""
    labels = atoms.calc.results
    other = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    other.info[energy] = labels["energy"]
    other.arrays[forces] = labels["forces"]
    matrix = labels["stress"][[0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(3, 3)
    other.info[stress] = -matrix * atoms.get_volume() if "virial" in stress else matrix
    return other


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(frames: list[Atoms]) -> Path:
        path = tmp_path / "labels.extxyz"
        ase.io.write(path, frames, format="extxyz")
        return path

    return written


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (("REF_energy", "REF_forces", "REF_stress"), LabelKeys()),
        (("REF_energy", "REF_forces", "REF_virial"), LabelKeys()),
        (("dft_e", "dft_f", "dft_s"), LabelKeys("dft_e", "dft_f", "dft_s")),
    ],
)
def test_other_names_give_the_same_labels(write: Write, names: tuple[str, str, str], keys: LabelKeys) -> None:
    plain = [cell(seed) for seed in range(3)]
    expected = read_dataset(write(plain)).frames
    found = read_dataset(write([renamed(atoms, *names) for atoms in plain]), keys).frames
    for one, two in zip(expected, found, strict=True):
        assert one.get_potential_energy() == pytest.approx(two.get_potential_energy(), abs=1e-7)
        np.testing.assert_allclose(one.get_forces(), two.get_forces(), atol=1e-7)
        np.testing.assert_allclose(one.get_stress(), two.get_stress(), atol=1e-7)


def test_molecules_have_no_stress(write: Write) -> None:
    frames = [labelled(molecule("C2H6")) for _ in range(2)]
    frames[1].positions += 0.01
    frames[1].positions[0] += 0.1
    labelled(frames[1])
    assert all("stress" not in atoms.calc.results for atoms in read_dataset(write(frames)).frames)


def test_few_labels_are_families_and_copies_share_a_group(write: Write) -> None:
    frames = [cell(seed) for seed in range(4)]
    copy = frames[0].copy()
    copy.rotate(33, (1, 2, 3), rotate_cell=True)
    copy.positions += [0.3, 0.2, 0.1]
    copy = labelled(copy[[2, 0, 3, 1]])
    frames.append(copy)
    for index, atoms in enumerate(frames):
        atoms.info["config_type"] = "warm" if index < 2 else "hot"
    found = read_dataset(write(frames)).frames
    assert [atoms.info["family"] for atoms in found] == ["warm", "warm", "hot", "hot", "hot"]
    assert [atoms.info["group"] for atoms in found] == ["0", "1", "2", "3", "0"]


def test_many_labels_are_groups(write: Write) -> None:
    frames = [cell(seed) for seed in range(12)]
    for index, atoms in enumerate(frames):
        atoms.info["run"] = f"run{max(index, 2)}"
    found = read_dataset(write(frames), LabelKeys(group="run")).frames
    assert [atoms.info["group"] for atoms in found][:4] == ["run2", "run2", "run2", "run3"]
    assert {atoms.info["family"] for atoms in found} == {"all"}


def test_copies_are_only_what_is_equal() -> None:
    first, near, swapped = cell(0), cell(0), cell(0)
    near.positions[0] += 0.01
    swapped.symbols[1] = "Au"
    assert first_copies([first, near, swapped, cell(0)]) == [0, 1, 2, 0]
    assert copies_between([first], [near, cell(0)]) == [1]


def defect(name: str) -> list[Atoms]:
    frames = [cell(seed) for seed in range(4)]
    for index, atoms in enumerate(frames):
        atoms.info["id"] = f"cu{index}"
    labels = frames[2].calc.results
    if name == "missing":
        del labels["energy"]
    elif name == "nan":
        labels["forces"][1, 2] = np.nan
    elif name == "nan stress":
        labels["stress"][0] = np.nan
    elif name == "shape":
        frames[2].calc = None
        frames[2].info["energy"] = labels["energy"]
        frames[2].arrays["forces"] = labels["forces"][:, :2]
    elif name == "close":
        frames[2].positions[1] = frames[2].positions[0] + [0.1, 0, 0]
    elif name == "flat":
        frames[2].cell[2] = 0.0
        del labels["stress"]
    return frames


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing", "`energy` is missing"),
        ("nan", "`forces` holds NaN"),
        ("nan stress", "`stress` holds NaN"),
        ("shape", r"`forces` has the shape \(4, 2\)"),
        ("close", "atoms 0 and 1 are 0.100 Å apart"),
        ("flat", "has no volume"),
    ],
)
def test_defects_are_refused_by_name_and_index(write: Write, name: str, words: str) -> None:
    with pytest.raises(DataError, match=rf"labels.extxyz: structure 2 \(cu2\): .*{words}"):
        read_dataset(write(defect(name)))


def test_forces_that_are_all_zero_are_refused(write: Write) -> None:
    frames = [cell(seed) for seed in range(2)]
    for atoms in frames:
        atoms.calc.results["forces"] = np.zeros((4, 3))
    with pytest.raises(DataError, match="all forces are zero"):
        read_dataset(write(frames))


def test_two_energies_need_a_name(write: Write) -> None:
    frames = [cell(0), cell(1)]
    for atoms in frames:
        atoms.info["REF_energy"] = 1.0
    with pytest.raises(DataError, match=r"energy and REF_energy.*--energy-key"):
        read_dataset(write(frames))
    found = read_dataset(write(frames), LabelKeys(energy="REF_energy"))
    assert found.frames[0].get_potential_energy() == 1.0


def test_names_that_do_not_occur_are_refused(write: Write) -> None:
    with pytest.raises(DataError, match=r"no structure has `nope`.*energy.*--energy-key"):
        read_dataset(write([cell(0)]), LabelKeys(energy="nope"))


def test_sound_data_give_no_warning(write: Write) -> None:
    assert read_dataset(write([cell(seed) for seed in range(4)])).warnings == ()


@pytest.mark.parametrize(
    ("kind", "words"),
    [("stress", "a stress above 10 eV/Å³"), ("net", "a net force above 10%"), ("force", "a force above 100 eV/Å")],
)
def test_suspicious_units_are_warned_of(write: Write, kind: str, words: str) -> None:
    frames = [cell(seed) for seed in range(3)]
    labels = frames[1].calc.results
    if kind == "stress":
        labels["stress"] = labels["stress"] * 1e4
    elif kind == "net":
        labels["forces"] = labels["forces"] + 0.2
    else:
        labels["forces"] = labels["forces"] * 1e4
    (warning,) = read_dataset(write(frames)).warnings
    assert warning.startswith("labels.extxyz: structure 1 has")
    assert words in warning


def test_unknown_species_are_refused(write: Write) -> None:
    frames = [cell(0), labelled(bulk("Au", "fcc", a=4.1, cubic=True))]
    frames[1].positions[0] += 0.1
    labelled(frames[1])
    with pytest.raises(DataError, match=r"test: structure 1 \(1\) holds Au, but the potential knows Cu"):
        check_species(read_dataset(write(frames)).frames, ["Cu"], "test")


def test_missing_and_empty_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_dataset(tmp_path / "nothing.extxyz")
    (tmp_path / "empty.extxyz").touch()
    with pytest.raises(DataError, match="holds no structure"):
        read_dataset(tmp_path / "empty.extxyz")
