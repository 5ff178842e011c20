"""A study of many labels: what planning it, every label beside its DFT, and gathering cost, in time and memory.

    python benchmarks/large_study.py --labels 100000 --batch 200

The labels are those of a stand-in for the reference code that answers at once: all that is measured is overhead.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ase import Atoms

from pesforge.curation.filters import filter_labels
from pesforge.dft.label import Label
from pesforge.dft.labelling import label_batch
from pesforge.dft.settings import ReferenceSettings
from pesforge.dft.store import LabelStore
from pesforge.dft.tally import Tally
from pesforge.io import read_frames, write_frames
from pesforge.plan import plan_text
from pesforge.sampling.prepare import draft
from pesforge.settings import Curate
from pesforge.structure import from_plain
from pesforge.study import load_study

REPOSITORY = Path(__file__).resolve().parents[1]
PARTS = ("Snakefile", "workflow", "config", "envs", "profiles", "pyproject.toml")
STUDY = """\
name: large
structure: {{prototype: diamond, species: [Si], lattice_constant_ang: 5.47}}
sample: {{thermal: {{count: {labels}}}, strain: null, volume: null}}
label: {{batch_size: {batch}}}
"""
SETTINGS = {
    "engine": "gpaw",
    "functional": "PBE",
    "spin_polarized": False,
    "initial_moment": 0.0,
    "cutoff_ev": 300.0,
    "k_spacing_per_ang": 0.3,
    "scf_tolerance": 1e-4,
    "smearing_ev": 0.05,
}


class Instant:
    """A reference code that answers at once: springs to the origin, which is all that a label needs."""

    name = "instant"

    def calculate(self, atoms: Atoms, settings: ReferenceSettings, mesh: tuple[int, int, int], attempt: int) -> Label:
        """A finite label."""
        forces = -0.01 * atoms.positions
        return Label(energy=-float((forces**2).sum()), forces=forces, stress=np.zeros(6))


def peak_mb() -> float:
    """Largest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def told(what: str, started: float, per: int = 0) -> None:
    """Print CPU time since a moment, per label where that says more, and the memory."""
    seconds = time.process_time() - started
    each = f", {1e3 * seconds / per:.3f} ms per label" if per else ""
    print(f"{what:<44} {seconds:9.2f} s{each}; peak {peak_mb():.0f} MB", flush=True)


def dry_run(root: Path) -> None:
    """CPU time of Snakemake's plan."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "all", "--config", "study=large"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{'dry run':<44} {after.ru_utime - before.ru_utime:9.2f} s; peak {after.ru_maxrss / 1024:.0f} MB", flush=True
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=100_000, help="labels (%(default)s)")
    parser.add_argument("--batch", type=int, default=200, help="labels of a job (%(default)s)")
    parser.add_argument("--tried", type=int, default=2000, help="labels that are really made (%(default)s)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pesforge-large-") as name:
        root = Path(name)
        for part in PARTS:
            source = REPOSITORY / part
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, root / part)
        study = root / "config" / "large.yaml"
        study.write_text(STUDY.format(labels=chosen.labels, batch=chosen.batch))
        started = time.process_time()
        loaded = load_study(study, root / "config" / "train")
        told("reading the study", started)
        started = time.process_time()
        plan_text(loaded, root)
        told("plan of the user", started)
        dry_run(root)
        measure(root, loaded.families, from_plain(loaded.parent), chosen.tried, chosen.batch)


def measure(root: Path, families: dict[str, dict[str, object]], parent: Atoms, tried: int, batch: int) -> None:
    """Sampling, one batch beside all the journals, and gathering.

    Args:
        root: folder to work in.
        families: settings of the families.
        parent: parent crystal.
        tried: labels that are really made.
        batch: labels of a job.
    """
    wanted = int(str(families["thermal"]["count"]))
    started = time.process_time()
    frames = draft(families, parent, 1)
    told("sampling", started, wanted)
    pool, journals = root / "pool.extxyz", root / "journal"
    started = time.process_time()
    write_frames(pool, frames)
    told("writing the pool", started, wanted)
    del frames
    journals.mkdir()
    rows = [json.dumps({"event": "finished", "id": f"n{number}", "key": f"{number:032x}"}) for number in range(wanted)]
    for number in range(0, wanted, batch):
        (journals / f"{number:06d}.jsonl").write_text("\n".join(rows[number : number + batch]) + "\n")
    settings = ReferenceSettings.from_dict(SETTINGS)
    started = time.process_time()
    mine = read_frames(pool, wanted - tried, wanted)
    told("a job reads its part of the pool", started)
    started = time.process_time()
    tally = Tally(journals)
    told("a job counts the labels of all", started)
    started = time.process_time()
    labelled, _ = label_batch(
        mine,
        settings=settings,
        engine=Instant(),
        store=LabelStore(root / "store", "code"),
        journal_path=journals / "mine.jsonl",
        max_attempts=1,
        timeout_s=60,
        on_progress=lambda _done, _all, event: tally.add(event) and None,
    )
    told("labelling without DFT", started, tried)
    started = time.process_time()
    write_frames(root / "labels.extxyz", labelled)
    kept, _ = filter_labels(read_frames(root / "labels.extxyz"), Curate())
    told(f"gathering and filters, {len(kept)} labels", started, tried)


if __name__ == "__main__":
    main()
