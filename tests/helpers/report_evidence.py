"""Made-up evidence of the parts of a report that stand beside fit and proof, and the numbers that all parts share."""

from typing import Any


def errors(energy: float, force: float, stress: float) -> dict[str, float]:
    return {"energy_rmse_mev_per_atom": energy, "force_rmse_ev_per_ang": force, "stress_rmse_gpa": stress}


def family_errors(factor: float) -> list[dict[str, Any]]:
    return [
        {"family": "thermal", "n_structures": 28, **errors(1.31 * factor, 0.0254 * factor, 0.071 * factor)},
        {"family": "strain", "n_structures": 12, **errors(2.07 * factor, 0.0181 * factor, 0.055 * factor)},
        {"family": "volume", "n_structures": 12, **errors(1.12 * factor, 0.0, 0.049 * factor)},
    ]


def factors(energy: float) -> dict[str, float | None]:
    return {
        "energy_rmse_factor": energy,
        "energy_rmse_factor_se": 0.127,
        "force_rmse_factor": 0.93,
        "force_rmse_factor_se": 0.022,
        "stress_rmse_factor": None,
        "stress_rmse_factor_se": None,
    }


def repeats_evidence() -> dict[str, Any]:
    """One label that failed for good, one that the remedy of attempt 2 cured, one of a later run."""

    def row(name: str, kind: str, cured_by: int | None, labelled: bool) -> dict[str, Any]:
        return {
            "id": name,
            "family": "thermal",
            "kind": kind,
            "failed_attempts": 1,
            "seconds_lost": 21.5,
            "cured_by": cured_by,
            "labelled": labelled,
            "message": f"did not work: {kind}",
        }

    def count(kind: str, cured: dict[str, int], failed: int) -> dict[str, Any]:
        first = sum(cured.values()) + failed
        return {
            "kind": kind,
            "meaning": f"what {kind} means",
            "failed_at_first": first,
            "cured_by_attempt": cured,
            "failed": failed,
            "seconds_lost": 21.5 * first,
        }

    return {
        "requested": 54,
        "failed_at_first": 3,
        "cured": 2,
        "failed": 1,
        "interrupted": 1,
        "seconds_lost": 64.5,
        "kinds": [count("scf", {"2": 1}, 1), count("timeout", {"1": 1}, 0), count("crash", {}, 0)],
        "remedies": [
            {"attempt": 1, "remedy": "mixer name msr1", "failed": 3, "cured": 1},
            {"attempt": 2, "remedy": "mixer name pulay", "failed": 1, "cured": 1},
        ],
        "labels": [
            row("thermal-0031", "scf", None, False),
            row("thermal-0005", "scf", 2, True),
            row("thermal-0011", "timeout", 1, True),
        ],
    }


def coverage_evidence() -> dict[str, Any]:
    states = ["unreached", "unreached", "empty", "by_gaps", "filled", "lost", *["filled"] * 33]
    percents = ("reached_percent", "without_gaps_percent", "sampled_percent", "curated_percent")
    return {
        "candidates": 900,
        "refused": 7,
        "min_distance_factor": 0.6,
        "gaps": 10,
        "percent": [
            {"measure": name, "bins": bins, **dict(zip(percents, values, strict=True))}
            for name, bins, values in (
                ("distances Si-Si", 39, (94.87, 89.74, 92.31, 88.46)),
                ("strains", 36, (100.0, 44.44, 69.44, 66.67)),
                ("descriptors", 64, (93.75, 31.25, 46.88, 45.31)),
            )
        ],
        "distances": [{"pair": "Si-Si", "start_ang": 1.332, "width_ang": 0.1, "state": states}],
        "strains": {
            "edges": [[-0.09, 0.0, 0.09], [0.0, 0.0177, 0.0354]],
            "state": [["filled", "empty"], ["by_gaps", "lost"]],
        },
        "descriptors": {
            "edges": [[-4.0, -1.0, 14.8], [-7.4, 0.3, 26.0]],
            "explained_percent": [54.13, 19.46],
            "state": [["filled", "unreached"], ["by_gaps", "empty"]],
        },
        "empty": [
            {"measure": "distances Si-Si", "where": "1.33 to 1.53 Å", "bins": 2, "why": "no candidate reaches it"},
            {"measure": "strains", "where": "I₁ -0.090 to 0.000", "bins": 1, "why": "candidates reach it"},
        ],
    }


