"""Adapter of the rule `train_member`."""

from pathlib import Path

from _adapter import run

from pesforge.io import read_json, write_json
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import Design
from pesforge.representations.projections import ProjectionSet
from pesforge.settings import Crossvalidate
from pesforge.training.crossvalidate import emphasis_of
from pesforge.training.judge import save_residuals
from pesforge.training.members import train_member


def work(job):
    choice, validated = read_json(job.input.choice), read_json(job.input.crossvalidation)
    if choice["kind"] == "linear":
        for path in job.output:
            Path(path).write_bytes(b"")
        write_json(job.output.metrics, {"trained": False, "chosen": choice["name"]})
        return None
    design, chosen = Design.load(job.input.design).emphasised(emphasis_of(validated)), validated["chosen"]
    metrics, head, held, residuals = train_member(
        job.params.runs[choice["run"]],
        design,
        ProjectionSet.load(job.input.projections),
        part=job.wildcards.part,
        member=job.wildcards.member,
        folds=job.params.folds,
        study_seed=job.params.study_seed,
        model=Crossvalidate.model_validate(job.params.crossvalidate),
        chosen=chosen,
        columns=AceBasis.from_dict(read_json(job.input.basis)).subset_mask(chosen["degree_reduction"]),
        folder=Path(job.output.metrics).parent,
    )
    head.save(Path(job.output.head).parent)
    save_residuals(job.output.residuals, held, residuals)
    write_json(job.output.metrics, {"trained": True, **metrics})
    where = f"fold {job.wildcards.part} held out" if len(held) else "all groups"
    return (
        f"{job.wildcards.member}, {where}: {metrics['n_groups_drawn']} of {metrics['n_groups']} groups drawn, "
        f"{metrics['epochs']} epochs, best {metrics['best_epoch']}"
    )


run(snakemake, work)
