"""The model card for programs: what a potential is, how it was made, what it was tested on and what it may be used for.

`card.schema.json` beside this module is its JSON Schema. The card for people is `MODEL_CARD.md` of the potential.
"""

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]
SCHEMA = "pesforge-model-card/1"
CHECK = ("group", "name", "value", "reference", "unit", "deviation", "deviation_unit", "tolerance")
PARTS = ("data", "method", "settings", "domain", "code", "versions")


def outcome(check: Row) -> str:
    """`pass`, `fail` or `not applicable`."""
    return {True: "pass", False: "fail", None: "not applicable"}[check["passed"]]


def model_card(evidence: Row, model: Row, files: Mapping[str, str]) -> dict[str, Any]:
    """The card of the chosen potential of a study.

    Args:
        evidence: what each stage wrote, by stage; `validate`, `uncertainty` and `provenance` are read.
        model: content of `model.json`.
        files: SHA-256 of every file of the potential, by its name.
    """
    metadata, verdict = model["metadata"], evidence["validate"]["verdict"]
    origin = evidence["provenance"]
    return {
        "schema": SCHEMA,
        "study": {key: origin[key] for key in ("study", "study_hash", "formula", "seed")},
        "potential": {
            "kind": model["kind"],
            "elements": model["basis"]["species"],
            "cutoff_ang": model["basis"]["cutoff_ang"],
            "heads": sum(name.startswith("head") and name.endswith(".safetensors") for name in files),
            "units": {"energy": "eV", "forces": "eV/Å", "stress": "eV/Å³", "length": "Å"},
            "files": dict(sorted(files.items())),
        },
        "origin": {key: metadata[key] for key in PARTS},
        "held_out": {"how": metadata["held_out"], "errors": metadata["errors"]},
        "intervals": [dict(row) for row in evidence["uncertainty"]["coverage"]],
        "verdict": {key: verdict[key] for key in ("use", "usable", "summary", "usable_for", "not_usable_for")}
        | {"passed": verdict["passed"], "failed": verdict["failed"], "not_applicable": verdict["not_applicable"]},
        "checks": [
            {key: check[key] for key in CHECK} | {"outcome": outcome(check)} for check in evidence["validate"]["checks"]
        ],
    }
