"""Our errors beside the published ones: digits, intervals and targets decide what may be said."""

from typing import get_args

import pytest

from pesforge.fitting.models import FITTERS
from pesforge.published.compare import Value, evidence, long_table, printed, rows, standing, text_table, verdict
from pesforge.published.mlearn import ELEMENTS, PUBLISHED
from pesforge.published.settings import BenchmarkElement, PublishedStudy, Target


def metrics(energy, force, *, spread=0.1, copies=None):
    """What `metrics.json` of a fit holds, as far as the table needs it."""
    test = {"energy_mae_mev_per_atom": energy, "force_mae_ev_per_ang": force}
    found = {
        "test": test,
        "test_intervals_90": {key: [value * (1 - spread), value * (1 + spread)] for key, value in test.items()},
        "n_structures": {"train": 20, "test": 10},
        "n_functions": 7,
        "choice": {"text": "chosen"},
    }
    if copies is not None:
        found["test_without_copies"] = {
            "n_structures": 8, "energy_mae_mev_per_atom": copies[0], "force_mae_ev_per_ang": copies[1]
        }  # fmt: skip
    return found


def bold(table, element, kind):
    return [
        row["potential"]
        for row in table
        for cell in row["cells"]
        if cell["element"] == element and cell[f"{kind}_best"]
    ]


def test_the_published_table_is_complete_and_as_printed():
    assert get_args(BenchmarkElement) == ELEMENTS
    assert [row.potential for row in PUBLISHED] == ["GAP", "MTP", "qSNAP", "SNAP"]
    for row in PUBLISHED:
        assert tuple(row.values) == ELEMENTS
        assert all(float(energy) > 0.3 and float(force) < 0.3 for energy, force in row.values.values())
    values = {row.potential: row.values for row in PUBLISHED}
    assert values["GAP"]["Si"] == ("2.91", "0.07")
    assert values["MTP"]["Ge"] == ("1.79", "0.05")
    assert values["qSNAP"]["Mo"] == ("2.77", "0.184")
    assert values["SNAP"]["Li"] == ("1.03", "0.028")


def test_the_models_are_those_of_the_command():
    assert get_args(PublishedStudy.model_fields["model"].annotation) == tuple(FITTERS)


def test_digits_imply_their_rounding():
    assert printed("0.01") == Value(0.01, 0.005, "0.01")
    assert printed("2.24").rounding == pytest.approx(0.005)
    assert printed("0.184").rounding == pytest.approx(0.0005)
    assert printed("3").rounding == 0.5


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0849, "lower"), (0.0851, "equal"), (0.0949, "equal"), (0.0951, "higher"), (0.2, "higher")],
)
def test_a_difference_inside_the_rounding_is_no_difference(value, expected):
    assert standing(value, [printed("0.09"), printed("0.184")]) == expected


def test_the_lowest_of_a_column_is_marked_as_far_as_its_digits_tell():
    table = rows({"Mo": metrics(2.14, 0.0877), "Si": metrics(1.45, 0.0538), "Ge": metrics(3.0, 0.2)})
    assert bold(table, "Mo", "energy") == ["pesforge"]
    assert bold(table, "Mo", "force") == ["pesforge", "GAP", "MTP"]
    assert bold(table, "Si", "force") == ["pesforge"]
    assert bold(table, "Ge", "energy") == ["MTP"]
    assert bold(table, "Ge", "force") == ["GAP", "MTP"]
    assert bold(rows({"Si": metrics(9.0, 0.09)}), "Si", "force") == ["MTP"], "0.065 is the end of both ranges"


def test_verdicts_are_plain_and_misses_are_misses():
    assert verdict("Si", metrics(1.45, 0.0538), None)["sentence"] == "lower than all published in energy and force"
    found = verdict("Si", metrics(1.45, 0.0538), Target(element="Si", energy_mev_per_atom=1.4, force_ev_per_ang=0.06))
    assert not found["good"]
    assert found["sentence"].endswith("misses: energy 1.45 meV/atom (target 1.4)")
    found = verdict("Mo", metrics(2.14, 0.0877), None)
    assert found["good"]
    assert found["lower_in"] == ["energy"]
    assert found["sentence"] == "lower than all published in energy, level with the best published in force"
    assert "the lowest published energy error (GAP 2.24) lies inside the 90 % interval of ours" in found["notes"]
    found = verdict("Ge", metrics(1.85, 0.04), None)
    assert not found["good"]
    assert found["sentence"] == "lower than all published in force; misses: energy 1.85 meV/atom (published MTP 1.79)"
    found = verdict("Ge", metrics(9.0, 0.4), Target(element="Ge", energy_mev_per_atom=1, force_ev_per_ang=0.04))
    assert found["sentence"] == (
        "misses: energy 9.00 meV/atom (published MTP 1.79, target 1); force 0.400 eV/Å (published GAP and MTP 0.05, "
        "target 0.04)"
    )


def test_copies_have_a_row_of_their_own_that_is_never_the_best():
    table = rows({"Cu": metrics(0.21, 0.0056, copies=(0.001, 0.0001)), "Mo": metrics(2.1, 0.09)})
    cells = table[1]["cells"]
    assert cells[0]["energy_mae_mev_per_atom"] == 0.001
    assert not cells[0]["energy_best"]
    assert cells[1]["force_mae_ev_per_ang"] is None
    (note,) = verdict("Cu", metrics(0.2, 0.004, copies=(0.3, 0.011)), None)["notes"]
    assert note.startswith("without copied test structures ours are 0.300 meV/atom / 0.0110 eV/Å; the published")
    lines = text_table(table, [])
    assert "0.210 / 0.00560" in lines[1]
    assert lines[2].endswith("the same")
    assert "0.46 / 0.01" in lines[3]


def test_the_long_table_has_one_row_per_potential_and_element():
    long = long_table(rows({"Cu": metrics(0.2, 0.005), "Mo": metrics(2.1, 0.09)}))
    assert len(long) == 12
    assert long[0]["energy_mae_mev_per_atom_low_90"] == pytest.approx(0.18)
    assert long[-1]["potential"] == "SNAP"
    assert long[-1]["energy_mae_mev_per_atom_low_90"] is None


def test_the_evidence_counts_copies():
    study = PublishedStudy(name="a", published={"elements": ["Cu", "Mo"]})
    labels = {element: {split: {"file": "f"} for split in ("test", "training")} for element in ("Cu", "Mo")}
    found = evidence(study, {"Cu": metrics(0.2, 0.005, copies=(0.3, 0.01)), "Mo": metrics(2.1, 0.09)}, labels)
    assert [row["n_copies"] for row in found["fits"]] == [2, 0]
    assert [row["split"] for row in found["labels"]] == ["training", "test"] * 2
    assert found["downloaded"]
