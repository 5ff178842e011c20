"""What a study will cost, and one run at a time."""

import fcntl
import json
import os
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from pesforge.cli import main
from pesforge.errors import PesforgeError
from pesforge.launch import NOISE, STATE, Quiet, mend_times, run
from pesforge.plan import plan_text
from pesforge.sampling.prepare import draft
from pesforge.structure import from_plain
from pesforge.study import load_study

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def tiny():
    return load_study(REPOSITORY / "config" / "tiny.yaml", REPOSITORY / "config" / "train")


def test_the_plan_counts_structures_labels_and_runs(tiny, tmp_path):
    text = plan_text(tiny, tmp_path)
    for line in (
        "thermal         8 structures",
        "labels         15 (0 there already",
        "4 points × 2 seeds = 8 training runs",
    ):
        assert line in text
    assert "a guess of the converged settings" in text
    assert "ensemble" not in text


def test_the_plan_counts_the_trainings_of_an_ensemble(tiny, tmp_path):
    train = tiny.settings.train.model_copy(update={"members": 5})
    text = plan_text(replace(tiny, settings=tiny.settings.model_copy(update={"train": train})), tmp_path)
    assert "5 members × 4 = 20 training runs, if a neural potential is chosen" in text


DRIVEN = """\
  md: {supercell: [2, 1, 1], temperatures_k: [300.0], count: 6, equilibration_ps: 0.5}
  relaxed: {rattled: 1}
  vacancy: {supercell: [2, 1, 1], count: 1}
"""


def test_the_plan_counts_what_a_driver_will_make_without_one(tmp_path):
    text = (REPOSITORY / "config" / "tiny.yaml").read_text().replace("sample:\n", "sample:\n" + DRIVEN)
    (tmp_path / "driven.yaml").write_text(text)
    plan = plan_text(load_study(tmp_path / "driven.yaml", REPOSITORY / "config" / "train"), tmp_path)
    for line in (
        "md              6 structures",
        "relaxed         2 structures",
        "labels         24 (0 there already",
        "draft potential of 50 functions at most, 1100 steps or more",
    ):
        assert line in plan
    (tmp_path / "coarse.yaml").write_text(text.replace("sample:\n", "sample:\n  driver: {kind: dft}\n"))
    plan = plan_text(load_study(tmp_path / "coarse.yaml", REPOSITORY / "config" / "train"), tmp_path)
    assert "coarse DFT, 1100 steps or more: about" in plan


def test_the_plan_says_how_much_the_rounds_label_at_most(tiny, tmp_path):
    text = (REPOSITORY / "config" / "tiny.yaml").read_text()
    few = plan_text(tiny, tmp_path)
    assert "learn" not in few
    plans = []
    for controls in (2, 0):
        path = tmp_path / f"learn-{controls}.yaml"
        path.write_text(text + f"learn: {{rounds: 2, per_round: 5, controls: {controls}}}\n")
        plans.append(plan_text(load_study(path, REPOSITORY / "config" / "train"), tmp_path))
    assert "up to 10 labels in 2 rounds, 2 times as many random ones beside them, an exam of 18: at most" in plans[0]
    assert "up to 10 labels in 2 rounds, an exam of 18: at most" in plans[1]
    assert [line for line in plans[0].splitlines() if "learn" not in line] == few.splitlines()


