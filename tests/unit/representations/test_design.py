import mmap
import resource
import time
from dataclasses import fields

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge.errors import DataError, StorageError
from pesforge.representations import archive
from pesforge.representations import design as design_room
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import Design, describe

BASIS = AceBasis(("C", "H"), 3.0, (3, 3), (0, 2), 1.0)


def frames():
    rng = np.random.default_rng(0)
    crystal = bulk("C", "diamond", 3.6, cubic=True)
    result = [crystal.copy(), molecule("CH4"), bulk("C", "diamond", 3.5)]
    for s, atoms in enumerate(result):
        atoms.rattle(0.05, seed=s)
        atoms.info = {"id": f"s{s}", "family": "thermal", "group": s % 2}
        labels = {"energy": float(s), "forces": rng.normal(size=(len(atoms), 3)), "stress": rng.normal(size=6)}
        atoms.calc = SinglePointCalculator(atoms, **labels)
    return [*result, crystal]


def assert_equal(first, second):
    for field in fields(Design):
        a, b = getattr(first, field.name), getattr(second, field.name)
        if isinstance(a, tuple):
            assert a == b
        else:
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype


def test_rows_and_labels_stand_in_the_order_of_the_structures():
    structures = frames()
    design = describe(structures, BASIS)
    assert design.ids == ("s0", "s1", "s2", "3")
    assert design.groups == ("0", "1", "0", "3")
    assert design.families == ("thermal",) * 3 + ("",)
    np.testing.assert_array_equal(design.n_atoms, [8, 5, 2, 8])
    np.testing.assert_array_equal(design.counts, [[8, 0], [1, 4], [2, 0], [8, 0]])
    for s, atoms in enumerate(structures):
        energy, forces, stress = BASIS.rows(atoms)
        rows = slice(3 * design.offsets[s], 3 * design.offsets[s + 1])
        np.testing.assert_array_equal(design.energy[s], energy)
        np.testing.assert_array_equal(design.forces[rows], forces)
        np.testing.assert_array_equal(design.stress[6 * s : 6 * s + 6], stress)
        if s < 3:
            np.testing.assert_array_equal(design.y_forces[rows], atoms.get_forces().ravel())
            assert design.y_energy[s] == s
    np.testing.assert_array_equal(design.y_stress[12:18], structures[2].get_stress())


def test_absent_labels_and_stresses_without_volume_are_nan():
    design = describe(frames(), BASIS)
    np.testing.assert_array_equal(np.isnan(design.y_energy), [False, False, False, True])
    assert np.isnan(design.y_forces[-24:]).all()
    np.testing.assert_array_equal(np.isnan(design.y_stress.reshape(4, 6)).all(axis=1), [False, True, False, True])
    np.testing.assert_array_equal(np.isnan(design.stress).any(axis=1).reshape(4, 6)[:, 0], [False, True, False, False])


@pytest.mark.parametrize("chosen", [[2, 0], [1], []])
def test_selecting_structures_equals_describing_them_alone(chosen):
    structures = frames()
    selected = describe(structures, BASIS).select(np.array(chosen, dtype=int))
    assert_equal(selected, describe([structures[s] for s in chosen], BASIS))


def test_a_mask_selects_structures_too():
    design = describe(frames(), BASIS)
    assert_equal(design.select(np.array([True, False, False, True])), design.select(np.array([0, 3])))


def test_chosen_columns_equal_the_smaller_basis():
    design, mask = describe(frames(), BASIS).columns(BASIS.subset_mask(1)), BASIS.subset_mask(1)
    smaller = describe(frames(), BASIS.reduced(1))
    assert 0 < len(smaller.degree) < len(mask)
    np.testing.assert_allclose(design.energy, smaller.energy, rtol=1e-10)
    np.testing.assert_allclose(design.forces, smaller.forces, atol=1e-12)
    np.testing.assert_array_equal(design.order, smaller.order)