def hull_evidence() -> dict[str, Any]:
    phases = [
        {
            "name": name,
            "formula": name.split()[0],
            "labelled": known,
            "elemental": share in (0, 1),
            "fractions": {element: value for element, value in (("Si", 1 - share), ("C", share)) if value},
            "formation_dft_mev_per_atom": dft,
            "formation_potential_mev_per_atom": potential,
            "above_hull_dft_mev_per_atom": above[0],
            "above_hull_potential_mev_per_atom": above[1],
            "volume_dft_ang3_per_atom": volume,
            "volume_potential_ang3_per_atom": None if potential is None else volume + 0.017,
        }
        for name, known, share, dft, potential, volume, above in (
            ("Si diamond", True, 0.0, 0.0, 0.0, 20.46, (0.0, 0.0)),
            ("C diamond", True, 1.0, 0.0, 0.0, 5.703, (0.0, 0.0)),
            ("SiC zincblende", True, 0.5, -215.85, -214.15, 10.49, (0.0, 0.0)),
            ("SiC rocksalt", False, 0.5, 473.2, None, 8.51, (689.05, None)),
        )
    ]
    return {
        "settings_hash": "dft-9f3ac1d2e4b5a697",
        "elements": ["Si", "C"],
        "chemical_potentials_ev": {"dft": {"C": -9.096, "Si": -5.424}, "potential": {"C": -9.097, "Si": -5.423}},
        "phases": phases,
        "by_family": [
            {
                "family": "thermal",
                "n_structures": 28,
                "formation_min_mev_per_atom": -211.4,
                "formation_max_mev_per_atom": 37.9,
                "formation_rmse_mev_per_atom": 1.83,
            }
        ],
    }


def ledger_evidence() -> dict[str, Any]:
    families = {"thermal": (30, 610.4), "strain": (12, 233.9), "volume": (12, 41.7)}
    attempts = {"failed_attempts": 2, "lost_seconds": 17.3, "untimed_attempts": 1}
    trials = [
        {
            "without": name,
            "on": on,
            "n_structures": 28,
            "n_groups": 27,
            **errors(1.31 + i, 0.0254 + 0.01 * i, 0.071 + i),
            "energy_rmse_change_mev_per_atom": 3.17 / (1 + i),
            "energy_rmse_change_se_mev_per_atom": 0.83 / (1 + i),
            "force_rmse_change_ev_per_ang": -0.00041 * i,
            "force_rmse_change_se_ev_per_ang": 0.00031,
            "stress_rmse_change_gpa": 0.00213,
            "stress_rmse_change_se_gpa": None if on == "volume" else 0.00112,
            **factors(1.27 + 0.4 * i),
        }
        for i, name in enumerate(families)
        for on in (None, *families)
    ]
    return {
        "trials": trials,
        "rule": "Measurable: beyond 2 standard errors.",
        "remark": None,
        "dft_calculations": 87,
        "dft_seconds": 1500.6,
        "lost_seconds": 51.9,
        "convergence": {"converge_seconds": 405.2, "label_seconds": 848.0, "cheaper_than_labels": True},
        "families": [
            {
                "family": name,
                "labels": labels,
                "dft_calculations": labels - 1,
                "dft_seconds": seconds,
                "median_seconds": 0.9 * seconds / labels,
                "mean_seconds": seconds / labels,
                "anyway_seconds": 0.1 * seconds,
                **attempts,
            }
            for name, (labels, seconds) in families.items()
        ],
        "shared": [{"purpose": "numerical convergence", "dft_calculations": 36, "dft_seconds": 614.6, **attempts}],
        "bought": [
            {
                "family": name,
                "outcome": outcome,
                "verdict": f"{outcome}: 1.31 ± 0.21 meV/atom",
                "suffers_most": most,
                **factors(1.31),
                **{f"itself_{key}": value for key, value in errors(61.7, 0.213, 3.19).items()},
                **{f"{kind}_rmse_percent_per_100_s": 3.71 for kind in ("energy", "force", "stress")},
            }
            for name, outcome, most in (
                ("thermal", "bought", "strain"),
                ("strain", "nothing", "thermal"),
                ("volume", "cost", "strain"),
            )
        ],
    }


