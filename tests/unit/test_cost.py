import pytest

from pesforge.archive.contents import labels_of
from pesforge.cost import (
    CONVERGENCE,
    MOVING_RULE,
    NO_LONGER_USED,
    PURPOSES,
    UNCLAIMED,
    convergence_cost,
    cost,
    spending,
    stored_seconds,
)
from pesforge.dft.labelling import Journal, read_journals
from pesforge.dft.store import LabelStore
from pesforge.io import write_json


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
    assert found["stages"][0] == {"stage": "label", "seconds": 100.0, "jobs": 2, "max_rss_mb": 170.0, "asked_mb": None}


def test_memory_is_what_a_job_noted_at_its_end_where_that_is_more_than_was_seen(study):
    for name, peak in (("label_batch.0000", 412.5), ("label_batch.0001", 160.0), ("train_run.ab.seed_0", 90.0)):
        write_json(study / "benchmarks/peaks" / f"{name}.json", {"rule": "", "peak_mb": peak, "asked_mb": 2000})
    label, train = cost(study / "benchmarks", study / "store", "now")["rules"]
    assert (label["rule"], label["max_rss_mb"], label["asked_mb"]) == ("label_batch", 412.5, 2000.0)
    assert (train["stage"], train["rule"], train["max_rss_mb"]) == ("train", "train_run", 90.0)
    assert cost(study / "benchmarks", study / "store", "now")["stages"][0]["max_rss_mb"] == 412.5


def test_jobs_that_only_recalled_their_labels_make_no_share_above_one(study):
    (study / "benchmarks" / "label" / "label_batch.0000.tsv").write_text("s\th:m:s\tmax_rss\n2.0\t0:00:02\t90\n")
    found = cost(study / "benchmarks", study / "store", "now")
    assert found["total_seconds"] == 100.0
    assert found["dft_share"] == pytest.approx(0.8)


def events(*told):
    """Journal events from (event, id, key) and, where there is one, seconds."""
    names = ("event", "id", "key", "seconds")
    return [dict(zip(names, event, strict=False)) for event in told]


SECONDS = {"t1": 20.0, "t2": 30.0, "t3": 70.0, "v1": 10.0, "old": 5.0, "eos": 4.0, "scan": 3.0, "nobody": 2.0}
LABELS = [("t-1", "thermal", "t1"), ("t-2", "thermal", "t2"), ("t-3", "thermal", "t3"), ("v-1", "vacancy", "v1")]
BATCHES = events(
    ("started", "t-1", "t1"), ("finished", "t-1", "t1", 20.0),
    ("started", "t-2", "t2"), ("failed", "t-2", "t2", 7.0), ("started", "t-2", "t2"), ("finished", "t-2", "t2", 30.0),
    ("started", "t-3", "t3"), ("started", "t-3", "t3"), ("finished", "t-3", "t3", 70.0),
    ("recalled", "v-1", "v1"),
    ("started", "t-9", "old"), ("finished", "t-9", "old", 5.0),
    ("started", "d-1", "none"), ("failed", "d-1", "none", 6.0), ("started", "d-1", "none"), ("failed", "d-1", "none"),
)  # fmt: skip
JOBS = {
    "compute_eos": events(("finished", None, "eos", 4.0), ("recalled", None, "v1"), ("recalled", None, "scan")),
    "scan_parameter": events(("started", None, "scan"), ("failed", None, "scan", 1.5), ("started", None, "scan")),
}


@pytest.fixture
def spent():
    return spending(SECONDS, labels=LABELS, failed=[("d-1", "dimer")], batches=BATCHES, jobs=JOBS)


def test_families_carry_the_seconds_of_their_labels_whoever_computed_them(spent):
    thermal, vacancy, dimer = spent["families"]
    assert (thermal["family"], thermal["labels"], thermal["dft_calculations"]) == ("thermal", 3, 3)
    assert (thermal["dft_seconds"], thermal["median_seconds"], thermal["mean_seconds"]) == (120.0, 30.0, 40.0)
    assert (vacancy["dft_seconds"], vacancy["mean_seconds"]) == (10.0, 10.0)
    assert (thermal["anyway_seconds"], vacancy["anyway_seconds"]) == (0.0, 10.0)
    assert (dimer["labels"], dimer["dft_seconds"], dimer["mean_seconds"]) == (0, 0.0, None)


def test_failed_and_killed_attempts_are_counted_beside_the_labels(spent):
    thermal, vacancy, dimer = spent["families"]
    assert (thermal["failed_attempts"], thermal["lost_seconds"], thermal["untimed_attempts"]) == (1, 7.0, 1)
    assert (vacancy["failed_attempts"], vacancy["lost_seconds"], vacancy["untimed_attempts"]) == (0, 0.0, 0)
    assert (dimer["failed_attempts"], dimer["lost_seconds"], dimer["untimed_attempts"]) == (2, 6.0, 1)
    assert spent["lost_seconds"] == 7.0 + 6.0 + 1.5


def test_every_calculation_is_counted_once_and_all_rows_together_are_the_store(spent):
    shared = {row["purpose"]: row["dft_seconds"] for row in spent["shared"]}
    assert shared == {"numerical convergence": 3.0, "equation of state": 4.0, NO_LONGER_USED: 5.0, UNCLAIMED: 2.0}
    assert sum(row["dft_seconds"] for row in (*spent["families"], *spent["shared"])) == sum(SECONDS.values())
    assert sum(row["dft_calculations"] for row in (*spent["families"], *spent["shared"])) == len(SECONDS)


