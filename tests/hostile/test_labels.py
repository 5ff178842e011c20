"""Files of labels that are broken in every way: `pesforge fit` and `pesforge evaluate` refuse each."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from hostile_desk import Trap

HEAD = 'Lattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.0 pbc="T T T"'
ATOMS = "Si 0 0 0 0.1 0 0\nSi 2 2 2 -0.1 0 0\n"
GOOD = f"2\n{HEAD}\n{ATOMS}"


def changed(old: str, new: str) -> str:
    """The good structure with one thing broken."""
    assert old in GOOD
    return GOOD.replace(old, new)


def zipped() -> bytes:
    """A zip file, which many formats of arrays and models are."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(Trap()))
    return stream.getvalue()


def npz() -> bytes:
    """An archive of arrays of pickled objects."""
    stream = io.BytesIO()
    np.savez(stream, frames=np.array([Trap()], dtype=object), allow_pickle=True)
    return stream.getvalue()


TEXTS = {
    "empty": "",
    "blank": "\n\n\n",
    "space": " ",
    "no number": "two\n" + HEAD + "\n" + ATOMS,
    "negative number": changed("2\n", "-2\n"),
    "zero atoms": "0\n" + HEAD + "\n",
    "huge number": changed("2\n", "1000000000000000000\n"),
    "number of 5000 digits": changed("2\n", "9" * 5000 + "\n"),
    "float number": changed("2\n", "2.5\n"),
    "header only": "2\n" + HEAD + "\n",
    "no header": "2\n",
    "truncated": GOOD[: GOOD.rindex("2 2 2")],
    "truncated word": GOOD[:-6],
    "second truncated": GOOD + GOOD[:80],
    "one atom too many": GOOD + "Si 1 1 1 0 0 0\n",
    "one column too few": changed("0.1 0 0\n", "0.1 0\n"),
    "text in numbers": changed("2 2 2", "2 two 2"),
    "no forces": changed(":forces:R:3", "").replace(" 0.1 0 0", "").replace(" -0.1 0 0", ""),
    "forces of two columns": changed("forces:R:3", "forces:R:2:rest:R:1"),
    "forces as flags": changed("forces:R:3", "forces:L:3"),
    "forces as integers that are none": changed("forces:R:3", "forces:I:3"),
    "no energy": changed("energy=-1.0 ", ""),
    "energy is text": changed("energy=-1.0", "energy=low"),
    "energy is empty": changed("energy=-1.0", 'energy=""'),
    "energy is a vector": changed("energy=-1.0", 'energy="1 2 3"'),
    "energy is a flag": changed("energy=-1.0", "energy=T"),
    "energy NaN": changed("energy=-1.0", "energy=nan"),
    "energy infinite": changed("energy=-1.0", "energy=-inf"),
    "force NaN": changed("0.1 0 0\n", "nan 0 0\n"),
    "force infinite": changed("0.1 0 0\n", "1e999 0 0\n"),
    "forces all zero": changed("0.1 0 0\n", "0 0 0\n").replace("-0 0 0", "0 0 0"),
    "position NaN": changed("2 2 2", "nan 2 2"),
    "position infinite": changed("2 2 2", "inf 2 2"),
    "position overflows": changed("2 2 2", "1e308 2 2"),
    "unknown element": changed("Si 0", "Xx 0"),
    "ghost atom": changed("Si 0", "X 0"),
    "element that is code": changed("Si 0", "__import__('os').system('touch${IFS}canary') 0"),
    "number as element": changed("Si 0", "14 0"),
    "coinciding atoms": changed("2 2 2", "0 0 0"),
    "coinciding images": changed("2 2 2", "5 5 5"),
    "cell NaN": changed("5 0 0 0", "nan 0 0 0"),
    "cell infinite": changed("5 0 0 0", "inf 0 0 0"),
    "cell of zeros": changed("5 0 0 0 5 0 0 0 5", "0 0 0 0 0 0 0 0 0"),
    "flat cell": changed("5 0 0 0 5 0 0 0 5", "5 0 0 0 5 0 5 5 0"),
    "parallel vectors": changed("5 0 0 0 5 0 0 0 5", "5 0 0 10 0 0 0 0 5"),
    "tiny cell": changed("5 0 0 0 5 0 0 0 5", "1e-6 0 0 0 1e-6 0 0 0 1e-6"),
    "huge cell": changed("5 0 0 0 5 0 0 0 5", "1e300 0 0 0 1e300 0 0 0 1e300"),
    "needle": changed("5 0 0 0 5 0 0 0 5", "1e7 0 0 0 1e-4 0 0 0 1e-4"),
    "cell of eight numbers": changed("5 0 0 0 5 0 0 0 5", "5 0 0 0 5 0 0 0"),
    "cell of ten numbers": changed("5 0 0 0 5 0 0 0 5", "5 0 0 0 5 0 0 0 5 0"),
    "cell is text": changed("5 0 0 0 5 0 0 0 5", "a b c"),
    "no cell, but periodic": changed('Lattice="5 0 0 0 5 0 0 0 5" ', ""),
    "stress of five numbers": changed("energy=-1.0", 'energy=-1.0 stress="1 2 3 4 5"'),
    "stress NaN": changed("energy=-1.0", 'energy=-1.0 stress="nan 0 0 0 0 0 0 0 0"'),
    "stress is text": changed("energy=-1.0", "energy=-1.0 stress=high"),
    "virial of one number": changed("energy=-1.0", "energy=-1.0 virial=3"),
    "two energies": changed("energy=-1.0", "energy=-1.0 REF_energy=-2.0"),
    "JSON object": changed("energy=-1.0", 'energy="_JSON {}"'),
    "no properties": changed("Properties=species:S:1:pos:R:3:forces:R:3 ", ""),
    "properties cut": changed("species:S:1:pos:R:3:forces:R:3", "species:S:1:pos"),
    "properties of no number": changed("forces:R:3", "forces:R:x"),
    "properties of unknown type": changed("forces:R:3", "forces:Q:3"),
    "properties of huge width": changed("forces:R:3", "forces:R:1000000000"),
    "properties of negative width": changed("forces:R:3", "forces:R:-3"),
    "properties without positions": changed("pos:R:3", "place:R:3"),
    "properties twice": changed("forces:R:3", "pos:R:3"),
    "properties without species": changed("species:S:1", "name:S:1"),
    "properties empty": changed("species:S:1:pos:R:3:forces:R:3", '""'),
    "YAML": "name: study\nseed: 1\n",
    "JSON": '{"structure": []}',
    "JSON lines": '{"a": 1}\n{"b": 2}\n',
    "HTML": "<!DOCTYPE html><html><script>alert(1)</script></html>",
    "shell": "#!/bin/sh\ntouch canary\n",
    "python": "import pathlib; pathlib.Path('canary').touch()\n",
    "only a name": "Si\n",
    "XML bomb": '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>',
}
BYTES = {
    "zeros": bytes(4096),
    "all bytes": bytes(range(256)) * 16,
    "not UTF-8": GOOD.replace("Si 0", "S\xff 0").encode("latin-1"),
    "UTF-16": GOOD.encode("utf-16"),
    "NUL in a number": GOOD.replace("2 2 2", "2 2\0 2").encode(),
    "pickle": pickle.dumps(Trap()),
    "zip of a pickle": zipped(),
    "arrays of pickles": npz(),
    "gzip without content": bytes([0x1F, 0x8B, 8, 0]),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(64),
    "ELF": b"\x7fELF" + bytes(64),
}
CASES = {**{name: text.encode() for name, text in TEXTS.items()}, **BYTES}


@pytest.mark.parametrize("name", CASES)
def test_broken_labels_are_refused(desk, name):
    file = desk.put("labels.extxyz", CASES[name])
    desk.refuses("fit", file, "--out", desk.root / "out", says="labels.extxyz")
