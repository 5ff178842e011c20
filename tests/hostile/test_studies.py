"""Studies that are broken in every way: `pesforge plan` refuses each, and `pesforge run` starts nothing."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import pytest
import yaml
from hostile_desk import CANARY, REPOSITORY, content
from pydantic import BaseModel

from pesforge.settings import Study

GOOD = """\
name: good
structure:
  prototype: diamond
  species: [Si]
  lattice_constant_ang: 5.47
"""
DEEP = 1000


def good(old: str, new: str) -> str:
    """The sound study with one thing broken."""
    assert old in GOOD
    return GOOD.replace(old, new)


def bomb(levels: int) -> str:
    """A billion laughs in YAML."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]")
    return "\n".join(lines) + "\n"


TEXTS = {
    "empty": "",
    "spaces": "   \n\n",
    "comment": "# nothing\n",
    "null": "null\n",
    "number": "7\n",
    "list": "- name\n- structure\n",
    "text": "name\n",
    "two documents": GOOD + "---\n" + GOOD,
    "end without content": "---\n...\n",
    "tabs": good("  prototype", "\tprototype"),
    "unclosed": good("[Si]", "[Si"),
    "unclosed quote": good("good", '"good'),
    "bad indent": good("  species", " species"),
    "colon twice": good("name: good", "name: good: better"),
    "billion laughs": bomb(12) + GOOD,
    "anchor": good("good", "&a good"),
    "alias": good("good", "*a"),
    "alias of itself": "a: &a [*a]\n" + GOOD,
    "merge": "b: &b {name: x}\n<<: *b\n" + GOOD,
    "merge without anchor": "<<: {name: good}\n",
    "key twice": GOOD + "name: again\n",
    "inner key twice": good("  species: [Si]", "  species: [Si]\n  species: [Si]"),
    "key is a list": "? [a, b]\n: 1\n" + GOOD,
    "key is a mapping": "? {a: b}\n: 1\n" + GOOD,
    "key is null": "? \n: 1\n" + GOOD,
    "key is a number": "7: 1\n" + GOOD,
    "key is a flag": "true: 1\n" + GOOD,
    "python object": "seed: !!python/object/apply:os.system ['touch canary']\n" + GOOD,
    "python name": "seed: !!python/name:os.system\n" + GOOD,
    "python module": "seed: !!python/module:os\n" + GOOD,
    "python object/new": "seed: !!python/object/new:pathlib.Path ['canary']\n" + GOOD,
    "unknown tag": "seed: !secret 1\n" + GOOD,
    "binary tag": "seed: !!binary aGVsbG8=\n" + GOOD,
    "set tag": "seed: !!set {a, b}\n" + GOOD,
    "omap tag": "seed: !!omap [a: 1]\n" + GOOD,
    "timestamp": "seed: 2001-12-14\n" + GOOD,
    "directive": "%TAG ! tag:evil.org,2000:\n---\n" + GOOD + "x: !y 1\n",
    "YAML 9": "%YAML 9.9\n---\n" + GOOD,
    "deep list": "a: " + "[" * DEEP + "]" * DEEP + "\n" + GOOD,
    "deep mapping": "a: " + "{b: " * DEEP + "1" + "}" * DEEP + "\n" + GOOD,
    "deep unclosed": "a: " + "[" * 30_000,
    "long key": "k" * 100_000 + ": 1\n" + GOOD,
    "many keys": "".join(f"k{number}: 1\n" for number in range(3000)) + GOOD,
    "too large": "# " + "x" * 1_000_001,
    "control signs": good("good", '"\\e[2J\\a"'),
    "NUL": GOOD + "\0",
    "bell": GOOD + "seed: \a\n",
    "JSON": '{"name": "good", "structure": 1}',
    "endless digits": GOOD + "seed: " + "9" * 5000 + "\n",
    "huge seed": GOOD + "seed: 99999999999999999999\n",
    "hexadecimal": GOOD + "seed: 0xFFFFFFFFFFFFFFFFFF\n",
    "infinite": good("5.47", ".inf"),
    "not a number": good("5.47", ".nan"),
    "overflow": good("5.47", "1e999"),
    "huge cell": good("5.47", "1e30"),
    "tiny cell": good("5.47", "1e-30"),
    "cell of atoms on atoms": good("5.47", "0.3"),
    "a million atoms": GOOD + "  supercell: [50, 50, 50]\n",
    "endless atoms": GOOD + "  supercell: [100000, 100000, 100000]\n",
    "zero cells": GOOD + "  supercell: [0, 1, 1]\n",
    "negative cells": GOOD + "  supercell: [-1, 1, 1]\n",
    "name empty": good("good", '""'),
    "name null": good("good", "null"),
    "name climbs": good("good", "../../escape"),
    "name absolute": good("good", "/tmp/escape"),
    "name hidden": good("good", ".hidden"),
    "name with a dash first": good("good", "-rf"),
    "name shell": good("good", "$(touch canary)"),
    "name backquotes": good("good", "'`touch canary`'"),
    "name semicolon": good("good", "'a;touch canary'"),
    "name pipe": good("good", "'a|touch canary'"),
    "name newline": good("good", '"good\\ntouch canary"'),
    "name ends in a newline": good("good", '"good\\n"'),
    "name wildcard": good("good", "'{batch}'"),
    "name star": good("good", "'*'"),
    "name space": good("good", "'a b'"),
    "name of other letters": good("good", "größe"),
    "name right to left": good("good", '"good\\u202e"'),
    "name long": good("good", "a" * 300),
    "element unknown": good("[Si]", "[Xx]"),
    "element X": good("[Si]", "[X]"),
    "element shell": good("[Si]", "['$(touch canary)']"),
    "element number": good("[Si]", "[14]"),
    "element NO": good("[Si]", "[NO]"),
    "elements none": good("[Si]", "[]"),
    "elements too many": good("[Si]", "[Si, C, Ge]"),
    "prototype unknown": good("diamond", "graphite"),
    "prototype and file": GOOD + "  file: a.cif\n",
    "override runs code": GOOD + "train: {overrides: ['model.width=${oc.env:HOME}']}\n",
    "override resolver": GOOD + "train: {overrides: ['model.width=${python:1}']}\n",
    "override target": GOOD + "train: {overrides: ['model._target_=os.system']}\n",
    "override adds": GOOD + "train: {overrides: ['+hydra.run.dir=canary']}\n",
    "override removes": GOOD + "train: {overrides: ['~model']}\n",
    "override climbs": GOOD + "train: {overrides: ['model=../../../../etc/passwd']}\n",
    "override of a sweep": GOOD + "train: {overrides: ['model.width=1,2']}\n",
    "override shell": GOOD + "train: {overrides: ['model=$(touch canary)']}\n",
    "override of no value": GOOD + "train: {overrides: ['model.width=']}\n",
    "sweep endless": GOOD + f"train: {{sweep: {{w_energy: {list(range(1, 200))}, w_force: {list(range(1, 200))}}}}}\n",
    "sweep twice": GOOD + "train: {sweep: {w_energy: [1, 1]}}\n",
    "command shell": GOOD + "dft: {engine: espresso, command: 'sh -c \"touch canary\"'}\n",
    "command missing": GOOD + "dft: {engine: espresso, command: [touch canary]}\n",
    "command of gpaw": GOOD + "dft: {command: [touch, canary]}\n",
    "engine is a module": GOOD + "dft: {engine: os.system}\n",
    "functional is code": GOOD + 'dft: {functional: \'__import__("os").system("touch canary")\'}\n',
    "functional climbs": GOOD + "dft: {functional: ../../x}\n",
    "pseudopotentials elsewhere": GOOD
    + "dft: {engine: espresso, pseudopotential_folder: /etc, pseudopotentials: {Si: ../../etc/passwd}}\n",
    "pseudopotential of a device": GOOD
    + "dft: {engine: abinit, pseudopotential_folder: /dev, pseudopotentials: {Si: zero}}\n",
    "too many structures": GOOD + "sample: {thermal: {count: 90000}, volume: {count: 90000}}\n",
    "endless structures": GOOD + "sample: {thermal: {count: 1000000000000}}\n",
    "endless defects": GOOD + "sample: {vacancy: {count: 1000000000}}\n",
    "endless slabs": GOOD + "sample: {surface: {rattled: 1000000000}}\n",
    "endless motion": GOOD + "sample: {md: {count: 1000000000}}\n",
    "endless rounds": GOOD + "learn: {rounds: 1000000000}\n",
    "large defects": GOOD + "sample: {vacancy: {supercell: [1000, 1000, 1000]}}\n",
    "large melt": GOOD + "sample: {liquid: {supercell: [99, 99, 99], melt_temperature_k: 1, temperatures_k: [1]}}\n",
    "wide beyond reason": GOOD + "sample: {wide: {width_ang: 29.0}}\n",
    "no wider than the parent": GOOD + "sample: {wide: {width_ang: 1.0}}\n",
    "large pool": GOOD + "learn: {pool: {supercell: [99, 99, 99]}}\n",
    "plane of zeros": GOOD + "sample: {surface: {planes: [{hkl: [0, 0, 0]}]}}\n",
    "plane of huge indices": GOOD + "sample: {surface: {planes: [{hkl: [1000000007, 998244353, 1]}]}}\n",
    "line of huge indices": GOOD
    + "sample: {stacking_fault: {lines: [{hkl: [1, 1, 1], direction: [1000000007, -1000000007, 0]}]}}\n",
    "phase elsewhere": GOOD + "sample: {phase: {crystals: [{file: /etc/passwd, species: [Si]}]}}\n",
    "phonons of a cell that is too wide": GOOD + "validate: {phonon_width_ang: 29.0}\n",
    "phonons of a cell narrower than the parent": GOOD + "validate: {phonon_width_ang: 2.0}\n",
    "hull elsewhere": GOOD + "validate: {hull: {crystals: [{file: /dev/zero, species: [Si]}]}}\n",
    "published elsewhere": "name: good\npublished: {set: mlearn, elements: [Si], folder: /etc}\n",
    "published by file": "name: good\npublished: {set: mlearn, elements: [Si], base_url: 'file:///etc'}\n",
    "published shell": "name: good\npublished: {set: mlearn, elements: ['$(touch canary)']}\n",
    "published and crystal": GOOD + "published: {set: mlearn, elements: [Si]}\n",
}
BYTES = {
    "zeros": bytes(4096),
    "all bytes": bytes(range(256)),
    "latin": "name: größe\n".encode("latin-1"),
    "UTF-16": GOOD.encode("utf-16"),
    "UTF-7": b"name: +AGE-\n",
    "surrogates": b"name: \xed\xa0\x80\n",
    "pickle": b"\x80\x04\x95\x1e\x00\x00\x00cposix\nsystem\n(S'touch canary'\ntR.",
    "gzip": b"\x1f\x8b\x08" + bytes(32),
}
CASES = {**{name: text.encode() for name, text in TEXTS.items()}, **BYTES}


