"""Whatever stands in a file: readers give what they promise, or one PesforgeError; nothing else comes out of them."""

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from pesforge.dataset import read_dataset
from pesforge.dft.labelling import read_journals
from pesforge.errors import PesforgeError
from pesforge.export import load_potential
from pesforge.io import read_frames, read_json
from pesforge.published.convert import read_published
from pesforge.representations.archive import load_arrays
from pesforge.settings import Study
from pesforge.settings_types import Structure
from pesforge.structure import build_parent
from pesforge.study import load_study
from pesforge.study_file import read_yaml

REPOSITORY = Path(__file__).parents[2]
CHECKED = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
FRAME = b"""\
2
Lattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.0 stress="1 0 0 0 1 0 0 0 1" pbc="T T T"
Si 0 0 0 0.1 0 0
Si 2 2 2 -0.1 0 0
"""
CIF = b"data_a\n_cell_length_a 5\n_cell_angle_alpha 90\nloop_\n_atom_site_label\n_atom_site_fract_x\nSi1 0\n"
STUDY = b"name: a\nstructure: {prototype: diamond, species: [Si], lattice_constant_ang: 5.4}\nsample: {md: {}}\n"
JOURNAL = b'{"event": "finished", "id": "a", "key": "b", "seconds": 1.0}\n{"event": "started", "id": "a"}\n'
JSON = b'{"format": 2, "kind": "ace-linear", "sha256": {"weights.safetensors": "00"}, "basis": {"species": ["Si"]}}'


def damaged(sound: bytes) -> some.SearchStrategy[bytes]:
    """A sound file with bytes cut out, put in or doubled; or bytes alone."""

    def edit(parts: tuple[int, int, bytes]) -> bytes:
        start, length, more = parts
        return sound[:start] + more + sound[start + length :]

    places = some.tuples(
        some.integers(0, len(sound)),
        some.integers(0, 30),
        some.one_of(
            some.binary(max_size=20), some.sampled_from([b"nan", b"1e999", b"-1", b"9" * 20, b"\n", b"[", b'"'])
        ),
    )
    return some.one_of(places.map(edit), some.binary(max_size=200))


VALUES = some.recursive(
    some.none() | some.booleans() | some.integers(-(10**30), 10**30) | some.floats() | some.text(max_size=8),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@CHECKED
@given(data=damaged(FRAME))
def test_labels(tmp_path, data):
    (tmp_path / "a.extxyz").write_bytes(data)
    try:
        frames = read_dataset(tmp_path / "a.extxyz").frames
    except PesforgeError:
        return
    assert frames
    for atoms in frames:
        assert np.isfinite(atoms.get_forces()).all()
        assert np.isfinite(atoms.get_potential_energy())


@CHECKED
@given(data=damaged(FRAME))
def test_frames(tmp_path, data):
    (tmp_path / "a.extxyz").write_bytes(data)
    try:
        assert isinstance(read_frames(tmp_path / "a.extxyz"), list)
    except PesforgeError:
        return


@CHECKED
@given(data=damaged(CIF), name=some.sampled_from(["a.cif", "POSCAR", "a.extxyz", "a.vasp"]))
def test_parents(tmp_path, data, name):
    (tmp_path / name).write_bytes(data)
    try:
        build_parent(Structure(file=Path(name), species=("Si",)), tmp_path)
    except PesforgeError:
        return


@CHECKED
@given(data=damaged(STUDY))
def test_study_files(tmp_path, data):
    (tmp_path / "a.yaml").write_bytes(data)
    try:
        content, lines = read_yaml(tmp_path / "a.yaml")
    except PesforgeError:
        return
    assert isinstance(content, dict)
    assert min(lines.values()) >= 1


@CHECKED
@given(key=some.sampled_from(sorted(Study.model_fields)), value=VALUES)
def test_values_of_studies(tmp_path, key, value):
    study = {**yaml.safe_load(STUDY), "validate" if key == "validate_" else key: value}
    try:
        (tmp_path / "a.yaml").write_text(yaml.safe_dump(study))
    except UnicodeEncodeError:
        return
    try:
        load_study(tmp_path / "a.yaml", REPOSITORY / "config" / "train")
    except PesforgeError:
        return


@CHECKED
@given(data=damaged(JSON))
def test_json(tmp_path, data):
    (tmp_path / "model.json").write_bytes(data)
    with suppress(PesforgeError):
        read_json(tmp_path / "model.json")
    with pytest.raises(PesforgeError):
        load_potential(tmp_path)


@CHECKED
@given(value=VALUES, key=some.sampled_from(["structure", "outputs", "group"]))
def test_published_labels(tmp_path, value, key):
    entry = {"structure": {"sites": [], "lattice": {"matrix": []}}, "outputs": {}, "group": "a", key: value}
    (tmp_path / "a.json").write_text(json.dumps([entry]))
    with pytest.raises(PesforgeError):
        read_published(tmp_path / "a.json", "Si")


@CHECKED
@given(data=damaged(JOURNAL))
def test_journals(tmp_path, data):
    (tmp_path / "0000.jsonl").write_bytes(data)
    try:
        assert all(isinstance(event, dict) for event in read_journals(tmp_path))
    except PesforgeError:
        return


@CHECKED
@given(data=some.binary(max_size=200))
def test_arrays(tmp_path, data):
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(PesforgeError):
        load_arrays(tmp_path / "a.npz", ("rows",))
