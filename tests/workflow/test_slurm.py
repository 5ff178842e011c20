"""The profile of SLURM on a real slurmctld and slurmd of this machine; skipped where they are not installed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from slurm import Cluster, cluster, missing

from pesforge.archive.verify import TIMED
from pesforge.dft.labelling import read_journals

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=f"SLURM: {', '.join(missing())} not there"),
]
LABELS = "results/tiny/label/labels.extxyz"
QUICK = (
    *("--seconds-between-status-checks", "2", "--slurm-init-seconds-before-status-checks", "2"),
    *("--latency-wait", "10"),
)
"""Cluster and files are on this machine: nothing takes a while to be seen."""
TOY = """\
import time
from pathlib import Path


rule all:
    input:
        "hungry.txt",
        "slow.txt",


rule hungry:
    output:
        "hungry.txt",
    resources:
        mem_mb=lambda wildcards, attempt: 900 * attempt,
        runtime=5,
    params:
        script=Path("hungry.py").resolve(),
    shell:
        "echo {resources.mem_mb} >> hungry.attempts; "
        "{sys.executable:q} {params.script:q} && echo {resources.mem_mb} > {output:q}"


rule slow:
    output:
        "slow.txt",
    resources:
        mem_mb=900,
        runtime=lambda wildcards, attempt: attempt,
    shell:
        "echo {resources.runtime} >> slow.attempts; sleep 75; echo {resources.runtime} > {output:q}"
"""
HUNGRY = "import time\ntaken = bytearray(1_000_000_000)\ntaken[::4096] = b'1' * len(taken[::4096])\ntime.sleep(8)\n"


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of one node."""
    with cluster(tmp_path_factory.mktemp("slurm") / "cluster") as made:
        yield made


def until(reached: Callable[[], bool], seconds: float = 300) -> None:
    """Wait for a moment."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"the moment did not come within {seconds} s"
        time.sleep(0.5)


def test_jobs_that_run_out_of_memory_or_time_get_more_of_both(slurm, tmp_path, make_clone):
    """A job of 1 GB in 0.9 GB, and one of 75 s in a minute: both end at a later attempt."""
    profile = make_clone(tmp_path / "pesforge").root / "profiles/slurm"
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "Snakefile").write_text("import sys\n" + TOY)
    (folder / "hungry.py").write_text(HUNGRY)
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", profile, *QUICK],
        cwd=folder,
        env={**os.environ, **slurm.environment},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    attempts = (folder / "hungry.attempts").read_text().split()
    assert attempts[0] == "900"
    assert (folder / "hungry.txt").read_text().split() == attempts[-1:]
    assert len(attempts) > 1, "the first one was killed for its memory"
    assert (folder / "slow.attempts").read_text().split() == ["1", "2"]
    assert (folder / "slow.txt").read_text().split() == ["2"]
    states = slurm.command("squeue", "--noheader", "--states=all", "--format=%T").split()
    assert "TIMEOUT" in states
    assert set(states) & {"OUT_OF_MEMORY", "CANCELLED", "FAILED"}, "how SLURM calls a job that took too much memory"


def outcome(results: Path) -> dict[str, bytes]:
    """Labels, and evidence but for times and versions, as far as a run has come."""
    evidence = (path for path in (results / "evidence").glob("*.json") if path.stem not in TIMED)
    files = (results.parents[1] / LABELS, *evidence)
    return {str(path.relative_to(results.parents[1])): path.read_bytes() for path in files}


def computed(results: Path) -> Counter[str]:
    """How often each label was computed to its end."""
    folders = {path.parent for path in results.rglob("*.jsonl")}
    events = [event for folder in folders for event in read_journals(folder)]
    return Counter(event["key"] for event in events if event["event"] == "finished")


@pytest.mark.parametrize("target", [LABELS, pytest.param("all", marks=pytest.mark.nightly)])
def test_a_study_survives_what_a_cluster_does_to_it(target, slurm, finished, tmp_path, make_clone, monkeypatch):
    """Master killed beside its running jobs, a job cancelled, the node down: the same files, no label twice."""
    clone = make_clone(tmp_path / "pesforge")
    results, keys = clone.root / "results/tiny", sorted(computed(finished.root / "results/tiny"))
    left_out = keys[::4]
    shutil.copytree(finished.root / "results/tiny/store", results / "store")
    shutil.rmtree(results / "store" / "journals", ignore_errors=True)
    for key in left_out:
        (results / "store" / key[:2] / f"{key}.json").unlink()
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)
    words = ("--profile", "profiles/slurm", *QUICK, target)

    first = clone.start(*words, stdout=subprocess.DEVNULL)
    until(lambda: bool(computed(results)) and bool(slurm.jobs("RUNNING")))
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    orphans = slurm.jobs()
    assert orphans, "jobs go on without the master"

    clone.snakemake("--unlock")
    second = clone.start(*words)
    until(lambda: bool(set(slurm.jobs("RUNNING")) - set(orphans)))
    cancelled = sorted(set(slurm.jobs("RUNNING")) - set(orphans))[0]
    slurm.command("scancel", cancelled)
    until(lambda: bool(set(slurm.jobs("RUNNING")) - {*orphans, cancelled}))
    slurm.take_node_down()
    time.sleep(5)
    slurm.bring_node_back()
    output, _ = second.communicate(timeout=1500)
    if second.returncode:
        output = clone.snakemake(*words)
    found, wanted = outcome(results), outcome(finished.root / "results/tiny")
    assert found == {name: wanted[name] for name in found}, output[-2000:]
    assert LABELS in found
    assert target == LABELS or len(found) == len(wanted)
    times = computed(results)
    assert set(times.values()) == {1}, "no label twice"
    assert set(times) <= set(left_out), "none that was there"
    asked = set(keys) if target == "all" else set(keys) - set(left_out) | set(times)
    assert {path.stem for path in (results / "store").glob("*/*.json")} >= asked, "none lost"
