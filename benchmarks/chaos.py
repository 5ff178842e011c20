"""Kills and faults at random moments of the tiny study with rounds, which must end as an undisturbed run does.

    python benchmarks/chaos.py --trials 50 --store results/tiny/store

One undisturbed run gives what must come out. Then the study runs again and again from an empty folder, with most of its
labels in the store and some left out, so that real DFT is killed too. At a random moment comes a fault: SIGKILL of a
worker, of the master, of the launcher or of all, a full disk, or results that become read-only; then perhaps torn
outputs of unfinished jobs, torn journals, stray temporary files, and clocks that jump. The next `pesforge run` must go
on. A run that ends must have the evidence, labels and potential of the undisturbed one, every label computed once at
most, and none lost.

The full disk and the read-only results need root, for a small tmpfs and a mount.
"""

import argparse
import os
import random
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from chaos_faults import KILLS, REPOSITORY, Storm, fill_disk, kill_all, lock_results, shift_clocks, tear

from pesforge.archive.compare import compare_files
from pesforge.archive.contents import labels_of
from pesforge.archive.verify import TIMED
from pesforge.dft.labelling import read_journals
from pesforge.io import read_json, write_json

PARTS = ("Snakefile", "workflow", "config", "envs", "profiles", "pyproject.toml")
ROUNDS = """
learn:
  rounds: 2
  per_round: 2
  test: 4
  pool: {temperatures_k: [300.0, 600.0], strains: [0.0], count: 5, equilibration_ps: 0.2, max_ps: 4.0}
  stop: {energy_mae_mev_per_atom: 0.0001}
"""
BYTES = ("label/labels.extxyz", "potential/weights.safetensors", "potential/model.json")
DISK = "64m"


def outcome(results: Path, place: Path) -> Path:
    """A folder with what a run came to: labels, potential and evidence, all without times and versions."""
    for name in BYTES:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(results / name, place / name)
    for path in sorted((results / "evidence").glob("[!.]*.json")):
        if path.stem not in TIMED:
            write_json(place / "evidence" / path.name, without_times(read_json(path)))
    return place


