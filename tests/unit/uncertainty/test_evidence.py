"""The evidence of a stage: complete, in the units of the report, and honest about small data."""

from collections.abc import Callable

import numpy as np
import pytest

from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import Weights
from pesforge.report.evidence import SHAPE
from pesforge.report.schema import require
from pesforge.representations.design import Design
from pesforge.uncertainty.evidence import JUDGED, evidence
from pesforge.uncertainty.variance import linear_left_out

WEIGHTS = Weights(energy=4e4, force=1.0, stress=2500.0)


def test_evidence_holds_what_the_report_reads(make_design: Callable[..., Design]) -> None:
    """Weights that claim energies ten times too exact are caught by the coverage, and mended."""
    design = make_design(structures=150, noise=0.05, per_group=2)
    problem = LinearProblem(design, prior_power=2.0)
    found = evidence(problem, WEIGHTS, 1e-3, seed=3)
    require({"uncertainty": found}, {"uncertainty": SHAPE["uncertainty"]})
    assert found["remark"] is None
    assert found["n_groups"] == 75
    rows = {row["kind"]: row for row in found["kinds"]}
    assert rows["energy"]["before"]["calibration_error_percent"] > 25
    assert all(row["calibrated"] for row in rows.values())
    assert max(row["after"]["calibration_error_percent"] for row in rows.values()) < 4
    errors = linear_left_out(problem, WEIGHTS, 1e-3, design.groups)["energy"].error
    sigma = rows["energy"]["after"]["sharpness"]
    assert sigma == pytest.approx(1e3 * np.sqrt(np.mean(errors**2)), rel=0.2)
    levels = [row["nominal_percent"] for row in found["coverage"] if row["kind"] == "energy"]
    assert {100 * level for level in JUDGED} <= set(levels)
    counts = [row["n"] for row in found["by_family"] if row["kind"] == "force"]
    assert sum(counts) == rows["force"]["n"]
    assert found == evidence(problem, WEIGHTS, 1e-3, seed=3)


def test_too_few_labels_are_told_and_do_not_end_the_stage(make_design: Callable[..., Design]) -> None:
    design = make_design(structures=2, n_atoms=(2,))
    found = evidence(LinearProblem(design, prior_power=2.0), WEIGHTS, 1e-3, seed=0)
    assert "Add labels" in found["remark"]
    assert found["kinds"] == []
    require({"uncertainty": found}, {"uncertainty": SHAPE["uncertainty"]})
