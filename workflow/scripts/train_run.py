"""Adapter of the rule `train_run`."""

import os
from pathlib import Path

import pandas as pd
from _adapter import run

from pesforge.io import atomic_path, read_json, write_json
from pesforge.provenance import derive_seed
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import Design
from pesforge.representations.projections import ProjectionSet
from pesforge.settings import Crossvalidate
from pesforge.training.crossvalidate import emphasis_of
from pesforge.training.judge import save_residuals
from pesforge.training.stages import split_of, train_point


def work(job):
    validated, number = read_json(job.input.crossvalidation), int(job.wildcards.seed)
    design, chosen = Design.load(job.input.design).emphasised(emphasis_of(validated)), validated["chosen"]
    split = split_of(
        design,
        folds=job.params.folds,
        seed=number,
        study_seed=job.params.study_seed,
        validation_fraction=job.params.config["trainer"]["validation_fraction"],
    )
    metrics, head, residuals = train_point(
        job.params.config,
        design,
        ProjectionSet.load(job.input.projections),
        split=split,
        model=Crossvalidate.model_validate(job.params.crossvalidate),
        chosen=chosen,
        columns=AceBasis.from_dict(read_json(job.input.basis)).subset_mask(chosen["degree_reduction"]),
        seed=derive_seed(job.params.study_seed, "train", job.wildcards.run, number),
        folder=Path(job.output.metrics).parent,
    )
    head.save(Path(job.output.head).parent)
    save_residuals(job.output.residuals, split.test, residuals)
    with atomic_path(job.output.history) as temporary:
        pd.DataFrame(metrics["history"]).to_csv(temporary, index=False)
    write_json(job.output.metrics, metrics)
    done = len(list(Path(job.output.metrics).parents[2].glob("*/*/metrics.json")))
    neural, linear = metrics["neural"], metrics["linear"]
    return (
        f"{done}/{os.environ['PESFORGE_RUNS']}: {metrics['epochs']} epochs, held-out force error "
        f"{neural['force_rmse_ev_per_ang']:.4f} eV/Å (linear {linear['force_rmse_ev_per_ang']:.4f})"
    )


run(snakemake, work)
