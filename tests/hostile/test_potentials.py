"""Folders of potentials that are broken in every way: `pesforge evaluate` refuses each with a clear error."""

import copy
import hashlib
import json
import os
import pickle
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_desk import Trap, bounded
from safetensors.numpy import load_file, save_file

from pesforge.errors import PesforgeError
from pesforge.export import load_potential, save_potential
from pesforge.potentials.posterior import Posterior
from pesforge.representations.ace import AceBasis

LABELS = """\
2
Lattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.0 pbc="T T T"
Si 0 0 0 0.1 0 0
Si 2 2 2 -0.1 0 0
"""
Edit = Callable[[Path], None]


@pytest.fixture
def folder(desk) -> Path:
    """A sound potential, and a file of labels beside it."""
    basis = AceBasis(("Si",), 3.5, (4, 4), (0, 2))
    save_potential(
        desk.root / "potential",
        kind="ace-linear",
        basis=basis,
        coefficients=np.linspace(-1, 1, basis.n_functions),
        zeros={"Si": -1.0},
        posterior=Posterior(np.eye(basis.n_functions + 1), 1.0, 1.0, 1.0),
        metadata={"study": "sound"},
    )
    desk.put("labels.extxyz", LABELS)
    return desk.root / "potential"


def signed(folder: Path) -> None:
    """Let `model.json` name the digests of the files as they are, as an attacker would."""
    path = folder / "model.json"
    model = json.loads(path.read_text())
    for name in model["sha256"]:
        model["sha256"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    path.write_text(json.dumps(model))


def places(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every key and item of `model.json`, metadata aside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [at] if at else []
    for key, inner in items:
        if (*at, key) != ("metadata",):
            found += places(inner, (*at, key))
    return found


def put(model: Any, place: tuple[str | int, ...], value: Any) -> Any:
    """A copy of `model.json` with a value at a place; `...` takes it away."""
    changed = copy.deepcopy(model)
    inner = changed
    for step in place[:-1]:
        inner = inner[step]
    if value is ...:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return changed


ODD = ({"no": ["such"]}, [[]], "$(touch canary)", float("nan"), -1e300, 10**30)
FILES = {"weights.safetensors", "posterior.safetensors"}
OPTIONAL = {
    "baseline",
    "calibration",
    "channel_degrees",
    "mixing",
    "posterior",
    "l_weight",
    "sha256",
    "zeros_ev",
    "Si",
    *FILES,
}
"""Keys with a default, or of which some odd values have a meaning."""


def test_every_key_of_a_model_is_checked(folder):
    """Missing, of another type, not finite or huge: refused, or without effect where it has a default."""
    path, accepted = folder / "model.json", []
    assert load_potential(folder).potential.species == ("Si",)
    model = json.loads(path.read_text())
    tried = [(place, value) for place in places(model) for value in (..., *ODD)]
    for place, value in tried:
        path.write_text(json.dumps(put(model, place, value)))
        with bounded(), suppress(PesforgeError):
            load_potential(folder)
            accepted.append((place, value))
    assert len(tried) - len(accepted) > 100
    assert {part for place, _ in accepted for part in place if isinstance(part, str)} - {"basis"} <= OPTIONAL, accepted


def tensors(change: Callable[[dict[str, np.ndarray]], None], name: str = "weights.safetensors") -> Edit:
    """The edit of one file of arrays, with its digest."""

    def edit(folder: Path) -> None:
        arrays = load_file(folder / name)
        change(arrays)
        save_file(arrays, folder / name)
        signed(folder)

    return edit


def raw(data: bytes, name: str = "weights.safetensors") -> Edit:
    """Other bytes in place of a file, with their digest."""

    def edit(folder: Path) -> None:
        (folder / name).write_bytes(data)
        signed(folder)

    return edit


def text(data: str) -> Edit:
    """Another `model.json`."""
    return lambda folder: (folder / "model.json").write_text(data) and None


def named(name: str) -> Edit:
    """A digest of a file elsewhere."""

    def edit(folder: Path) -> None:
        path = folder / "model.json"
        model = json.loads(path.read_text())
        model["sha256"] = {name: "0" * 64}
        path.write_text(json.dumps(model))

    return edit


def header(values: Any, length: int | None = None) -> bytes:
    """A safetensors file of a header alone."""
    data = json.dumps(values).encode()
    return struct.pack("<Q", len(data) if length is None else length) + data


def truncated(name: str) -> Edit:
    """Half of a file."""
    return lambda folder: raw((folder / name).read_bytes()[:-40], name)(folder)


def a_folder(folder: Path) -> None:
    """A folder where `model.json` should be."""
    (folder / "model.json").unlink()
    (folder / "model.json").mkdir()


WIDE = {"coefficients": {"dtype": "F64", "shape": [2**60], "data_offsets": [0, 2**63]}}
EDITS: dict[str, Edit] = {
    "no model": lambda folder: (folder / "model.json").unlink(),
    "no weights": lambda folder: (folder / "weights.safetensors").unlink(),
    "no posterior": lambda folder: (folder / "posterior.safetensors").unlink(),
    "model is a folder": a_folder,
    "empty model": text(""),
    "model is null": text("null"),
    "model is a list": text("[]"),
    "model is a number": text("7"),
    "model is truncated": text('{"format": 2, "kind": '),
    "model is deep": text("[" * 100_000),
    "model of endless digits": text('{"format": ' + "9" * 5000 + "}"),
    "format only": text('{"format": 2}'),
    "format of tomorrow": text('{"format": 3}'),
    "format of text": text('{"format": "\\u001b[31m2"}'),
    "format twice, kind code": text('{"format": 1, "format": 2, "kind": "__import__", "sha256": {}}'),
    "no digests": text('{"format": 2, "sha256": {}, "kind": "ace-linear", "metadata": {}}'),
    "unknown kind": text('{"format": 2, "sha256": {}, "kind": "pickle", "metadata": {}}'),
    "kind is a list": text('{"format": 2, "sha256": {}, "kind": ["mace"], "metadata": {}}'),
    "kind mace without files": text('{"format": 2, "sha256": {}, "kind": "mace", "metadata": {}}'),
    "kind eam without files": text('{"format": 2, "sha256": {}, "kind": "eam", "metadata": {}}'),
    "kind pair without files": text('{"format": 2, "sha256": {}, "kind": "pair", "metadata": {}}'),
    "kind tersoff without files": text('{"format": 2, "sha256": {}, "kind": "tersoff", "metadata": {}}'),
    "kind neural without files": text('{"format": 2, "sha256": {}, "kind": "ace-neural", "metadata": {}}'),
    "kind quadratic without files": text('{"format": 2, "sha256": {}, "kind": "ace-quadratic", "metadata": {}}'),
    "digest of a file elsewhere": named("../../../../../../../etc/passwd"),
    "digest of a device": named("/dev/zero"),
    "digest of metacharacters": named("$(touch canary)"),
    "digest of a NUL": named("a\0b"),
    "digest of a long name": named("a" * 5000),
    "model not UTF-8": lambda folder: (folder / "model.json").write_bytes(b"\xff\xfe{}") and None,
    "weights cut": truncated("weights.safetensors"),
    "posterior cut": truncated("posterior.safetensors"),
    "weights empty": raw(b""),
    "weights a pickle": raw(pickle.dumps(Trap())),
    "posterior a pickle": raw(pickle.dumps(Trap()), "posterior.safetensors"),
    "weights zeros": raw(bytes(4096)),
    "weights an endless header": raw(header({}, 2**62)),
    "weights of no arrays": raw(header({})),
    "weights beyond the file": raw(header(WIDE)),
    "weights of text": raw(header({"coefficients": "touch canary"})),
    "coefficients missing": tensors(lambda arrays: arrays.pop("coefficients") is None),
    "one coefficient less": tensors(lambda a: a.update(coefficients=a["coefficients"][:-1].copy())),
    "one coefficient more": tensors(lambda a: a.update(coefficients=np.append(a["coefficients"], 1.0))),
    "coefficients in rows": tensors(lambda a: a.update(coefficients=a["coefficients"].reshape(1, -1))),
    "coefficient NaN": tensors(lambda a: a["coefficients"].__setitem__(0, np.nan)),
    "coefficient infinite": tensors(lambda a: a["coefficients"].__setitem__(0, np.inf)),
    "coefficients integers": tensors(lambda a: a.update(coefficients=a["coefficients"].astype(np.int8))),
    "a matrix too much": tensors(lambda a: a.update(matrix=np.eye(3))),
    "whitening missing": tensors(lambda a: a.pop("whitening") is None, "posterior.safetensors"),
    "whitening of other rows": tensors(lambda a: a.update(whitening=np.eye(3)), "posterior.safetensors"),
    "whitening a vector": tensors(lambda a: a.update(whitening=np.ones(3)), "posterior.safetensors"),
    "whitening NaN": tensors(lambda a: a["whitening"].__setitem__((0, 0), np.nan), "posterior.safetensors"),
    "scale missing": tensors(lambda a: a.pop("scale") is None, "posterior.safetensors"),
    "scale empty": tensors(lambda a: a.update(scale=np.zeros(0)), "posterior.safetensors"),
    "scale NaN": tensors(lambda a: a.update(scale=np.array([np.nan])), "posterior.safetensors"),
    "scale negative": tensors(lambda a: a.update(scale=np.array([-1.0])), "posterior.safetensors"),
    "an array that nobody knows": tensors(lambda a: a.update(eval=np.ones(3)), "posterior.safetensors"),
}


@pytest.mark.parametrize("name", EDITS)
def test_broken_potentials_are_refused(desk, folder, name):
    EDITS[name](folder)
    desk.refuses("evaluate", folder, "labels.extxyz", says=folder.name)


@pytest.mark.parametrize("name", ["nothing", "labels.extxyz", "/dev/null", "../../../../etc", "$(touch canary)"])
def test_other_places_than_a_potential_are_refused(desk, folder, name):
    desk.refuses("evaluate", name, "labels.extxyz")


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors", "model.model", "model.pkl"])
def test_foundation_models_that_are_pickles_are_not_opened(desk, name):
    desk.put("labels.extxyz", LABELS * 2)
    file = desk.put(name, pickle.dumps(Trap()))
    desk.refuses("fit", "labels.extxyz", "--out", "out", "--model", "mace", "--option", f"foundation={file}")
    desk.refuses("convert-mace", file, "--out", "out", says="--trust-pickle")
    desk.refuses("evaluate", file, "labels.extxyz")


def test_a_pipe_in_place_of_a_file_does_not_wait(desk, folder):
    os.mkfifo(folder / "other")
    (folder / "model.json").unlink()
    (folder / "other").rename(folder / "model.json")
    desk.refuses("evaluate", folder, "labels.extxyz")
