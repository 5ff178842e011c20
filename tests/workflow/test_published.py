"""A published table from the download to the page: a tiny set of copper from a server of this machine."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from published_files import serving, tiny_set

from pesforge import load_potential
from pesforge.io import read_json

REPOSITORY = Path(__file__).parents[2]
STUDY = """\
name: again
functions: 12
published:
  set: mlearn
  elements: [Cu]
  base_url: {url}
"""


@pytest.fixture
def snakemake(tmp_path, monkeypatch):
    """A function that runs Snakemake in an empty folder: exit status and what it printed.

    The workflow is that of the repository itself: a copy would have to compile the kernels again.
    """
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "src"))

    def run(study, *arguments):
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
        command += ["--directory", str(tmp_path), "--cores", "2", "--config", f"study={study}", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=os.environ, text=True, capture_output=True, timeout=600)
        return done.returncode, done.stdout + done.stderr

    return run


def test_a_table_from_the_network_to_the_page(snakemake, tmp_path):
    study, results = tmp_path / "again.yaml", tmp_path / "results/again"
    with serving(tiny_set("Cu")) as server:
        study.write_text(STUDY.format(url=server.url))
        status, output = snakemake(study)
        assert status == 0, output
        assert "study again: fits of Cu on mlearn" in output
        assert "0.46 / 0.01" in output
        assert server.asked == {"/Cu/training.json": 1, "/Cu/test.json": 1}
        metrics = read_json(results / "fit/Cu/metrics.json")
        assert metrics["n_structures"] == {"train": 24, "test": 5}
        assert metrics["n_functions"] <= 12
        assert load_potential(results / "fit/Cu").potential.species == ("Cu",)
        evidence = read_json(results / "evidence/published.json")
        ours = evidence["rows"][0]["cells"][0]
        assert ours["energy_mae_mev_per_atom"] == metrics["test"]["energy_mae_mev_per_atom"]
        assert [row["n_stress"] for row in evidence["labels"]] == [0, 0]
        assert read_json(results / "evidence/cost.json")["fits"][0]["cpu_seconds"] > 0
        assert read_json(results / "evidence/provenance.json")["versions"]["numpy"]
        with (results / "report/table.csv").open() as file:
            assert [row["potential"] for row in csv.DictReader(file)][2:] == ["GAP", "MTP", "qSNAP", "SNAP"]
        assert f"{ours['energy_mae_mev_per_atom']:#.3g}" in (results / "report/index.html").read_text()

        server.files["/Cu/test.json"] = tiny_set("Cu", test=4)["/Cu/test.json"]
        status, output = snakemake(study, "--forcerun", "fetch_labels")
        digest = (results / "store/Cu_test.sha256").read_text().split()[0]
        assert status != 0
        assert f"but {digest} at the first download" in output
        assert "Traceback" not in output
        assert not (results / "fetch/Cu_test.json").exists()


def test_the_shipped_study_is_planned_without_a_network(snakemake, monkeypatch):
    monkeypatch.delenv("NO_PROXY")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    status, output = snakemake("mlearn", "--dry-run", "--quiet", "host")
    assert status == 0, output
    jobs = dict(re.findall(r"^(\w+)\s+(\d+)\s*$", output, flags=re.MULTILINE))
    assert jobs == {
        "fetch_labels": "6",
        "prepare_labels": "3",
        "fit_element": "3",
        "compare_published": "1",
        "render_published": "1",
        "all": "1",
        "total": "15",
    }
