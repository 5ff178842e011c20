"""Adapter of the rule `export_potential`."""

from dataclasses import asdict
from pathlib import Path

from _adapter import run

from pesforge.export.stage import held_out_of, take_away
from pesforge.io import read_frames, read_json, write_json
from pesforge.representations.ace import AceBasis
from pesforge.representations.archive import load_arrays
from pesforge.representations.design import Design
from pesforge.settings import Crossvalidate
from pesforge.training.crossvalidate import emphasis_of
from pesforge.validation.accuracy import domain_of


def work(job):
    params, choice, validated = job.params, read_json(job.input.choice), read_json(job.input.crossvalidation)
    chosen = {
        "design": Design.load(job.input.design).emphasised(emphasis_of(validated)),
        "basis": AceBasis.from_dict(read_json(job.input.basis)),
        "choice": choice,
        "point": validated["chosen"],
        "model": Crossvalidate.model_validate(params.crossvalidate),
        "runs": [path.parent for path in map(Path, job.input.runs) if path.parents[1].name == choice["run"]],
    }
    frames = read_frames(job.input.frames)
    held_out = held_out_of(**chosen, decisive=params.families)
    take_away(
        Path(job.output.model).parent,
        **chosen,
        config=params.runs[choice["run"]],
        folds=params.folds,
        study_seed=params.study_seed,
        matrix=load_arrays(job.input.projector, ("matrix",))["matrix"],
        frames=frames,
        metadata={
            "study": params.study,
            "settings": {**read_json(job.input.settings)["settings"], "hash": read_json(job.input.settings)["hash"]},
            "errors": held_out["errors"],
            "domain": asdict(domain_of(frames, params.families)),
            "held_out": held_out["how"],
        },
    )
    write_json(job.output.held_out, held_out)
    return f"{choice['name']} → {Path(job.output.model).parent}"


run(snakemake, work)
