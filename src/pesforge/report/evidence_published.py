"""The evidence that the page of a published table needs."""

from typing import Any

CELL = dict.fromkeys(
    (
        "element",
        "energy_mae_mev_per_atom",
        "energy_printed",
        "energy_interval_90",
        "energy_best",
        "force_mae_ev_per_ang",
        "force_printed",
        "force_interval_90",
        "force_best",
    )
)
PUBLISHED_SHAPE: dict[str, dict[str, Any]] = {
    "published": {
        "set": dict.fromkeys(("name", "citation", "licence", "repository", "commit")),
        **dict.fromkeys(("downloaded", "model", "functions")),
        "rows": [{**dict.fromkeys(("potential", "ours", "source")), "cells": [CELL]}],
        "verdicts": [dict.fromkeys(("element", "good", "lower_in", "sentence", "notes"))],
        "fits": [dict.fromkeys(("element", "n_training", "n_test", "n_copies", "n_functions", "choice"))],
        "labels": [
            dict.fromkeys(
                (
                    "element",
                    "split",
                    "file",
                    "sha256",
                    "n_structures",
                    "n_atoms",
                    "n_stress",
                    "stress_remark",
                    "warnings",
                )
            )
        ],
    },
    "cost": {"fits": [dict.fromkeys(("element", "cpu_seconds", "wall_seconds"))]},
    "provenance": {**dict.fromkeys(("study", "study_hash")), "versions": {}, "code": {}},
}