def test_the_labels_of_the_rounds_are_not_those_of_the_families(tiny, tmp_path):
    events = [{"id": f"learned-0-300K-{n:03d}", "event": "finished", "seconds": 3.0, "key": str(n)} for n in range(4)]
    journal = tmp_path / "tiny" / "label" / "journal" / "0003.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert "labels         15 (0 there already" in plan_text(tiny, tmp_path)


def test_the_plan_uses_measured_times_and_survives_a_torn_journal(tiny, tmp_path):
    journal = tmp_path / "tiny" / "label" / "journal" / "0000.jsonl"
    journal.parent.mkdir(parents=True)
    events = [{"event": "finished", "seconds": seconds, "id": str(seconds), "key": "k"} for seconds in (100.0, 300.0)]
    journal.write_text("".join(json.dumps(event) + "\n" for event in events) + '{"event": "fin')
    text = plan_text(tiny, tmp_path)
    assert "labels         15 (2 there already" in text
    assert "about 3 min per label (2 labels of this study)" in text


def test_every_family_has_a_time_and_labels_of_one_scale_the_others(tiny, tmp_path):
    def minutes(text):
        found = re.findall(r"(\w+) +\d+ structures, about (\d+) (s|min)", text)
        return {family: float(number) * (60 if unit == "min" else 1) for family, number, unit in found}

    guessed = minutes(plan_text(tiny, tmp_path))
    assert list(guessed) == list(tiny.settings.families)
    assert guessed["volume"] / 3 < guessed["thermal"] / 8
    journal = tmp_path / "tiny" / "label" / "journal" / "0000.jsonl"
    journal.parent.mkdir(parents=True)
    name = draft({"thermal": tiny.families["thermal"]}, from_plain(tiny.parent), tiny.settings.seed)[0].info["id"]
    journal.write_text(json.dumps({"event": "finished", "seconds": 300.0, "id": name, "key": "k"}) + "\n")
    measured = minutes(plan_text(tiny, tmp_path))
    assert measured["thermal"] == 8 * 300
    assert measured["strain"] == pytest.approx(300 / (guessed["thermal"] / 8) * guessed["strain"], rel=0.1)


def test_the_plan_of_a_published_table_counts_files_and_fits(tmp_path):
    loaded = load_study(REPOSITORY / "config" / "mlearn.yaml", REPOSITORY / "config" / "train")
    text = plan_text(loaded, tmp_path)
    assert "Si, Cu, Mo of mlearn" in text
    assert "labels          6 files, downloaded, such as https://" in text
    assert "fits            3 (0 there already), model ace, as many functions as a minute allows" in text
    (tmp_path / "mlearn" / "fit" / "Mo").mkdir(parents=True)
    (tmp_path / "mlearn" / "fit" / "Mo" / "metrics.json").write_text("{}")
    assert "fits            3 (1 there already)" in plan_text(loaded, tmp_path)


def test_a_second_run_in_the_same_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    STATE.mkdir()
    with (STATE / "pesforge.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(PesforgeError, match="another run is active"):
            run("tiny")


def test_files_from_the_future_are_brought_back_in_their_order(tmp_path):
    now = 1_800_000_000.0
    ahead = {"study/a": -50, "study/b": 30, "study/c": 86400, "study/d": 90000, "store/e": 1e6}
    times = {name: now + seconds for name, seconds in ahead.items()}
    for name, time_s in times.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.utime(path, (time_s, time_s))
    (tmp_path / "study/broken").symlink_to("nowhere")
    os.utime(tmp_path / "study/broken", (now, now), follow_symlinks=False)
    assert mend_times(tmp_path, now) == 2
    found = {name: (tmp_path / name).stat().st_mtime for name in times}
    assert found["study/a"] == now - 50
    assert found["study/b"] == now + 30, "clocks of nodes differ by seconds"
    assert now - 1 < found["study/c"] < found["study/d"] <= now
    assert found["store/e"] == times["store/e"]
    assert mend_times(tmp_path, now) == 0
    assert mend_times(tmp_path / "none", now) == 0


def test_what_snakemake_says_of_itself_is_left_out_and_a_lost_reader_ends_nothing(tmp_path):
    with (tmp_path / "said").open("w") as file:
        quiet = Quiet(file)
        for text in ("Building DAG of jobs...\nlabel 3 fai", "led\n\nSelect jobs to", " execute...\n"):
            assert quiet.write(text) == len(text)
        quiet.flush()
        assert (tmp_path / "said").read_text() == "label 3 failed\n"
        assert quiet.fileno() == file.fileno()
    read, write = os.pipe()
    os.close(read)
    pipe = os.fdopen(write, "w")
    quiet = Quiet(pipe)
    for _ in range(3):
        quiet.write("label 4 failed\n")
        quiet.flush()
    with suppress(BrokenPipeError):
        pipe.close()


def test_errors_of_snakemake_are_not_taken_for_noise():
    assert NOISE.match("Select jobs to execute...")
    assert not NOISE.match("Error in rule label_batch:")
    assert not NOISE.match("pesforge: error in label_batch: no space left on device")


def test_the_command_line_says_mistakes_in_one_text_and_ends_with_1(tmp_path, capsys):
    assert main(["plan", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml: cannot be read" in capsys.readouterr().err
    assert main(["settings"]) == 0
    assert "# Settings of a study" in capsys.readouterr().out