@pytest.mark.parametrize("name", CASES)
def test_broken_studies_are_refused(desk, name):
    study = desk.put("study.yaml", CASES[name])
    text = desk.refuses("plan", study, says="study.yaml")
    assert "line " in text or "study file" in text or "valid YAML" in text


def keys(section: type[BaseModel], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key of a section and of those within it."""
    for name, field in section.model_fields.items():
        place = (*at, field.alias or name)
        yield place
        inner = () if get_origin(field.annotation) is tuple else get_args(field.annotation)
        for kind in (field.annotation, *inner):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from keys(kind, place)


def test_every_key_refuses_what_it_cannot_be(desk):
    """At every key of all sections a nonsense: one error that names the key."""
    places = list(keys(Study))
    assert len(places) > 200
    for place in places:
        study: dict[str, Any] = yaml.safe_load(GOOD)
        inner = study
        for step in place[:-1]:
            inner = inner.setdefault(step, {})
        inner[place[-1]] = {"no": ["such", {"thing": None}]}
        text = desk.refuses("plan", desk.put("study.yaml", yaml.safe_dump(study)), says="study.yaml")
        assert ".".join(place) in text


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "..", "$(touch canary)", "no-such", "-", "", "/dev/zero.yaml", "a\0b", "x" * 5000, "a\nb.yaml"],
)
def test_names_of_studies_that_lead_nowhere_are_refused(desk, name):
    for command in ("plan", "run", "where", "archive", "verify"):
        desk.refuses(command, *(["--", name] if name.startswith("-") else [name]))


@pytest.mark.parametrize("name", ["python object", "endless structures", "zeros"])
def test_a_broken_study_starts_no_run(desk, name):
    """The same by the real command line."""
    study = desk.put("study.yaml", CASES[name])
    before = content(desk.root)
    command = [sys.executable, "-c", "from pesforge.cli import main; raise SystemExit(main())", "run", str(study)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("pesforge: ")
    assert "Traceback" not in done.stderr
    assert not (desk.root / CANARY).exists()
    assert content(desk.root) == before
    assert not (REPOSITORY / CANARY).exists()