def test_convergence_is_weighed_against_the_labels_that_it_serves():
    labels = [{"dft_seconds": 30.0}, {"dft_seconds": 20.0}]
    others = [{"purpose": "equation of state", "dft_seconds": 99.0}]
    converge = [{"purpose": name, "dft_seconds": 15.0} for name in CONVERGENCE]
    found = convergence_cost(labels, [*converge, *others])
    assert found == {"converge_seconds": 30.0, "label_seconds": 50.0, "cheaper_than_labels": True}
    assert convergence_cost(labels, [*converge * 2, *others])["cheaper_than_labels"] is False


def test_the_total_is_that_of_the_evidence_on_cost(study):
    found = spending(stored_seconds(study / "store", "now"), labels=[("a", "f", "aa1")], failed=[], batches=[], jobs={})
    assert found["dft_seconds"] == cost(study / "benchmarks", study / "store", "now")["dft_seconds"] == 80.0
    assert [row["dft_seconds"] for row in (*found["families"], *found["shared"])] == [50.0, 30.0]


@pytest.fixture
def driven(study):
    """Beside `study`: two jobs of 70 s that moved atoms, 45 s of them in two steps; one attempt failed, one was killed.

    The key of the second step stands in the store of the labels too: the same calculation, made twice.
    """
    store = LabelStore(study / "drive" / "store", "now")
    for key, seconds in (("dd4", 33.0), ("aa1", 12.0)):
        write_json(store.path(key), {"label": {"seconds": seconds}, "code": "now"})
    for family, told in (
        ("md", (("started", "dd4"), ("failed", "dd4", 9.0), ("started", "dd4"), ("finished", "dd4", 33.0))),
        ("relaxed", (("started", "aa1"), ("started", "aa1"), ("finished", "aa1", 12.0), ("recalled", "dd4"))),
    ):
        journal = Journal(store.journals / f"{MOVING_RULE}.{family}.jsonl")
        for event in told:
            journal.append(dict(zip(("event", "key", "seconds"), event, strict=False)))
        table = study / "benchmarks" / "drive" / f"{MOVING_RULE}.{family}.tsv"
        table.parent.mkdir(exist_ok=True)
        table.write_text("s\th:m:s\tmax_rss\n35.0\t0:00:35\t90\n")
    return study, store


def test_steps_of_a_reference_code_that_moves_atoms_are_calculations_not_overhead(driven):
    study, store = driven
    found = cost(study / "benchmarks", study / "store", "now", store.root)
    assert (found["dft_calculations"], found["dft_seconds"]) == (4, 80.0 + 45.0)
    assert found["total_seconds"] == 120.0 + 70.0
    assert found["dft_share"] == pytest.approx(125 / 190)


def test_where_a_potential_moves_atoms_its_jobs_are_overhead_and_no_step_counts(driven):
    study, _ = driven
    (study / "benchmarks" / "label" / "label_batch.0000.tsv").write_text("s\th:m:s\tmax_rss\n2.0\t0:00:02\t90\n")
    found = cost(study / "benchmarks", study / "store", "now")
    assert (found["dft_calculations"], found["dft_seconds"]) == (2, 80.0)
    assert found["total_seconds"] == 100.0 + 70.0, "labels that were recalled swallow no time of the driver"


def test_the_ledger_names_what_moving_the_atoms_cost(driven):
    study, store = driven
    labels = {"labels": [("a", "f", "aa1")], "failed": [], "batches": [], "jobs": {}}
    seconds = stored_seconds(study / "store", "now")
    without = spending(seconds, **labels)
    found = spending(
        seconds,
        **labels,
        moving=stored_seconds(store.root, store.code),
        moves=[*read_journals(store.journals)],
    )
    (row,) = [row for row in found["shared"] if row["purpose"] == PURPOSES[MOVING_RULE]]
    assert (row["dft_calculations"], row["dft_seconds"]) == (2, 45.0)
    assert (row["failed_attempts"], row["lost_seconds"], row["untimed_attempts"]) == (1, 9.0, 1)
    assert [other for other in found["shared"] if other is not row] == without["shared"]
    assert found["families"] == without["families"], "the label with the same key is paid by its family"
    assert found["lost_seconds"] == without["lost_seconds"] + 9.0
    whole = cost(study / "benchmarks", study / "store", "now", store.root)
    assert (found["dft_calculations"], found["dft_seconds"]) == (whole["dft_calculations"], whole["dft_seconds"])
    assert sum(item["dft_seconds"] for item in (*found["families"], *found["shared"])) == found["dft_seconds"]


def test_what_a_killed_write_left_in_the_store_is_no_label(study):
    before = stored_seconds(study / "store", "now")
    assert before
    folder = next(path for path in (study / "store").iterdir() if path.is_dir() and any(path.glob("*.json")))
    (folder / ".0a1b.x7.json").write_text('{"label": {"ener')
    assert stored_seconds(study / "store", "now") == before
    assert not [path for path in labels_of(study / "store") if path.name.startswith(".")]
