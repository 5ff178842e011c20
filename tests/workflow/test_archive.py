"""A finished study as an archive: it is whole, describes itself, and gives the same results from its labels alone."""

import json
import os
import shutil
import subprocess
import sys
import zipfile

import pytest

pytestmark = pytest.mark.slow


def pesforge(root, *arguments: str) -> subprocess.CompletedProcess:
    """A command of `pesforge` with the code of a folder, in the folder."""
    return subprocess.run(
        [sys.executable, "-c", "import sys; from pesforge.cli import main; sys.exit(main())", *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        text=True,
        capture_output=True,
        timeout=900,
    )


def test_an_archive_verifies_itself_from_its_labels_and_notices_a_change(finished, tmp_path):
    out = tmp_path / "tiny.zip"
    packed = pesforge(finished.root, "archive", "tiny", "--out", str(out))
    assert packed.returncode == 0, packed.stderr
    with zipfile.ZipFile(out) as file:
        names = file.namelist()
        assert len(names) == len(set(names))
        file.extractall(tmp_path / "unpacked")
    root = tmp_path / "unpacked"
    crate = {entity["@id"]: entity for entity in json.loads((root / "ro-crate-metadata.json").read_text())["@graph"]}
    parts = [part["@id"] for part in crate["./"]["hasPart"]]
    assert all((root / part).exists() for part in parts)
    assert crate["./"]["mainEntity"]["@id"] == "Snakefile"
    assert "STUDY ?= tiny" in (root / "Makefile").read_text()
    said = subprocess.run(["make", "--dry-run", "verify"], cwd=root, text=True, capture_output=True, check=True).stdout
    assert 'pesforge verify "tiny"' in said
    rerun = pesforge(root, "verify", "tiny")
    assert rerun.returncode == 0, rerun.stdout + rerun.stderr
    assert "calculations that were not among the labels: 0" in rerun.stdout
    assert rerun.stdout.rstrip().endswith("all files agree")
    assert rerun.stdout.count("identical") + rerun.stdout.count("agrees") == 14
    assert not (root / ".snakemake").exists(), "nothing of the archive is changed"
    card = root / "results/tiny/potential/model.json"
    card.write_text(card.read_text().replace("Si", "Ge", 1))
    torn = pesforge(root, "verify", "tiny")
    assert torn.returncode == 1
    assert "results/tiny/potential/model.json" in torn.stderr
    assert "Traceback" not in torn.stderr
    shutil.rmtree(root)