def test_a_saved_design_comes_back_and_has_equal_bytes(tmp_path, monkeypatch):
    design = describe(frames(), BASIS)
    design.save(tmp_path / "a.npz")
    later = time.time() + 1e6
    monkeypatch.setattr(time, "time", lambda: later)
    Design.load(tmp_path / "a.npz").save(tmp_path / "b.npz")
    assert_equal(Design.load(tmp_path / "b.npz"), design)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_damaged_files_and_other_endings_are_refused(tmp_path):
    describe(frames(), BASIS).save(tmp_path / "a.npz")
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[: len(content) // 2])
    np.savez(tmp_path / "other.npz", ids=np.zeros(2))
    (tmp_path / "empty.npz").touch()
    for name in ("a.npz", "other.npz", "empty.npz", "missing.npz"):
        with pytest.raises(DataError, match=name):
            Design.load(tmp_path / name)
    with pytest.raises(DataError, match="npz"):
        describe(frames(), BASIS).save(tmp_path / "a.bin")


def test_a_part_is_saved_from_the_disk_as_it_is_from_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "PART_BYTES", 5000)
    whole, chosen = describe(frames(), BASIS), np.array([3, 0])
    whole.select(chosen).save(tmp_path / "memory.npz")
    whole.save(tmp_path / "whole.npz")
    Design.load(tmp_path / "whole.npz").save(tmp_path / "disk.npz", chosen)
    assert (tmp_path / "memory.npz").read_bytes() == (tmp_path / "disk.npz").read_bytes()
    assert_equal(Design.load(tmp_path / "whole.npz").select(np.array([3, 0, 2])), whole.select(np.array([3, 0, 2])))


def test_rows_on_the_disk_are_those_in_memory_and_leave_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(design_room, "PART_BYTES", 5000)
    design = describe(frames(), BASIS, folder=tmp_path)
    assert_equal(design, describe(frames(), BASIS))
    assert not [*tmp_path.iterdir()]


def test_loaded_rows_are_mapped_checked_and_cannot_be_changed(tmp_path):
    path = tmp_path / "a.npz"
    describe(frames(), BASIS).save(path)
    loaded = Design.load(path)
    assert all(is_mapped(getattr(loaded, name)) for name in ("energy", "forces", "stress"))
    assert not any(is_mapped(getattr(loaded.select(np.array([0, 2])), name)) for name in ("energy", "forces", "stress"))
    with pytest.raises(ValueError, match="read-only"):
        loaded.forces[0, 0] = 1.0
    content = bytearray(path.read_bytes())
    content[content.index(loaded.forces.tobytes()) + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="CRC"):
        Design.load(path)


def test_arrays_in_parts_have_the_bytes_of_whole_ones(tmp_path, monkeypatch):
    arrays = {"text": np.array(["a", "bc", "d"]), "none": np.empty((3, 0)), "numbers": np.arange(12.0).reshape(3, 4)}
    archive.save_arrays(tmp_path / "whole.npz", arrays)
    monkeypatch.setattr(archive, "PART_BYTES", 9)
    archive.save_arrays(tmp_path / "parts.npz", arrays)
    archive.save_arrays(tmp_path / "rows.npz", arrays, dict.fromkeys(arrays, np.arange(3)))
    whole = (tmp_path / "whole.npz").read_bytes()
    assert whole == (tmp_path / "parts.npz").read_bytes() == (tmp_path / "rows.npz").read_bytes()


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_far_into_a_file_are_mapped_as_they_were_saved(tmp_path, order):
    values = np.arange(60_000.0).reshape(3, -1).T.copy(order)
    arrays = {"first": values, "second": values + 1, "none": values[:0], "text": ("a", "bc")}
    archive.save_arrays(tmp_path / "a.npz", arrays)
    found = archive.load_arrays(tmp_path / "a.npz", tuple(arrays), mapped=("second", "none"))
    assert is_mapped(found["second"])
    assert found["second"].flags.aligned
    assert found["second"].ctypes.data % 64 == 0
    with np.load(tmp_path / "a.npz") as read:
        np.testing.assert_array_equal(read["second"], arrays["second"])
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def is_mapped(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap)


def test_a_disk_without_room_for_the_rows_is_one_clear_error(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(StorageError, match="Make room"):
            describe(frames(), BASIS, folder=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_parts_are_the_structures_in_their_order(monkeypatch):
    design = describe(frames(), BASIS)
    assert [part is design for part in design.parts()] == [True]
    monkeypatch.setattr(design_room, "PART_BYTES", 8 * len(design.degree) * 40)
    parts = [*design.parts()]
    assert [part.ids for part in parts] == [("s0",), ("s1", "s2"), ("3",)]
    np.testing.assert_array_equal(np.concatenate([part.forces for part in parts]), design.forces)


def test_arrays_that_do_not_fit_together_are_refused():
    design = describe(frames(), BASIS)
    values = {field.name: getattr(design, field.name) for field in fields(Design)}
    for name in ("energy", "forces", "y_stress", "order", "counts"):
        with pytest.raises(DataError, match="shapes"):
            Design(**(values | {name: values[name][:-1]}))


def test_progress_counts_and_errors_name_the_structure():
    calls = []
    describe(frames(), BASIS, lambda done, total: calls.append((done, total)))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    with pytest.raises(DataError, match="Structure s1"):
        describe(frames(), AceBasis(("C",), 3.0, (3,), (0,), 1.0))
