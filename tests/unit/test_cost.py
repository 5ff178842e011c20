import pytest

from pesforge.cost import convergence_cost, convergence_warning, cost
from pesforge.io import read_json, write_json


@pytest.fixture
def study(tmp_path):
    """A label stage of 100 s around 80 s of DFT, a report of 20 s, and a label of other code."""
    for stage, name, seconds, memory in (
        ("label", "label_batch.0000", 60.0, 150.0),
        ("label", "label_batch.0001", 40.0, 170.0),
        ("train", "train_run.ab.seed_0", 20.0, "-"),
    ):
        folder = tmp_path / "benchmarks" / stage
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.tsv").write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:00\t{memory}\n")
    for key, seconds, code in (("aa1", 50.0, "now"), ("bb2", 30.0, "now"), ("cc3", 500.0, "before")):
        write_json(tmp_path / "store" / key[:2] / f"{key}.json", {"label": {"seconds": seconds}, "code": code})
    return tmp_path


def test_the_share_of_dft_counts_every_calculation_of_this_code_once(study):
    found = cost(study / "benchmarks", study / "store", "now")
    assert found["dft_calculations"] == 2
    assert found["dft_seconds"] == 80.0
    assert found["total_seconds"] == 120.0
    assert found["dft_share"] == pytest.approx(80 / 120)
    assert found["stages"][0] == {"stage": "label", "seconds": 100.0, "jobs": 2, "max_rss_mb": 170.0}


def test_jobs_that_only_recalled_their_labels_make_no_share_above_one(study):
    (study / "benchmarks" / "label" / "label_batch.0000.tsv").write_text("s\th:m:s\tmax_rss\n2.0\t0:00:02\t90\n")
    found = cost(study / "benchmarks", study / "store", "now")
    assert found["total_seconds"] == 100.0
    assert found["dft_share"] == pytest.approx(0.8)


def test_convergence_is_weighed_against_the_labels_that_it_serves():
    made = [
        ("scan_parameter", 30.0),
        ("check_derivatives", 15.0),
        ("label_batch", 50.0),
        ("compute_eos", 99.0),
        ("", 7.0),
    ]
    found = convergence_cost(made)
    assert (found["converge_seconds"], found["label_seconds"], found["cheaper_than_labels"]) == (45.0, 50.0, True)
    assert found["seconds_by_rule"]["not recorded"] == 7.0
    assert convergence_warning(found) == ""
    dear = convergence_cost([*made, ("scan_parameter", 6.0)])
    assert dear["cheaper_than_labels"] is False
    assert "51 s against 50 s" in convergence_warning(dear)
    assert convergence_warning(convergence_cost([("scan_parameter", 6.0)])) == ""


def test_the_cost_of_a_study_names_the_rule_of_every_calculation(study):
    assert cost(study / "benchmarks", study / "store", "now")["convergence"]["seconds_by_rule"] == {
        "not recorded": 80.0
    }
    for key, rule in (("aa1", "label_batch"), ("bb2", "scan_parameter")):
        path = study / "store" / key[:2] / f"{key}.json"
        write_json(path, read_json(path) | {"made_for": rule})
    found = cost(study / "benchmarks", study / "store", "now")["convergence"]
    assert (found["converge_seconds"], found["label_seconds"]) == (30.0, 50.0)
