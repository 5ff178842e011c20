"""The largest memory of a job, and where it is written."""

import subprocess
import sys
from pathlib import Path

from pesforge.peaks import peak_path, read_peaks, record_peak

HUNGRY = """
import resource, sys
sys.path.insert(0, {source!r})
from pathlib import Path
from pesforge.peaks import record_peak
before = bytearray(200_000_000)
before[::4096] = b"x" * len(before[::4096])
del before
record_peak(Path({log!r}), "hungry", 500)
"""


def test_memory_that_was_given_back_counts_and_that_of_the_parent_does_not(tmp_path):
    log = tmp_path / "study" / "logs" / "hungry.0001.log"
    source = str(Path(__file__).parents[2] / "src")
    mine = bytearray(400_000_000)
    mine[::4096] = b"x" * len(mine[::4096])
    subprocess.run([sys.executable, "-c", HUNGRY.format(source=source, log=str(log))], check=True)
    found = read_peaks(tmp_path / "study" / "benchmarks")["hungry.0001"]
    assert (found["rule"], found["asked_mb"]) == ("hungry", 500)
    assert 190 < found["peak_mb"] < 400


def test_jobs_in_folders_have_one_name_and_broken_files_are_left_out(tmp_path):
    assert peak_path(Path("results/a/logs/fit_element/Si.log")) == Path(
        "results/a/benchmarks/peaks/fit_element.Si.json"
    )
    record_peak(tmp_path / "logs" / "one.log", "one", None)
    (tmp_path / "benchmarks/peaks/two.json").write_text("{")
    assert list(read_peaks(tmp_path / "benchmarks")) == ["one"]


def test_a_full_disk_leaves_the_peak_out(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", full)
    record_peak(tmp_path / "logs" / "one.log", "one", None)
    assert not read_peaks(tmp_path / "benchmarks")
