"""The evidence that the report needs: which keys, and which of them may be null."""

from typing import Any

from pesforge.errors import DataError

ANY = None
"""Any value, null included: a number that was not measured is null."""


class OrNull(dict[str, Any]):
    """A mapping that may be null as a whole: that part was not computed."""


CHECK = dict.fromkeys(
    (
        "name",
        "group",
        "value",
        "reference",
        "deviation",
        "tolerance",
        "unit",
        "passed",
        "meaning",
        "deviation_unit",
    )
)
ERRORS = dict.fromkeys(("energy_rmse_mev_per_atom", "force_rmse_ev_per_ang", "stress_rmse_gpa"))
FAMILY_ERRORS = {"family": ANY, "n_structures": ANY, **ERRORS}
GRID_ROW = {
    **dict.fromkeys(("degree_reduction", "n_functions", "alpha", "chosen")),
    **ERRORS,
    **dict.fromkeys(("energy_rmse_se_mev_per_atom", "force_rmse_se_ev_per_ang", "stress_rmse_se_gpa")),
}
FACTORS = dict.fromkeys(
    f"{kind}_rmse_{name}" for kind in ("energy", "force", "stress") for name in ("factor", "factor_se")
)
CHANGES = {
    **dict.fromkeys(("energy_rmse_change_mev_per_atom", "force_rmse_change_ev_per_ang", "stress_rmse_change_gpa")),
    **dict.fromkeys(
        ("energy_rmse_change_se_mev_per_atom", "force_rmse_change_se_ev_per_ang", "stress_rmse_change_se_gpa")
    ),
}
SPENT = dict.fromkeys(("dft_calculations", "dft_seconds", "failed_attempts", "lost_seconds", "untimed_attempts"))
HULL: dict[str, Any] = {
    "settings_hash": ANY,
    "elements": ANY,
    "chemical_potentials_ev": {"dft": {}, "potential": {}},
    "phases": [
        {
            **dict.fromkeys(
                (
                    "name",
                    "formula",
                    "labelled",
                    "elemental",
                    "volume_dft_ang3_per_atom",
                    "volume_potential_ang3_per_atom",
                )
            ),
            **dict.fromkeys(("formation_dft_mev_per_atom", "formation_potential_mev_per_atom")),
            **dict.fromkeys(("above_hull_dft_mev_per_atom", "above_hull_potential_mev_per_atom")),
            "fractions": {},
        }
    ],
    "by_family": [
        dict.fromkeys(
            (
                "family",
                "n_structures",
                "formation_min_mev_per_atom",
                "formation_max_mev_per_atom",
                "formation_rmse_mev_per_atom",
            )
        )
    ],
}
MERITS = {
    **dict.fromkeys(("noise", "scale", "dof", "calibration_error_percent", "standardised_std", "standardised_largest")),
    **dict.fromkeys(("sharpness", "half_width_90", "spearman", "log_likelihood", "crps")),
}
COVERAGE_ROW = dict.fromkeys(("kind", "nominal_percent", "before_percent", "after_percent", "after_se_percent"))
MSD_ROW = ("temperature_k", "count", "msd_ang2", "msd_expected_ang2", "msd_standard_error_ang2")
RISE_ROW = ("temperature_k", "rise_ev_per_atom", "expected_ev_per_atom", "rise_standard_error_ev_per_atom")
SHAPE: dict[str, dict[str, Any]] = {
    "converge": {
        "settings": {},
        "settings_hash": ANY,
        "targets": dict.fromkeys(("energy_mev_per_atom", "force_ev_per_ang", "stress_gpa")),
        "scans": [
            {
                "parameter": ANY,
                "values": ANY,
                "unit": ANY,
                "chosen": ANY,
                "rows": [
                    dict.fromkeys(
                        ("value", "energy_change_mev_per_atom", "force_change_ev_per_ang", "stress_change_gpa")
                    )
                ],
                "shapes": [dict.fromkeys(("value", "cell", "energy_above_first_mev_per_atom"))],
            }
        ],
        "label_checks": [CHECK],
        "label_slopes": [dict.fromkeys(("cell", "quantity", "label", "difference", "deviation", "unit"))],
        "pulay_stress_gpa": ANY,
    },
    "sample": {
        "stiffness_ev_per_ang2": {},
        "families": {},
        "thermal": [dict.fromkeys(MSD_ROW)],
        "strain": [dict.fromkeys(("id", "i1", "j2", "family"))],
        "phonon": [dict.fromkeys(MSD_ROW)],
    },
    "label": {
        "requested": ANY,
        "labelled": ANY,
        "failed": [dict.fromkeys(("id", "reason", "message"))],
        "thermal_energy": [dict.fromkeys(RISE_ROW)],
        "by_family": {},
        "phonon_energy": [dict.fromkeys(RISE_ROW)],
    },
    "repeats": {
        **dict.fromkeys(("requested", "failed_at_first", "cured", "failed", "interrupted", "seconds_lost")),
        "kinds": [dict.fromkeys(("kind", "meaning", "failed_at_first", "cured_by_attempt", "failed", "seconds_lost"))],
        "remedies": [dict.fromkeys(("attempt", "remedy", "failed", "cured"))],
        "labels": [
            dict.fromkeys(
                ("id", "family", "kind", "failed_attempts", "seconds_lost", "cured_by", "labelled", "message")
            )
        ],
    },
    "curate": {
        "kept": ANY,
        "dropped": [dict.fromkeys(("id", "filter", "reason"))],
        "leakage": {"threshold": ANY, "flagged": [dict.fromkeys(("id", "nearest_id", "distance"))]},
        "influence": {
            "threshold": ANY,
            "top": [dict.fromkeys(("id", "family", "cook", "leverage", "removed"))],
            "refit": [dict.fromkeys(("quantity", "unit", "all_labels", "without_top"))],
        },
        "coverage": {"before": {}, "after": {}},
    },
    "coverage": {
        **dict.fromkeys(("candidates", "refused", "min_distance_factor", "gaps")),
        "percent": [
            dict.fromkeys(
                (
                    "measure",
                    "bins",
                    "reached_percent",
                    "without_gaps_percent",
                    "sampled_percent",
                    "curated_percent",
                )
            )
        ],
        "distances": [dict.fromkeys(("pair", "start_ang", "width_ang", "state"))],
        "strains": OrNull(dict.fromkeys(("edges", "state"))),
        "descriptors": dict.fromkeys(("edges", "explained_percent", "state")),
        "empty": [dict.fromkeys(("measure", "where", "bins", "why"))],
    },
    "describe": {
        **dict.fromkeys(("n_functions", "cutoff_ang", "max_degree", "l_max", "n_structures", "n_environments")),
        "by_order": {},
    },
    "uncertainty": {
        **dict.fromkeys(("method", "remark", "folds", "n_groups")),
        "kinds": [
            {
                **dict.fromkeys(("kind", "n", "n_symmetric", "largest_distance_percent", "allowed_percent")),
                "calibrated": ANY,
                "before": MERITS,
                "after": MERITS,
            }
        ],
        "coverage": [COVERAGE_ROW],
        "curve": [COVERAGE_ROW],
        "by_family": [dict.fromkeys(("kind", "family", "n", "after_50_percent", "after_90_percent"))],
    },
    "crossvalidate": {
        "rule": ANY,
        "grid": [GRID_ROW],
        "by_family": [FAMILY_ERRORS],
        "leave_family_out": [FAMILY_ERRORS],
        "parity": {
            "energy_ev_per_atom": dict.fromkeys(("reference", "predicted", "family")),
            "force_ev_per_ang": dict.fromkeys(("reference", "predicted")),
        },
    },
    "train": {
        "runs": [{**dict.fromkeys(("run", "w_energy", "w_force", "w_stress", "lambda_m", "seed", "epochs")), **ERRORS}],
        "failed": [dict.fromkeys(("run", "reason"))],
        "by_lambda_m": [{**dict.fromkeys(("lambda_m", "runs")), **ERRORS}],
    },
    "choose": {
        "use": ANY,
        "reason": ANY,
        "heads_that_stayed_zero": ANY,
        "candidates": [{**dict.fromkeys(("name", "kind", "non_dominated", "chosen")), "weights": {}, **ERRORS}],
    },
    "validate": {
        "verdict": {
            **dict.fromkeys(("use", "usable", "summary", "passed", "failed", "not_applicable", "failures")),
            "usable_for": [dict.fromkeys(("use", "why"))],
            "not_usable_for": [dict.fromkeys(("use", "why"))],
        },
        "checks": [CHECK],
        "eos": OrNull(dict.fromkeys(("volume_ang3_per_atom", "dft_ev_per_atom", "potential_ev_per_atom"))),
        "elastic_gpa": OrNull({"dft": {}, "potential": {}}),
        "phonon_thz": OrNull(dict.fromkeys(("dft", "potential"))),
        "hull": OrNull(HULL),
        "by_family": [FAMILY_ERRORS],
        "by_force": [dict.fromkeys(("force_min_ev_per_ang", "force_max_ev_per_ang", "count", "force_rmse_ev_per_ang"))],
        "worst": [dict.fromkeys(("id", "family", "energy_error_mev_per_atom", "force_error_ev_per_ang"))],
    },
    "provenance": {
        **dict.fromkeys(("study", "seed", "formula", "settings_hash", "study_hash")),
        "versions": {},
        "code": {},
        "seeds": {},
    },
    "cost": {
        "stages": [dict.fromkeys(("stage", "seconds", "jobs", "max_rss_mb"))],
        **dict.fromkeys(("dft_seconds", "total_seconds", "dft_share")),
    },
    "ledger": {
        **dict.fromkeys(("rule", "remark", "dft_calculations", "dft_seconds", "lost_seconds")),
        "convergence": dict.fromkeys(("converge_seconds", "label_seconds", "cheaper_than_labels")),
        "families": [
            {**dict.fromkeys(("family", "labels", "median_seconds", "mean_seconds", "anyway_seconds")), **SPENT}
        ],
        "shared": [{"purpose": ANY, **SPENT}],
        "bought": [
            {
                **dict.fromkeys(("family", "outcome", "verdict", "suffers_most")),
                **dict.fromkeys(f"{kind}_rmse_percent_per_100_s" for kind in ("energy", "force", "stress")),
                **{f"itself_{key}": ANY for key in ERRORS},
                **FACTORS,
            }
        ],
        "trials": [{**dict.fromkeys(("without", "on", "n_structures", "n_groups")), **ERRORS, **CHANGES, **FACTORS}],
    },
}

