"""The tiny study on real DFT: a newcomer's commands, a wrong study, and runs that are killed."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import jsonschema
import pytest
from kills import kill_everything, kill_the_master, killed_when

from pesforge.cost import UNCLAIMED
from pesforge.fields import FIELDS
from pesforge.io import read_json, sha256_of

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).parents[2]
STAGES = {
    "converge",
    "sample",
    "label",
    "curate",
    "coverage",
    "describe",
    "crossvalidate",
    "uncertainty",
    "train",
    "choose",
    "map",
    "validate",
    "provenance",
}
TIMED = {"cost", "ledger", "repeats"}
"""Evidence that holds times, which differ from run to run."""


def evidence(root: Path) -> dict[str, bytes]:
    """Content of every evidence file but those with times."""
    files = (root / "results/tiny/evidence").glob("*.json")
    return {path.name: path.read_bytes() for path in files if path.stem not in TIMED}


def computed(root: Path) -> Counter[str]:
    """How often each label was computed to its end, by the journals."""
    events = [
        json.loads(line)
        for journal in (root / "results/tiny/label/journal").glob("*.jsonl")
        for line in journal.read_text().splitlines()
    ]
    return Counter(event["key"] for event in events if event["event"] == "finished")


def shell(clone, command: str, **options) -> subprocess.CompletedProcess:
    """A command as README gives it, in the clone, with the environment that is there already."""
    return subprocess.run(
        command,
        shell=True,
        cwd=clone.root,
        env=clone.environment,
        text=True,
        capture_output=True,
        timeout=900,
        **options,
    )


def give_environment(made) -> None:
    """Let `make` in a clone use the environment of these tests instead of installing its own."""
    (made.root / ".venv").symlink_to(Path(sys.executable).parents[1])
    marker = made.root / ".venv" / ".installed"
    assert marker.is_file(), "run the tests with `make test`"
    for name in ("requirements.lock", "pyproject.toml", "envs/gpaw_siteconfig.py"):
        os.utime(made.root / name, (0, 0))


def test_the_study_reaches_its_report(finished):
    results = finished.root / "results/tiny"
    assert {path.stem for path in (results / "evidence").glob("*.json")} == STAGES | TIMED
    label = read_json(results / "evidence/label.json")
    assert label["labelled"] == label["requested"] == 15
    verdict = read_json(results / "evidence/validate.json")["verdict"]
    assert verdict["passed"] > 10
    hull = read_json(results / "evidence/validate.json")["hull"]
    above = {row["name"]: row["above_hull_dft_mev_per_atom"] for row in hull["phases"]}
    assert above["Si diamond"] == 0
    assert 200 < above["Si sc"] < 900
    page = (results / "report/index.html").read_text()
    assert verdict["summary"].split(":")[0] in page
    assert not re.search(r"(src|href)=[\"']https?://", page)
    card = read_json(results / "report/card.json")
    jsonschema.validate(card, read_json(finished.root / "src/pesforge/report/card.schema.json"))
    assert card["potential"]["files"]["weights.safetensors"] == sha256_of(results / "potential/weights.safetensors")
    assert card["verdict"]["summary"] == verdict["summary"]


def test_the_ledger_adds_up_to_all_reference_calculations_and_knows_who_asked_for_each(finished):
    results = finished.root / "results/tiny/evidence"
    ledger, cost = read_json(results / "ledger.json"), read_json(results / "cost.json")
    rows = [*ledger["families"], *ledger["shared"]]
    assert sum(row["dft_seconds"] for row in rows) == pytest.approx(cost["dft_seconds"])
    assert sum(row["dft_calculations"] for row in rows) == cost["dft_calculations"]
    assert [(row["family"], row["labels"]) for row in ledger["families"]] == [
        ("thermal", 8),
        ("strain", 4),
        ("volume", 3),
    ]
    purposes = {row["purpose"] for row in ledger["shared"]}
    assert {"numerical convergence", "force constants", "equation of state", "elastic constants"} <= purposes
    assert UNCLAIMED not in purposes
    assert [row["family"] for row in ledger["bought"]] == ["thermal", "strain", "volume"]


def test_the_potential_agrees_with_the_labels_it_learned(finished):
    from ase.io import read

    from pesforge import load_potential

    calculator = load_potential(finished.root / "results/tiny/potential")
    frames = read(finished.root / "results/tiny/curate/curated.extxyz", ":")
    assert set(frames[0].info) == set(FIELDS) - {"energy", "forces", "stress"}
    for frame in frames:
        label = frame.get_potential_energy()
        frame.calc = calculator
        assert abs(frame.get_potential_energy() - label) / len(frame) < 0.03


def test_the_sweep_has_points_seeds_and_logs(finished):
    runs = list((finished.root / "results/tiny/train").glob("*/seed_*"))
    assert len(runs) == 8
    for run in runs:
        assert (run / "history.csv").read_text().startswith("epoch,train_loss,validation_loss")
        assert list(run.glob("logs/csv/*/metrics.csv"))
        assert list(run.glob("logs/tensorboard/*/events*"))


def test_the_commands_of_the_readme_work(finished):
    give_environment(finished)
    text = (REPOSITORY / "README.md").read_text()
    commands = re.findall(
        r"^(make .*?)\s*(?:#.*)?$", "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)), re.MULTILINE
    )
    archives = ["make archive STUDY=silicon", "make verify STUDY=silicon"]
    studies = ["make plan STUDY=tiny", "make run STUDY=tiny", *archives, "make run STUDY=mlearn"]
    assert commands == ["make run", "make test", *studies]
    published = shell(finished, "make plan STUDY=mlearn")
    assert published.returncode == 0, published.stderr
    assert "fetch_labels" in published.stdout + published.stderr
    planned = shell(finished, "make plan STUDY=tiny")
    assert planned.returncode == 0, planned.stderr
    assert re.search(r"thermal\s+8 structures", planned.stdout)
    assert re.search(r"sweep\s+4 points × 2 seeds = 8 training runs", planned.stdout)
    assert "15 (15 there already)" in planned.stdout
    assert re.search(r"per label \(\d+ labels of this study\)", planned.stdout)
    again = shell(finished, "make run STUDY=tiny")
    assert again.returncode == 0, again.stderr
    assert "nothing was computed" in again.stdout
    assert "results/tiny/report/index.html" in again.stdout
    for command in ("make run", "make test"):
        rehearsed = shell(finished, f"make --dry-run {command.removeprefix('make ')}")
        assert rehearsed.returncode == 0, rehearsed.stderr
    snippet = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert snippet
    code = snippet.group(1).replace("results/default", "results/tiny")
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=finished.root,
        env=finished.environment,
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout.split()[0]) < -5


def test_the_readme_fits_a_file_of_labels(finished):
    if not (finished.root / ".venv").exists():
        give_environment(finished)
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL))
    commands = re.findall(r"^\.venv/bin/pesforge .*$", blocks, re.MULTILINE)
    assert [command.split()[1] for command in commands] == ["fit", "evaluate", "lammps"]
    for name in ("train", "test", "more"):
        shutil.copy(finished.root / "results/tiny/label/labels.extxyz", finished.root / f"{name}.extxyz")
    for command in commands:
        ran = shell(finished, command)
        assert ran.returncode == 0, ran.stderr
    metrics = read_json(finished.root / "results/my-fit/metrics.json")
    assert metrics["train"]["energy_rmse_mev_per_atom"] < metrics["cv"]["energy_rmse_mev_per_atom"]
    again = read_json(finished.root / "errors.json")
    assert "force_rmse_ev_per_ang" in json.dumps(again)


def test_a_wrong_study_ends_the_dry_run_with_all_mistakes_and_no_traceback(finished, tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: wrong\nsede: 1\nstructure: {prototype: diamond, species: [Si], lattice_constant_ang: -1}\n")
    for command in (f"make run STUDY={wrong}", f"{sys.executable} -m snakemake -n --config study={wrong}"):
        ended = shell(finished, command)
        said = ended.stdout + ended.stderr
        assert ended.returncode != 0
        assert "line 2: sede: unknown key" in said
        assert "line 3: structure.lattice_constant_ang: found -1" in said
        assert "Traceback" not in said
    assert not (finished.root / "results/wrong").exists()


def test_killed_runs_end_in_the_same_evidence_and_repeat_no_label(finished, make_clone, tmp_path):
    made = make_clone(tmp_path / "pesforge")
    give_environment(made)
    store, train = made.root / "results/tiny/store", made.root / "results/tiny/train"

    def finished_labels() -> int:
        return sum(computed(made.root).values())

    moments = [
        (lambda: len(list(store.glob("*/*.json"))) >= 4, kill_everything),
        (lambda: finished_labels() >= 4, kill_everything),
        (lambda: finished_labels() >= 9, kill_the_master),
        (lambda: len(list(train.glob("*/*/metrics.json"))) >= 2, kill_everything),
    ]
    kills = 0
    for reached, kill in moments:
        process = subprocess.Popen(
            ["make", "run", "STUDY=tiny"], cwd=made.root, env=made.environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        killed_when(reached, process, kill)
        kills += 1
    ended = shell(made, "make run STUDY=tiny")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert kills == 4
    assert set(computed(made.root).values()) == {1}
    assert evidence(made.root).keys() == evidence(finished.root).keys()
    for name, content in evidence(finished.root).items():
        assert evidence(made.root)[name] == content, f"{name} differs after {kills} kills"
    for name in ("potential/weights.safetensors", "label/labels.extxyz", "describe/design.npz", "curate/decisions.csv"):
        assert (made.root / "results/tiny" / name).read_bytes() == (finished.root / "results/tiny" / name).read_bytes()
    shutil.rmtree(made.root)


@pytest.mark.nightly
def test_molecular_dynamics_is_added_to_a_finished_study(beside):
    before = computed(beside.root)
    motion = "{supercell: [1, 1, 1], temperatures_k: [300.0], count: 2, equilibration_ps: 0.2, max_ps: 4.0}"
    beside.edit("config/tiny.yaml", "sample:\n", f"sample:\n  md: {motion}\n")
    folder = "results/tiny/evidence"
    beside.snakemake("--cores", "2", f"{folder}/label.json", f"{folder}/drive.json")
    drive, label = read_json(beside.root / folder / "drive.json"), read_json(beside.root / folder / "label.json")
    (run,) = drive["runs"]
    assert (run["requested"], run["given"], run["stopped"]) == (2, 2, None)
    assert run["spacing_fs"] >= 2 * run["tau_fs"] > 0
    assert drive["draft"]["labels"] == 15
    assert drive["draft"]["force_rmse_ev_per_ang"] < 1.0
    assert label["labelled"] == label["requested"] == 17
    assert label["by_family"]["md"] == 2
    again = computed(beside.root)
    assert {key: again[key] for key in before} == before
    assert len(again) == len(before) + 2
