"""Plausible evidence of a small silicon study, for tests of the report."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from report_evidence import (
    coverage_evidence,
    errors,
    family_errors,
    hull_evidence,
    ledger_evidence,
    map_evidence,
    properties_evidence,
    repeats_evidence,
    uncertainty_evidence,
)

from pesforge.validation.check import Check, absolute, not_applicable, relative
from pesforge.validation.verdict import Domain, verdict

DOMAIN = Domain(("Si",), ("thermal", "strain", "volume"), 1200.0, 0.03, 2.05, 5.43)


def all_checks(force_rmse: float) -> list[Check]:
    checks = [
        absolute("energy RMSE", "accuracy", 1.62, tolerance=2.0, unit="meV/atom", meaning="leave one group out"),
        absolute("force RMSE", "accuracy", force_rmse, tolerance=0.03, unit="eV/Å", meaning="leave one group out"),
        absolute("stress RMSE", "accuracy", 0.062, tolerance=0.15, unit="GPa", meaning="leave one group out"),
        absolute("force of the labels", "labels", 3e-4, tolerance=5e-3, unit="eV/Å", meaning="finite differences"),
        absolute("rotation: energy", "symmetry", 3.1e-13, tolerance=1e-8, unit="eV/atom", meaning="turning"),
        absolute("net force", "symmetry", 2.2e-15, tolerance=1e-7, unit="eV/Å", meaning="momentum"),
        not_applicable("change of the periodic cell", "symmetry", unit="eV/atom", meaning="not periodic"),
        absolute("force against finite difference", "derivatives", 3e-8, tolerance=1e-4, unit="eV/Å", meaning="grad"),
        relative(
            "lattice constant", "eos", 5.4751, reference=5.4762, tolerance_percent=0.1, unit="Å", meaning="minimum"
        ),
        relative("bulk modulus", "eos", 89.1, reference=88.7, tolerance_percent=2, unit="GPa", meaning="curvature"),
    ]
    for name, value, reference in (("C11", 151.6, 152.8), ("C12", 57.9, 56.9), ("C44", 72.5, 74.8)):
        checks.append(
            relative(name, "elastic", value, reference=reference, tolerance_percent=5, unit="GPa", meaning="stiffness")
        )
    checks.append(
        relative(
            "optical phonon at Γ",
            "phonon",
            15.31,
            reference=15.09,
            tolerance_percent=3,
            unit="THz",
            meaning="curvature",
        )
    )
    return checks


def scan(parameter: str, unit: str, values: list[float], chosen: float, decay: float) -> dict[str, Any]:
    rows = [
        {
            "value": value,
            "energy_change_mev_per_atom": 13.7 * decay**i,
            "force_change_ev_per_ang": 0.081 * decay**i,
            "stress_change_gpa": 0.53 * decay**i,
        }
        for i, value in enumerate(values[:-1])
    ]
    shapes = [
        {"value": value, "cell": name, "energy_above_first_mev_per_atom": 2.1 * factor * decay**i}
        for i, value in enumerate(values)
        for name, factor in (("parent", 0), ("primitive", 1), ("block (1 1 1)", -0.4))
        if parameter == "k_spacing_per_ang"
    ]
    return {"parameter": parameter, "unit": unit, "values": values, "chosen": chosen, "rows": rows, "shapes": shapes}


def converge_evidence(checks: list[Check]) -> dict[str, Any]:
    return {
        "settings": {"engine": "gpaw", "functional": "PBE", "cutoff_ev": 350.0, "k_spacing_per_ang": 0.24},
        "settings_hash": "9f3ac1d2e4b5a697",
        "targets": {"energy_mev_per_atom": 1.0, "force_ev_per_ang": 0.02, "stress_gpa": 0.1},
        "scans": [
            scan("cutoff_ev", "eV", [200.0, 250.0, 300.0, 350.0, 400.0, 500.0, 600.0], 350.0, 0.32),
            scan("k_spacing_per_ang", "1/Å", [0.6, 0.4, 0.3, 0.24, 0.2, 0.17], 0.24, 0.25),
            scan("scf_tolerance", "", [1e-2, 1e-3, 1e-4, 1e-5], 1e-3, 0.03),
        ],
        "label_checks": [check.to_dict() for check in checks if check.group == "labels"],
        "label_slopes": [
            {
                "cell": "displaced",
                "quantity": "along",
                "label": 2.0171,
                "difference": 2.0168,
                "deviation": 3e-4,
                "unit": "eV/Å",
            }
        ],
        "pulay_stress_gpa": -0.0713,
    }


def data_evidence(rng: np.random.Generator) -> dict[str, Any]:
    thermal = [
        {"temperature_k": t, "count": n, "msd_ang2": 2.6e-5 * t * f, "msd_expected_ang2": 2.6e-5 * t}
        | {"msd_standard_error_ang2": 4.7e-6 * t}
        for t, n, f in ((300.0, 4, 1.06), (600.0, 9, 0.97), (1200.0, 17, 1.02))
    ]
    energy = [
        {"temperature_k": t, "rise_ev_per_atom": 1.28e-4 * t * f, "expected_ev_per_atom": 1.2926e-4 * t}
        | {"rise_standard_error_ev_per_atom": 1.7e-5 * t}
        for t, f in ((300.0, 1.01), (600.0, 0.98), (1200.0, 0.95))
    ]
    phonon = [
        {"temperature_k": t, "count": n, "msd_ang2": 4.1e-5 * t * f, "msd_expected_ang2": 4.1e-5 * t}
        | {"msd_standard_error_ang2": 5.3e-6 * t}
        for t, n, f in ((300.0, 5, 1.09), (900.0, 15, 0.96))
    ]
    phonon_energy = [
        {"temperature_k": t, "rise_ev_per_atom": 1.1e-4 * t * f, "expected_ev_per_atom": 1.131e-4 * t}
        | {"rise_standard_error_ev_per_atom": None if t < 400 else 0.0131}
        for t, f in ((300.0, 1.02), (900.0, 0.97))
    ]
    strain = [
        {"id": f"{family}-{i}", "i1": float(i1), "j2": float(abs(j2) * scale), "family": family}
        for family, scale in (("strain", 1.0), ("volume", 0.0))
        for i, (i1, j2) in enumerate(zip(rng.uniform(-0.09, 0.09, 12), rng.uniform(0, 1.2e-3, 12), strict=True))
    ]
    coverage = {"min_distance": 0.612, "kernel_log_det_per_structure": -1.347, "hausdorff_distance": 3.318}
    families = {"thermal": 30, "strain": 12, "volume": 12}
    return {
        "sample": {
            "stiffness_ev_per_ang2": {"Si": 9.871},
            "families": families,
            "thermal": thermal,
            "strain": strain,
            "phonon": phonon,
        },
        "label": {
            "requested": 54,
            "labelled": 53,
            "failed": [{"id": "thermal-0031", "reason": "scf", "message": "not converged after 333 steps"}],
            "thermal_energy": energy,
            "phonon_energy": phonon_energy,
            "by_family": {"thermal": 29, "strain": 12, "volume": 12},
        },
        "repeats": repeats_evidence(),
        "curate": {
            "kept": 52,
            "dropped": [{"id": "strain-0003", "filter": "duplicates", "reason": "copy of strain-0001"}],
            "leakage": {
                "threshold": 0.913,
                "flagged": [{"id": "thermal-0007", "nearest_id": "thermal-0002", "distance": 0.417}],
            },
            "influence": {
                "threshold": 1.0,
                "top": [
                    {
                        "id": f"strain-{i:04d}",
                        "family": "strain",
                        "cook": 1.37 / (i + 1),
                        "leverage": 0.71 / (i + 1),
                        "removed": i == 0,
                    }
                    for i in range(5)
                ],
                "refit": [{"quantity": "force RMSE", "unit": "eV/Å", "all_labels": 0.0217, "without_top": 0.0221}],
            },
            "coverage": {"before": coverage, "after": {key: 0.98 * value for key, value in coverage.items()}},
        },
        "coverage": coverage_evidence(),
        "describe": {
            "n_functions": 513,
            "cutoff_ang": 5.2,
            "max_degree": [10, 12, 10],
            "l_max": [0, 5, 4],
            "by_order": {"1": 11, "2": 168, "3": 334},
            "n_structures": 52,
            "n_environments": 416,
        },
    }


def typical_errors(energy: float, force: float, stress: float) -> dict[str, float]:
    """Geometric means over families, a little below the pooled errors."""
    pooled = errors(energy, force, stress)
    return {key.replace("rmse", "typical"): 0.9 * value for key, value in pooled.items()}


def fit_evidence(rng: np.random.Generator) -> dict[str, Any]:
    grid = []
    for reduction, size, level in ((4, 123, 1.5), (2, 257, 1.15), (0, 513, 1.0)):
        for alpha in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1):
            factor = level * (1 + 0.06 * (np.log10(alpha) + 4) ** 2)
            grid.append(
                {
                    "degree_reduction": reduction,
                    "n_functions": size,
                    "alpha": alpha,
                    **typical_errors(1.62 * factor, 0.0217 * factor, 0.062 * factor),
                    "energy_typical_se_mev_per_atom": 0.21 * factor,
                    "force_typical_se_ev_per_ang": 0.0013 * factor,
                    "stress_typical_se_gpa": 0.006 * factor,
                    "chosen": size == 513 and alpha == 1e-4,
                }
            )
    families = ["thermal"] * 28 + ["strain"] * 12 + ["volume"] * 12
    energy = rng.uniform(-5.42, -5.2, len(families))
    force = rng.normal(0, 1.1, 4000)
    runs = [
        {
            "run": f"run-{i:03d}",
            "w_energy": e,
            "w_force": 1.0,
            "w_stress": s,
            "lambda_m": m,
            "seed": i % 2,
            "epochs": 180 + i,
            **errors(1.4 + 0.1 * i, 0.026 - 0.0007 * i, 0.07 + 0.003 * ((i * 7) % 5)),
        }
        for i, (e, s, m) in enumerate((e, s, m) for e in (40.0, 400.0) for s in (250.0, 2500.0) for m in (0.0, 0.01))
    ]
    candidates = [
        {
            "name": row["run"],
            "kind": "neural",
            "weights": {key: row[key] for key in ("w_energy", "w_force", "w_stress", "lambda_m")},
            **{key: row[key] for key in errors(0, 0, 0)},
            **typical_errors(*(row[key] for key in errors(0, 0, 0))),
            "non_dominated": i in (0, 7),
            "chosen": False,
        }
        for i, row in enumerate(runs)
    ]
    candidates += [
        {
            "name": f"linear {energy:g} : 1 : 2500",
            "kind": "linear",
            "weights": {"w_energy": energy, "w_force": 1.0, "w_stress": 2500.0},
            **errors(1.2 + 80 / energy, 0.0205 + 1e-6 * energy, 0.062),
            **typical_errors(1.2 + 80 / energy, 0.0205 + 1e-6 * energy, 0.062),
            "non_dominated": True,
            "chosen": energy == 400.0,
        }
        for energy in (100.0, 400.0, 1600.0)
    ]
    return {
        "crossvalidate": {
            "rule": "the simplest point within one standard error of the best",
            "weighing": "inverse square of the error of the family",
            "family_weights": [
                {"family": "thermal", "energy": 1.2, "force": 0.9, "stress": 1.1},
                {"family": "strain", "energy": 0.8, "force": 1.1, "stress": 0.9},
            ],
            "grid": grid,
            "by_family": family_errors(1.0),
            "leave_family_out": family_errors(4.1),
            "parity": {
                "energy_ev_per_atom": {
                    "reference": energy.tolist(),
                    "predicted": (energy + rng.normal(0, 1.6e-3, len(energy))).tolist(),
                    "family": families,
                },
                "force_ev_per_ang": {
                    "reference": force.tolist(),
                    "predicted": (force + rng.normal(0, 0.022, 4000)).tolist(),
                },
            },
        },
        "train": {
            "runs": runs,
            "failed": [],
            "by_lambda_m": [
                {"lambda_m": 0.0, "runs": 4, **errors(1.71, 0.0239, 0.0752)},
                {"lambda_m": 0.01, "runs": 4, **errors(1.83, 0.0231, 0.0771)},
            ],
        },
        "choose": {
            "use": "balanced",
            "reason": "The knee of the front: smallest product of the three errors.",
            "heads_that_stayed_zero": ["neural 4 : 1 : 25, λ_M 0"],
            "candidates": candidates,
        },
    }


def all_evidence(checks: list[Check]) -> dict[str, Any]:
    """Evidence of all stages."""
    rng = np.random.default_rng(5)
    volume = np.linspace(18.6, 22.4, 7)
    dft = -5.424 + 0.0135 * (volume - 20.53) ** 2
    evidence = {"converge": converge_evidence(checks), **data_evidence(rng), **fit_evidence(rng)}
    evidence["validate"] = {
        "verdict": verdict(checks, use="balanced", domain=DOMAIN, cutoff_ang=5.2),
        "checks": [check.to_dict() for check in checks],
        "eos": {
            "volume_ang3_per_atom": volume.tolist(),
            "dft_ev_per_atom": dft.tolist(),
            "potential_ev_per_atom": (dft + 4e-4 * np.sin(volume)).tolist(),
        },
        "elastic_gpa": {
            "dft": {"C11": 152.8, "C12": 56.9, "C44": 74.8},
            "potential": {"C11": 151.6, "C12": 57.9, "C44": 72.5},
        },
        "phonon_thz": {"dft": 15.09, "potential": 15.31},
        "hull": hull_evidence(),
        **properties_evidence(),
        "by_family": family_errors(0.97),
        "by_force": [
            {"force_min_ev_per_ang": a, "force_max_ev_per_ang": b, "count": n, "force_rmse_ev_per_ang": e}
            for a, b, n, e in (
                (0.0, 0.5, 131, 0.014),
                (0.5, 1.0, 117, 0.019),
                (1.0, 2.0, 98, 0.025),
                (2.0, None, 70, 0.037),
            )
        ],
        "worst": [
            {
                "id": f"thermal-{i:04d}",
                "family": "thermal",
                "energy_error_mev_per_atom": 4.83 - 0.31 * i,
                "force_error_ev_per_ang": 0.0612 - 0.0037 * i,
            }
            for i in range(10)
        ],
    }
    evidence["uncertainty"] = uncertainty_evidence()
    evidence["provenance"] = {
        "study": "silicon",
        "seed": 1,
        "formula": "Si8",
        "settings_hash": "9f3ac1d2e4b5a697",
        "study_hash": "77aa01b3c9d8e2f4",
        "versions": {"python": "3.11.9", "gpaw": "26.7.0", "ase": "3.29.0", "torch": "2.13.0"},
        "code": {"dft": "0123456789abcdef", "potentials": "fedcba9876543210"},
        "seeds": {"sample": 48213, "train": 99120},
    }
    evidence["cost"] = {
        "stages": [
            {"stage": name, "seconds": seconds, "jobs": jobs, "max_rss_mb": memory, "asked_mb": 2000.0}
            for name, seconds, jobs, memory in (
                ("converge", 412.7, 1, 311.2),
                ("sample", 38.4, 1, 290.1),
                ("label", 861.3, 14, 322.8),
                ("describe", 12.9, 1, 180.4),
                ("crossvalidate", 7.7, 1, 240.9),
                ("train", 96.1, 16, 612.5),
                ("validate", 188.2, 1, None),
            )
        ],
        "rules": [
            {
                "stage": "train",
                "rule": "train_run",
                "seconds": 96.1,
                "jobs": 16,
                "max_rss_mb": 612.5,
                "asked_mb": 3000.0,
            }
        ],
        "dft_seconds": 1500.6,
        "total_seconds": 1617.3,
        "dft_share": 0.928,
    }
    evidence["ledger"] = ledger_evidence()
    evidence["map"] = map_evidence()
    return evidence


@pytest.fixture(scope="session")
def make_evidence() -> Callable[[float], dict[str, Any]]:
    """Evidence of all stages, for a force error that may be too large."""
    return lambda force_rmse: all_evidence(all_checks(force_rmse))
