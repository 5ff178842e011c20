"""The evidence that the report of a study of a crystal needs: which keys, and which of them may be null."""

from typing import Any

from pesforge.report.evidence_properties import DEFECTS, DYNAMICS, SPECTRUM
from pesforge.report.schema import ANY, OrNull

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
USED = ("seconds", "jobs", "max_rss_mb", "asked_mb")
"""What a stage and a rule took."""
ERRORS = dict.fromkeys(("energy_rmse_mev_per_atom", "force_rmse_ev_per_ang", "stress_rmse_gpa"))
FAMILY_ERRORS = {"family": ANY, "n_structures": ANY, **ERRORS}
TYPICAL = dict.fromkeys(("energy_typical_mev_per_atom", "force_typical_ev_per_ang", "stress_typical_gpa"))
GRID_ROW = {
    **dict.fromkeys(("degree_reduction", "n_functions", "alpha", "chosen")),
    **TYPICAL,
    **dict.fromkeys(("energy_typical_se_mev_per_atom", "force_typical_se_ev_per_ang", "stress_typical_se_gpa")),
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
    "map": {
        **dict.fromkeys(("explained_percent", "left_out")),
        "elements": {},
        "structures": [
            dict.fromkeys(
                (
                    "id",
                    "family",
                    "place",
                    "energy_error_mev_per_atom",
                    "force_error_ev_per_ang",
                    "formula",
                    "species",
                    "cell",
                    "positions",
                )
            )
        ],
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
        "weighing": ANY,
        "family_weights": [dict.fromkeys(("family", "energy", "force", "stress"))],
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
        "candidates": [
            {**dict.fromkeys(("name", "kind", "non_dominated", "chosen")), "weights": {}, **ERRORS, **TYPICAL}
        ],
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
        "defects": DEFECTS,
        "spectrum": OrNull(SPECTRUM),
        "dynamics": OrNull(DYNAMICS),
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
        "stages": [dict.fromkeys(("stage", *USED))],
        "rules": [dict.fromkeys(("stage", "rule", *USED))],
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