FIDELITY: dict[str, Any] = {
    **dict.fromkeys(("n_structures", "n_groups", "n_functions", "n_test", "methods", "seeds", "high_share", "curve")),
    "levels": {level: {"settings": {}, "hash": ANY} for level in ("high", "low")},
    "difference": {},
    "prices": {
        "classes": [dict.fromkeys(("family", "n_atoms", "high_s", "low_s", "high_estimated_s", "low_estimated_s"))],
        **dict.fromkeys(("used", "low_over_high", "low_over_high_estimated")),
    },
    "points": [
        {
            **dict.fromkeys(("method", "budget", "high_share", "seeds", "n_high", "n_low", "seconds")),
            **ERRORS,
            **dict.fromkeys(("energy_rmse_se_mev_per_atom", "force_rmse_se_ev_per_ang", "stress_rmse_se_gpa")),
            "chosen": {},
        }
    ],
    "ratios": [
        dict.fromkeys(
            ("method", "budget", "high_share", "cost_ratio", "energy_ratio", "force_ratio", "stress_ratio", "seeds")
        )
    ],
    "verdict": [dict.fromkeys(("budget", "kind", "method", "ratio", "ratio_se", "outcome"))],
    "map": ANY,
    "analysis": OrNull(dict.fromkeys(("budget", "seeds", "lam_median", "trust_median"))),
    "failed": [dict.fromkeys(("id", "reason", "message"))],
}
"""What a study of two levels writes; `map` and `curve` are null where no budget paid for enough pairs."""
DRIVE: dict[str, Any] = {
    "driver": {},
    "draft": OrNull(
        {
            **dict.fromkeys(("labels", "groups", "functions", "cv_method", "dropped", "warnings")),
            **dict.fromkeys(("energy_mae_mev_per_atom", "energy_rmse_mev_per_atom", "force_rmse_ev_per_ang")),
        }
    ),
    "requested": {},
    "families": {},
    "runs": [
        dict.fromkeys(
            (
                *("family", "group", "temperature_k", "temperature_observed_k", "atoms", "steps", "tau_fs"),
                *("spacing_fs", "requested", "given", "stopped", "note", "rdf"),
            )
        )
    ],
}
"""What a study writes whose atoms a driver moved."""
OPTIONAL: dict[str, dict[str, Any]] = {"drive": DRIVE, "fidelity": FIDELITY}
"""Parts of the evidence that not every study has."""

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


