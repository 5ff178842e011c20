"""A study of many labels: what planning, scheduling and bookkeeping cost beside its DFT, in time and memory.

    TMPDIR=/dev/shm python benchmarks/large_study.py --labels 10000 30000 100000 --batch 1000
    TMPDIR=/dev/shm python benchmarks/large_study.py --labels 1000 3000 10000 --batch 200 --curated

The workflow runs as it is, from the convergence scans to the filters (with --curated to the coverage after curation);
only the reference code is a stand-in that answers at once, so that all that is measured is overhead. In a folder that
stays in memory no time of a disk is measured, and no other work on the machine waits for it. --killed kills the run of
the first study with SIGKILL once half of its labels are there, and says what going on cost.
"""

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.dft.label import Label
from pesforge.dft.labelling import read_journals
from pesforge.dft.settings import ReferenceSettings
from pesforge.io import iter_frames
from pesforge.peaks import read_peaks
from pesforge.plan import plan_text
from pesforge.settings import Dft
from pesforge.study import load_study

REPOSITORY = Path(__file__).resolve().parents[1]
PARTS = ("Snakefile", "workflow", "config", "envs", "profiles", "pyproject.toml")
STUDY = """\
name: large
structure: {{prototype: diamond, species: [Si], lattice_constant_ang: 5.47}}
sample: {{thermal: {{count: {labels}}}, strain: null, volume: null}}
label: {{batch_size: {batch}}}
describe: {{max_degree: [8, 8, 6], l_max: [0, 4, 3]}}
"""
STAND_IN = """\
import atexit, json, os, resource, sys
from pesforge.dft import engines
from large_study import Instant

def note():
    used = resource.getrusage(resource.RUSAGE_SELF)
    with open(os.environ["PESFORGE_NOTES"], "a") as file:
        file.write(json.dumps({"program": sys.argv[0], "cpu": used.ru_utime + used.ru_stime}) + "\\n")

atexit.register(note)
engines.get_engine = lambda dft: Instant()
"""
"""What every Python of the workflow reads at its start: the stand-in, and a note of its processor time at its end."""
RESULTS = Path("results/large")
FILTERED, COVERED = RESULTS / "curate/filtered.extxyz", RESULTS / "evidence/coverage.json"
SITES = 4
"""The atoms of diamond lie at multiples of a quarter of the cubic cell."""
SPRING_EV_PER_ANG2 = 8.0
MASTER = "snakemake"
LABEL_S = "PESFORGE_LABEL_S"
"""Name of the variable with the time of one label in s, so that a kill can meet one."""
BEGUN = "begun.txt"
"""File with a line for every calculation that began: the journal does not wait for the disk to say so."""


class Instant:
    """A reference code that answers at once: every atom on a spring to the nearest site of the crystal."""

    name = "instant"

    def problems(self, dft: Dft, elements: list[str]) -> list[str]:
        """Nothing fails."""
        return []

    def estimate_seconds(self, atoms: Atoms, settings: ReferenceSettings, mesh: tuple[int, int, int]) -> float:
        """No time at all."""
        return 0.0

    def calculate(self, atoms: Atoms, settings: ReferenceSettings, mesh: tuple[int, int, int], attempt: int) -> Label:
        """A label of the springs."""
        if LABEL_S in os.environ:
            with Path(os.environ["PESFORGE_NOTES"]).with_name(BEGUN).open("a") as file:
                file.write("begun\n")
            time.sleep(float(os.environ[LABEL_S]))
        places = atoms.cell.scaled_positions(atoms.positions)
        shifts = (places - np.round(SITES * places) / SITES) @ atoms.cell.array
        energy = 0.5 * SPRING_EV_PER_ANG2 * float((shifts**2).sum()) - 5.0 * len(atoms)
        return Label(energy=energy, forces=-SPRING_EV_PER_ANG2 * shifts, stress=np.zeros(6))


@dataclass(frozen=True)
class Study:
    """A copy of the workflow with a study of many labels."""

    root: Path
    labels: int
    batch: int

    @classmethod
    def of(cls, root: Path, labels: int, batch: int) -> "Study":
        """The study in a new folder."""
        root.mkdir()
        for part in PARTS:
            source = REPOSITORY / part
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, root / part)
        (root / "config" / "large.yaml").write_text(STUDY.format(labels=labels, batch=batch))
        (root / "stand_in").mkdir()
        (root / "stand_in" / "sitecustomize.py").write_text(STAND_IN)
        return cls(root, labels, batch)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Snakemake, as the leader of a process group."""
        paths = [self.root / "stand_in", REPOSITORY / "src", REPOSITORY / "benchmarks"]
        notes = {"PYTHONPATH": ":".join(map(str, paths)), "PESFORGE_NOTES": str(self.root / "notes.jsonl")}
        with (self.root / "snakemake.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--cores", "1", "--config", "study=large", *arguments],
                cwd=self.root,
                env={**os.environ, **notes},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(self, *arguments: str) -> Counter[str]:
        """Processor seconds of Snakemake itself, and of all jobs of every rule."""
        (self.root / "notes.jsonl").unlink(missing_ok=True)
        status = self.start(*arguments).wait()
        if status:
            sys.exit(f"{(self.root / 'snakemake.log').read_text()[-2000:]}\nsnakemake ended with {status}")
        return self.notes()

    def notes(self) -> Counter[str]:
        """What the programs that have ended noted of themselves."""
        used: Counter[str] = Counter()
        for line in (self.root / "notes.jsonl").read_text().splitlines():
            note = json.loads(line)
            words = Path(note["program"]).name.split(".")
            used[MASTER if words[0] == "__main__" else words[-2]] += note["cpu"]
        return used

    def events(self) -> list[dict[str, Any]]:
        """Events of all journals."""
        folders = {path.parent for path in (self.root / RESULTS).rglob("*.jsonl")}
        return [event for folder in sorted(folders) for event in read_journals(folder)]

    def done(self) -> Counter[str]:
        """How often every structure was labelled by a calculation."""
        events = read_journals(self.root / RESULTS / "label" / "journal")
        return Counter(event["id"] for event in events if event["event"] == "finished")


def peak_mb() -> float:
    """Largest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def row(what: str, *cells: str) -> None:
    """Print a row of the table."""
    print("| " + " | ".join((what, *cells)) + " |", flush=True)