def without_times(value: Any) -> Any:
    """Evidence without the seconds that calculations took, which are never the same."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if not key.endswith("_seconds")}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def names_of(place: Path) -> set[str]:
    """Files of an outcome."""
    return {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}


def computed(results: Path) -> Counter[str]:
    """How often each label was computed to its end, by all journals."""
    folders = {path.parent for path in results.rglob("*.jsonl")}
    events = [event for folder in sorted(folders) for event in read_journals(folder)]
    return Counter(event["key"] for event in events if event["event"] == "finished")


def complaints(calm: Path, life: Path, results: Path, known: set[str], given: set[str]) -> list[str]:
    """What is wrong with a run that has ended.

    Args:
        calm: outcome of the undisturbed run.
        life: that of this one.
        results: its folder.
        known: keys of all labels of the undisturbed one.
        given: keys that were in the store before.
    """
    wanted, found = names_of(calm), names_of(life)
    compared = [compare_files(calm / name, life / name, name) for name in sorted(wanted)]
    wrong = [
        f"{one.name} differs: {'; '.join(one.differences[:3]) or f'relative deviation {one.largest:.1g}'}"
        for one in compared
        if not one.same
    ]
    wrong += [f"{name} is new" for name in sorted(found - wanted)]
    times = computed(results)
    wrong += [f"label {key} computed {count} times" for key, count in times.items() if count > 1]
    wrong += [f"label {key} computed although it was there" for key in given & set(times)]
    return wrong + [f"label {key} lost" for key in known - {path.stem for path in labels_of(results / "store")}]


@contextmanager
def folder(parent: Path) -> Iterator[tuple[Path, bool]]:
    """A new folder for a study, and whether its disk can be filled."""
    root = Path(tempfile.mkdtemp(prefix="storm-", dir=parent)).resolve()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(root)]
    small = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        for part in PARTS:
            source = REPOSITORY / part
            if source.is_dir():
                shutil.copytree(source, root / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, root / part)
        study = root / "config" / "tiny.yaml"
        study.write_text(study.read_text() + ROUNDS)
        yield root, small
    finally:
        if small:
            subprocess.run(["umount", "--lazy", str(root)], check=False)
        shutil.rmtree(root, ignore_errors=True)


def give_labels(store: Path, results: Path, left_out: set[str]) -> set[str]:
    """Copy a store but for some labels; the keys that were copied."""
    given = set()
    for path in store.glob("*/*.json"):
        if path.stem not in left_out:
            place = results / "store" / path.parent.name / path.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
            given.add(path.stem)
    return given


def undisturbed(parent: Path, store: Path | None) -> tuple[Path, Path]:
    """Folders of what must come out, and of all labels."""
    kept = parent / "store"
    with folder(parent) as (root, _):
        storm = Storm(root, random.Random(0))
        if store is not None:
            give_labels(store, storm.results, set())
        status = storm.start(parent / "calm.log").wait()
        if status:
            raise SystemExit(f"the undisturbed run failed: {(parent / 'calm.log').read_text()[-3000:]}")
        used = {
            event["key"] for path in storm.results.rglob("*.jsonl") for event in read_journals(path.parent, path.name)
        }
        shutil.copytree(storm.results / "store", kept)
        for path in kept.glob("*/*.json"):
            if path.stem not in used:
                path.unlink()
        return outcome(storm.results, parent / "calm"), kept


def one_life(storm: Storm, small: bool, trials: int, longest_s: float, log: Path) -> int:
    """Run the study to its end, with faults as long as there are some left to try; returns the number of starts."""
    starts = 0
    kills = [kill for kill, times in KILLS for _ in range(times) if small or kill not in (fill_disk, lock_results)]
    while True:
        starts += 1
        run = storm.start(log)
        if storm.killed.total() >= trials:
            status = run.wait()
            if status == 0:
                return starts
            raise SystemExit(f"a run that nobody disturbed failed: {log.read_text()[-4000:]}")
        with suppress(subprocess.TimeoutExpired):
            status = run.wait(storm.rng.uniform(1.0, longest_s))
            storm.settle()
            if status == 0:
                return starts
            if "another run is active" not in log.read_text()[-400:]:
                raise SystemExit(f"a run ended by itself: {log.read_text()[-4000:]}")
            continue
        kill = storm.rng.choice(kills)
        if not kill(storm, run) and run.poll() is None:
            kill = kill_all
            kill(storm, run)
        print(f"{storm.killed.total():4d} {kill.__name__}", flush=True)
        if not storm.processes():
            if storm.rng.random() < 0.5:
                tear(storm)
            if storm.rng.random() < 0.3:
                shift_clocks(storm)


def main() -> int:
    """Exit status: 1 where a run ended otherwise than the undisturbed one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=50, help="kills and faults (%(default)s)")
    parser.add_argument("--store", type=Path, help="labels of the tiny study that are known already")
    parser.add_argument("--left-out", type=int, default=15, help="labels per life that are computed (%(default)s)")
    parser.add_argument("--longest-s", type=float, default=25.0, help="longest time until a fault, s (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the dice (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where to work, new or empty (a temporary folder)")
    chosen = parser.parse_args()
    rng, killed, lives, bad = random.Random(chosen.seed), Counter[str](), 0, 0
    parent = chosen.folder or Path(tempfile.mkdtemp(prefix="pesforge-chaos-"))
    parent.mkdir(parents=True, exist_ok=True)
    calm, store = undisturbed(parent, chosen.store)
    known = {path.stem for path in store.glob("*/*.json")}
    print(
        f"undisturbed: {len(known)} labels, {len(names_of(calm))} files of evidence, labels and potential", flush=True
    )
    while killed.total() < chosen.trials:
        with folder(parent) as (root, small):
            storm = Storm(root, rng, killed)
            left_out = set(rng.sample(sorted(known), min(chosen.left_out, len(known))))
            given = give_labels(store, storm.results, left_out)
            starts = one_life(storm, small, chosen.trials, chosen.longest_s, parent / f"life-{lives}.log")
            life = outcome(storm.results, parent / f"life-{lives}")
            wrong = complaints(calm, life, storm.results, known, given)
            times = computed(storm.results)
        lives, bad = lives + 1, bad + bool(wrong)
        print(
            f"life {lives}: {starts} starts, {len(times)} labels computed, {'; '.join(wrong) or 'as undisturbed'}",
            flush=True,
        )
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(killed.items()))
    print(f"{killed.total()} faults ({kinds}) in {lives} lives of the study: {lives - bad} ended as undisturbed")
    return int(bad > 0)


if __name__ == "__main__":
    raise SystemExit(main())