def _mistakes(value: Any, shape: Any, where: str) -> list[str]:
    if shape is ANY or (value is None and isinstance(shape, OrNull)):
        return []
    if isinstance(shape, list):
        if not isinstance(value, list | tuple):
            return [f"`{where}` must be a list"]
        return [text for number, item in enumerate(value) for text in _mistakes(item, shape[0], f"{where}[{number}]")]
    if not isinstance(value, dict):
        return [f"`{where}` must be a mapping"]
    found = []
    for key, inner in shape.items():
        path = f"{where}.{key}" if where else key
        found += _mistakes(value[key], inner, path) if key in value else [f"`{path}` is missing"]
    return found


def require(evidence: dict[str, Any], shape: dict[str, dict[str, Any]] = SHAPE) -> None:
    """Check that `evidence` holds every key that a report reads, those of a study of a crystal unless told otherwise.

    Raises:
        DataError: a key is missing or has the wrong kind; the message lists the first ten mistakes.
    """
    mistakes = _mistakes(evidence, shape, "")
    if mistakes:
        listed = "\n".join(f"  {text}" for text in mistakes[:10])
        rest = f"\n  and {len(mistakes) - 10} more" if len(mistakes) > 10 else ""
        raise DataError(
            f"The evidence for the report is incomplete:\n{listed}{rest}\nRun the stages that write these keys again."
        )
