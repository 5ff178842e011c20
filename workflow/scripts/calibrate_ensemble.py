"""Adapter of the rule `calibrate_ensemble`."""

from pathlib import Path

import numpy as np
import pandas as pd
from _adapter import run

from pesforge.export.ensemble import (
    DRAWS,
    dropout_left_out,
    dropout_seed,
    linear_members,
    member_errors,
    member_rows,
    members_left_out,
    moved_heads,
)
from pesforge.io import atomic_path, read_json, write_json
from pesforge.provenance import derive_seed
from pesforge.representations.design import Design
from pesforge.representations.projections import ProjectionSet
from pesforge.uncertainty.evidence import COVERAGE_COLUMNS
from pesforge.uncertainty.members import nothing, own_errors
from pesforge.uncertainty.variance import moments


def left_out(job, choice, design, projections):
    """Structures, their residuals, the variances over members or draws, words for these, and rows of evidence."""
    folders = [Path(path).parent for path in job.input.members]
    if folders:
        members = members_left_out(folders, len(design.ids))
        found, spread = moments(members)
        rows = member_rows(folders)
        told = {"members": rows, "errors": member_errors(members), "note": linear_members(rows)}
        source = f"variance over {len(members)} heads, each of a bootstrap sample of the groups"
        return np.arange(len(design.ids)), found, spread, source, told
    every = [path.parent for path in map(Path, job.input.runs) if path.parents[1].name == choice["run"]]
    runs, note = moved_heads(every)
    rate = job.params.runs[choice["run"]]["model"]["dropout"]
    structures, found, draws = dropout_left_out(
        runs, design, projections, rate=rate, seed=dropout_seed(job.params.study_seed)
    )
    told = {"members": [], "errors": [], "note": note}
    return structures, found, moments(draws)[1], f"variance over {DRAWS} draws of dropout of {rate:g}", told


def work(job):
    choice, design = read_json(job.input.choice), Design.load(job.input.design)
    rate = 0.0 if choice["kind"] == "linear" else job.params.runs[choice["run"]]["model"]["dropout"]
    calibration, members = {}, len({Path(path).parent.name for path in job.input.members})
    if choice["kind"] == "linear" or not (members or rate):
        found = nothing(
            f"The chosen potential, {choice['name']}, is no ensemble and has no dropout: none of it applies."
        )
    else:
        projections = ProjectionSet.load(job.input.projections)
        structures, residuals, spread, source, told = left_out(job, choice, design, projections)
        known = own_errors(
            residuals,
            spread,
            projections.select(structures).rho,
            [design.groups[index] for index in structures],
            [design.families[index] for index in structures],
            seed=derive_seed(job.params.study_seed, "calibration"),
            heteroscedastic=job.params.heteroscedastic,
            source=source,
        )
        found = {**known.evidence, **told}
        dropout = {} if members else {"dropout": rate, "draws": DRAWS, "seed": dropout_seed(job.params.study_seed)}
        laws = known.calibrated("members" if members else "dropout", **dropout)
        calibration = laws.stored() if laws is not None else {}
    with atomic_path(job.output.table) as temporary:
        pd.DataFrame(found["coverage"], columns=COVERAGE_COLUMNS).to_csv(temporary, index=False)
    write_json(job.output.calibration, calibration)
    write_json(job.output.evidence, found)
    told = (
        f"{row['kind']} {row['before']['calibration_error_percent']:.1f} → "
        f"{row['after']['calibration_error_percent']:.1f} %"
        for row in found["kinds"]
    )
    return found["remark"] or f"calibration error of intervals: {', '.join(told)}"


run(snakemake, work)
