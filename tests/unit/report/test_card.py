"""The card for programs: it keeps its schema, which refuses what it should, and says what the evidence says."""

import copy
import json
from importlib.resources import files

import jsonschema
import pytest

from pesforge.io import write_json
from pesforge.report import model_card

DIGESTS = {"weights.safetensors": "b" * 64, "model.json": "a" * 64}
MODEL = {
    "kind": "ace-linear",
    "basis": {"species": ["Si"], "cutoff_ang": 5.2},
    "metadata": {
        "data": {"labels": 48, "atoms": 384, "families": "thermal, strain"},
        "method": {"candidate": "linear 400 : 1 : 250", "functions": 260, "alpha": 1e-6, "w_energy": 400.0},
        "settings": {"engine": "gpaw", "functional": "PBE", "hash": "dft-e3dfae02ac0274d8", "cutoff_ev": 200.0},
        "domain": {"species": ["Si"], "families": ["thermal", "strain"], "max_temperature_k": 1200.0},
        "code": {"export": "dd8cdb1a1660b061"},
        "versions": {"numpy": "2.4.6"},
        "held_out": "leave-one-structure-out, exact",
        "errors": {"energy_rmse_mev_per_atom": 0.47},
    },
}


@pytest.fixture(scope="module")
def schema():
    """The schema that is shipped; it must be one."""
    found = json.loads(files("pesforge.report").joinpath("card.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(found)
    return found


@pytest.fixture(scope="module")
def evidence(make_evidence):
    """Evidence of a study of which some checks do not apply."""
    return make_evidence(0.02)


@pytest.fixture
def card(evidence, tmp_path):
    """The card as it is read from its file."""
    write_json(tmp_path / "card.json", model_card(evidence, MODEL, DIGESTS))
    return json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))


def test_a_card_keeps_its_schema_and_says_what_the_evidence_says(card, schema, evidence):
    jsonschema.validate(card, schema)
    checks = evidence["validate"]["checks"]
    assert [row["name"] for row in card["checks"]] == [check["name"] for check in checks]
    assert {row["outcome"] for row in card["checks"]} >= {"pass", "not applicable"}
    assert card["verdict"]["passed"] == sum(row["outcome"] == "pass" for row in card["checks"])
    assert card["verdict"]["summary"] == evidence["validate"]["verdict"]["summary"]
    assert card["potential"]["files"] == DIGESTS
    assert card["potential"]["heads"] == 0
    heads = {f"head_{number}.{ending}": "c" * 64 for number in range(2) for ending in ("json", "safetensors")}
    assert model_card(evidence, MODEL, DIGESTS | heads)["potential"]["heads"] == 2
    assert card["held_out"]["errors"] == {"energy_rmse_mev_per_atom": 0.47}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda card: card.pop("verdict"),
        lambda card: card["potential"]["files"].pop("weights.safetensors"),
        lambda card: card["potential"]["files"].update({"model.json": "not a digest"}),
        lambda card: card["checks"][0].update(outcome="perhaps"),
        lambda card: card["checks"][0].update(tolerance="small"),
        lambda card: card["verdict"].update(usable="yes"),
        lambda card: card["potential"].update(cutoff_ang=0.0),
        lambda card: card.update(more=1),
    ],
)
def test_the_schema_refuses_a_spoilt_card(card, schema, spoil):
    spoilt = copy.deepcopy(card)
    spoil(spoilt)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(spoilt, schema)