def uncertainty_evidence() -> dict[str, Any]:
    """Energies too sure of themselves and mended, forces that no calibration mends."""

    def merits(factor: float, dof: float | None) -> dict[str, Any]:
        return {
            "noise": 0.312 * factor,
            "scale": 0.157 * factor,
            "dof": dof,
            "calibration_error_percent": 31.7 / factor,
            "standardised_std": 4.91 / factor,
            "standardised_largest": 17.3 / factor,
            "sharpness": 0.581 * factor,
            "half_width_90": 0.836 * factor,
            "spearman": 0.617,
            "log_likelihood": -9.13 / factor,
            "crps": 1.477 / factor,
        }

    def coverage(kind: str, levels: tuple[float, ...]) -> list[dict[str, Any]]:
        return [
            {
                "kind": kind,
                "nominal_percent": level,
                "before_percent": 0.43 * level,
                "after_percent": level + (0.7 if kind == "energy" else -6.3),
                "after_se_percent": 0.031 * (100.0 - level),
            }
            for level in levels
        ]

    kinds = ("energy", "force")
    return {
        "method": "Every label is predicted by the fit without its group.",
        "remark": None,
        "folds": 5,
        "n_groups": 47,
        "kinds": [
            {
                "kind": kind,
                "n": 1213,
                "n_symmetric": 139,
                "before": merits(1.0, None),
                "after": merits(4.7, 6.83),
                "largest_distance_percent": 0.7 if kind == "energy" else 6.3,
                "allowed_percent": 3.0,
                "calibrated": kind == "energy",
            }
            for kind in kinds
        ],
        "coverage": [row for kind in kinds for row in coverage(kind, (50.0, 68.0, 80.0, 90.0, 95.0, 99.0))],
        "curve": [row for kind in kinds for row in coverage(kind, tuple(range(10, 100, 10)))],
        "by_family": [
            {"kind": kind, "family": "thermal", "n": 811, "after_50_percent": 47.3, "after_90_percent": 88.9}
            for kind in kinds
        ],
    }


