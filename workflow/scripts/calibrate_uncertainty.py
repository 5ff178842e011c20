"""Adapter of the rule `calibrate_uncertainty`."""

import pandas as pd
from _adapter import run

from pesforge.io import atomic_path, read_json, write_json
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import Weights
from pesforge.provenance import derive_seed
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import Design
from pesforge.settings import Crossvalidate
from pesforge.training.crossvalidate import emphasis_of
from pesforge.uncertainty.evidence import COVERAGE_COLUMNS, evidence


def work(job):
    settings = Crossvalidate.model_validate(job.params.crossvalidate)
    validated = read_json(job.input.crossvalidation)
    chosen, design = validated["chosen"], Design.load(job.input.design).emphasised(emphasis_of(validated))
    mask = AceBasis.from_dict(read_json(job.input.basis)).subset_mask(chosen["degree_reduction"])
    problem = LinearProblem(design, prior_power=settings.prior_power)
    seed = derive_seed(job.params.study_seed, "calibration")
    found = evidence(problem, Weights.of(settings), chosen["alpha"], mask, seed=seed)
    with atomic_path(job.output.table) as temporary:
        pd.DataFrame(found["coverage"], columns=COVERAGE_COLUMNS).to_csv(temporary, index=False)
    write_json(job.output.evidence, found)
    told = (
        f"{row['kind']} {row['before']['calibration_error_percent']:.1f} → "
        f"{row['after']['calibration_error_percent']:.1f} %"
        for row in found["kinds"]
    )
    return found["remark"] or f"calibration error of intervals: {', '.join(told)}"


run(snakemake, work)