def timed(work: Callable[[], object]) -> float:
    """Processor seconds of a function."""
    started = time.process_time()
    work()
    return time.process_time() - started


def plan(study: Study) -> None:
    """What the user waits for before anything runs."""
    config = study.root / "config"
    seconds = timed(lambda: plan_text(load_study(config / "large.yaml", config / "train"), study.root))
    row("reading and plan of the user", f"{seconds:.2f} s", "", f"{peak_mb():.0f}")
    used = study.run("--dry-run", "--quiet", "all", "--", str(COVERED), "all")
    row("dry run of all stages", f"{used[MASTER]:.2f} s", "", "")


def whole_run(study: Study, target: Path) -> None:
    """One run from the beginning: processor time and memory by rule."""
    used = study.run("--", str(target))
    found = read_peaks(study.root / RESULTS / "benchmarks")
    batches = -(-study.labels // study.batch)
    per_label = {rule: 1e3 * seconds / study.labels for rule, seconds in used.items()}
    row(f"Snakemake itself, {batches} batches", f"{used[MASTER]:.1f} s", f"{per_label[MASTER]:.3f} ms", "")
    row("start of a job (`choose_settings`)", f"{used['choose_settings']:.2f} s", "", "")
    for rule in used:
        peaks = [peak["peak_mb"] for peak in found.values() if peak["rule"] == rule]
        if rule not in (MASTER, "scan_parameter", "choose_settings", "measure_stiffness"):
            row(f"`{rule}`", f"{used[rule]:.1f} s", f"{per_label[rule]:.3f} ms", f"{max(peaks, default=0):.0f}")
    again = study.run("--", str(target))
    row("a second run, with nothing to do", f"{again[MASTER]:.1f} s", "", "")
    assert set(study.done().values()) == {1}, "a label was computed twice"


def killed_run(study: Study, target: Path) -> None:
    """A run that is killed with half of the labels there, and a second one that goes on."""
    process = study.start("--", str(target))
    # Half of the labels, and a third of a batch: between two batches nothing is in flight.
    while len(study.done()) < study.labels / 2 + study.batch / 3 and process.poll() is None:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    folder = study.root / RESULTS / "label"
    before = study.done()
    finished = [event for event in study.events() if event["event"] == "finished"]
    in_flight = len((study.root / BEGUN).read_text().splitlines()) - len(finished)
    study.run("--unlock")
    study.run("--", str(target))
    recalled = Counter(event["event"] for event in read_journals(folder / "journal"))["recalled"]
    twice = study.done().total() - len(study.done())
    assert sum(1 for _ in iter_frames(folder / "labels.extxyz")) == study.labels, "a label was lost"
    row(
        f"killed with {len(before)} labels, {in_flight} calculations in flight",
        f"{study.done().total() - before.total()} computed after",
        f"{twice} computed twice",
        f"{recalled} recalled",
    )


def main() -> None:
    """Print a table for each number of labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, nargs="+", default=[2000], help="numbers of labels (%(default)s)")
    parser.add_argument("--batch", type=int, default=200, help="labels of a job (%(default)s)")
    parser.add_argument("--curated", action="store_true", help="go on to descriptors, audit and coverage")
    parser.add_argument("--killed", action="store_true", help="kill a run at half of its labels, too")
    parser.add_argument("--label-s", type=float, default=0.05, help="time of a label in that run, s (%(default)s)")
    chosen = parser.parse_args()
    target = COVERED if chosen.curated else FILTERED
    with tempfile.TemporaryDirectory(prefix="pesforge-large-") as name:
        for number in chosen.labels:
            row(f"{number} labels, batches of {chosen.batch}", "processor time", "per label", "peak MB of a job")
            row("---", "---", "---", "---")
            study = Study.of(Path(name) / f"{number}", number, chosen.batch)
            plan(study)
            whole_run(study, target)
            shutil.rmtree(study.root)
        if chosen.killed:
            os.environ[LABEL_S] = str(chosen.label_s)
            killed_run(Study.of(Path(name) / "killed", chosen.labels[0], chosen.batch), target)


if __name__ == "__main__":
    main()
