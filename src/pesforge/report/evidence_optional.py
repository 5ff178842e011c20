"""The parts of the evidence that not every study of a crystal has: which keys, and which of them may be null."""

from typing import Any

from pesforge.report.evidence import ERRORS, SHAPE
from pesforge.report.schema import ANY, OrNull

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
    "verdict": [dict.fromkeys(("budget", "kind", "method", "ratio", "ratio_se", "outcome", "low_only_ratio"))],
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
FIGURES = {
    **dict.fromkeys(("labels", "functions", "alpha", "energy_mae_mev_per_atom")),
    **ERRORS,
    **dict.fromkeys(
        f"{kind}_{name}"
        for kind in ("energy", "force")
        for name in ("calibration_error_percent", "standardised_largest")
    ),
}
LEARN_RUN = dict.fromkeys(
    (
        *("group", "temperature_k", "temperature_observed_k", "steps", "tau_fs", "requested", "given", "stopped"),
        "note",
    )
)
LEARN: dict[str, Any] = {
    **dict.fromkeys(("rule", "diverse", "cost", "most_rounds", "per_round", "controls", "stopped", "why")),
    "tolerances": dict.fromkeys(
        (
            "energy_mae_mev_per_atom",
            "force_rmse_ev_per_ang",
            "calibration_error_percent",
            "standardised_residual",
        )
    ),
    "exam": {**dict.fromkeys(("requested", "labelled", "missing")), "runs": [{"round": ANY, **LEARN_RUN}]},
    "exams": [{**dict.fromkeys(("round", "missing", "misses")), "figures": OrNull(FIGURES)}],
    "curve": [
        {
            **dict.fromkeys(("round", "active_seconds", "random_seconds")),
            "active": FIGURES,
            "random": [FIGURES],
        }
    ],
    "rounds": [
        {
            **dict.fromkeys(("round", "candidates", "labelled", "control")),
            "picks": [dict.fromkeys(("id", "gain", "score"))],
            "draft": dict.fromkeys(("functions", "energy_mae_mev_per_atom", "force_rmse_ev_per_ang")),
            "runs": [LEARN_RUN],
        }
    ],
}
"""What a study with rounds of active learning writes."""
ENSEMBLE: dict[str, Any] = {
    **SHAPE["uncertainty"],
    "source": ANY,
    "note": ANY,
    "noise": [
        {
            "kind": ANY,
            **dict.fromkeys(
                f"{figure}_{noise}"
                for figure in ("log_likelihood", "crps", "spearman")
                for noise in ("constant", "head")
            ),
        }
    ],
    "members": [
        {
            **dict.fromkeys(("part", "member", "n_groups", "n_groups_drawn", "epochs", "best_epoch", "stop_reason")),
            **ERRORS,
        }
    ],
    "errors": [{"who": ANY, **ERRORS}],
}
"""What a study writes whose heads have members or dropout."""
LOCALITY: dict[str, Any] = {
    "errors": {
        **dict.fromkeys(("rule", "cutoff_ang", "lowest_ang", "suffices_ang", "enough", "sentence")),
        "rows": [
            {
                **dict.fromkeys(("cutoff_ang", "n_functions", "alpha", "force_factor", "force_factor_se", "by_family")),
                **ERRORS,
                **dict.fromkeys(("force_rmse_se_ev_per_ang", "missed_ev_per_ang")),
            }
        ],
    },
    "response": {
        **dict.fromkeys(("supercell", "disagreement_ev_per_ang2", "n_atoms", "whole_to_ang", "farthest_ang")),
        "temperature_k": ANY,
        "shells": [
            dict.fromkeys(
                (
                    *("pair", "distance_ang", "images", "neighbours", "dft_ev_per_ang2", "potential_ev_per_ang2"),
                    "difference_ev_per_ang2",
                )
            )
        ],
        "beyond": [dict.fromkeys(("distance_ang", "dft_ev_per_ang", "potential_ev_per_ang", "difference_ev_per_ang"))],
        "at_cutoff": [
            dict.fromkeys(("radius", "distance_ang", "dft_ev_per_ang", "potential_ev_per_ang", "difference_ev_per_ang"))
        ],
    },
}
"""What a study writes that judges its cutoff radius."""
OPTIONAL: dict[str, dict[str, Any]] = {
    "drive": DRIVE,
    "fidelity": FIDELITY,
    "learn": LEARN,
    "ensemble": ENSEMBLE,
    "locality": LOCALITY,
}