def properties_evidence() -> dict[str, Any]:
    """Defects, phonons and molecular dynamics of `validate`."""
    row = {"family": "vacancy", "unit": "eV", "note": None}
    compared = [
        {
            **row,
            "name": "vacancy of Si, site 00",
            "geometry": "not relaxed",
            "atoms": 63,
            "potential": 4.113,
            "dft": 4.172,
        }
        | {"mesh_error": 0.0131, "force_dft_ev_per_ang": 0.3171, "force_potential_ev_per_ang": 0.2913},
        {**row, "name": "vacancy of Si, site 00", "geometry": "relaxed by the driver", "atoms": 63, "potential": 3.917}
        | {"dft": 3.845, "mesh_error": 0.0131, "force_dft_ev_per_ang": 0.4127, "force_potential_ev_per_ang": 0.0193}
        | {"note": "DFT leaves 0.41 eV/Å"},
        {**row, "family": "surface", "unit": "J/m²", "name": "surface (1 1 -1)", "geometry": "not relaxed", "atoms": 17}
        | {"potential": 1.617, "dft": 1.623, "mesh_error": 0.0047, "force_dft_ev_per_ang": 0.7413}
        | {"force_potential_ev_per_ang": 0.7219},
    ]
    alone = {"geometry": "relaxed by the potential", "atoms": 215, "unrelaxed": 4.021, "moved_ang": 0.2371}
    shares = [0.0, 0.25, 0.5, 0.75]
    bands = [[0.0, 3.1, 4.4], [0.0, 6.2, 9.7]]
    side = {"bands": bands, "dos": [0.1, 0.4, 0.2]}
    rdf = {"r_ang": [2.15, 2.35, 2.55], "g": [0.1, 5.3, 0.4]}
    run = {"asked_ps": 1.31, "reached_ps": 1.31, "failure": None, "times_ps": [0.0, 0.31], "rdf": rdf}
    return {
        "defects": {
            "rows": compared,
            "lines": [
                {
                    "name": "γ-line (1 1 1) [1 1 -2]",
                    "shares": shares,
                    "dft_mj_per_m2": [0.0, 1471.0, 1625.0, 1759.0],
                    "potential_mj_per_m2": [0.0, 1453.0, 1651.0, 1742.0],
                    "atoms": 12,
                }
            ],
            "relaxed": {
                "why": None,
                "rows": [
                    {**row, **alone, "name": "vacancy of Si, site 00", "potential": 3.546}
                    | {"force_potential_ev_per_ang": 0.0073},
                    {**row, **alone, "name": "interstitial of Si, void 01", "family": "interstitial", "potential": None}
                    | {"force_potential_ev_per_ang": 0.0831, "note": "0.083 eV/Å left after 500 steps"},
                ],
                "lines": [
                    {
                        "name": "γ-line (1 1 1) [1 1 -2]",
                        "shares": shares,
                        "unrelaxed_mj_per_m2": [0.0, 1447.0, 1649.0, 1737.0],
                        "potential_mj_per_m2": [0.0, 1335.0, None, 1434.0],
                        "atoms": 8,
                        "note": "0.02 eV/Å left after 500 steps",
                    }
                ],
            },
        },
        "spectrum": {
            "ticks": [[0.0, "G"], [1.15, "X"], [1.72, "K"], [1.72, "U"]],
            "place": [0.0, 1.15, 1.72],
            "frequency_thz": [0.0, 5.0, 10.0],
            "sides": {"dft": side, "potential": None, "large": side},
            "atoms": {"compared": 8, "large": 64},
            "lowest_thz": -0.413,
        },
        "dynamics": {
            "why": None,
            "atoms": 64,
            "timestep_fs": 1.25,
            "energy": [
                {"temperature_k": 300.0, "observed_k": 287.3, "drift_mev_per_atom_per_ps": 0.0021, **run}
                | {"fluctuation_mev_per_atom": 0.0147, "change_mev_per_atom": [0.0, 0.003]},
                {"temperature_k": 1200.0, "observed_k": None, "drift_mev_per_atom_per_ps": None, **run}
                | {"fluctuation_mev_per_atom": None, "change_mev_per_atom": [0.0], "times_ps": [0.0], "rdf": None}
                | {"reached_ps": 0.217, "failure": "force of 231 eV/Å"},
            ],
            "density": [
                {"temperature_k": 300.0, "failure": None, "volume_ang3_per_atom": 20.606}
                | {"volume_se_ang3_per_atom": 0.024, "density_g_per_cm3": 2.263},
            ],
            "expansion": {"from_k": 300.0, "to_k": 1200.0, "linear_1e6_per_k": 4.21, "linear_se_1e6_per_k": 0.73},
            "melt": {"temperature_k": 3000.0, "failure": None, "moved_ang": 2.91, "rdf": rdf},
            "references": [
                {"family": "phonon", "temperature_k": 300.0, "structures": 5, "atoms": 8, "rdf": rdf},
            ],
        },
    }


def map_evidence(count: int = 4, atoms: int = 8) -> dict[str, Any]:
    """Structures along a line, every third one strained; the second without a judged error."""
    return {
        "explained_percent": [54.0, 19.0],
        "left_out": 0,
        "elements": {"Si": {"color": "#f0c8a0", "radius": 1.11}},
        "structures": [
            {
                "id": f"{family}-{index:04d}",
                "family": family,
                "place": [0.125 * index, -0.5 * index],
                "energy_error_mev_per_atom": None if index == 1 else 0.31 - 0.47 * index,
                "force_error_ev_per_ang": None if index == 1 else 0.0123 + 0.0021 * index,
                "formula": f"Si{atoms}",
                "species": ["Si"] * atoms,
                "cell": [5.43, 0.0, 0.0, 0.0, 5.43, 0.0, 0.0, 0.0, 5.43],
                "positions": [0.17 * place for place in range(3 * atoms)],
            }
            for index in range(count)
            for family in ("strain" if index % 3 == 2 else "thermal",)
        ],
    }
