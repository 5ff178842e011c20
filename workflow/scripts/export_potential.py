"""Adapter of the rule `export_potential`."""

from dataclasses import asdict
from pathlib import Path

from _adapter import run

from pesforge.export.ensemble import ensemble_held_out, members_left_out, take_away_ensemble
from pesforge.export.stage import held_out_of, take_away
from pesforge.io import read_frames, read_json, write_json
from pesforge.representations.ace import AceBasis
from pesforge.representations.archive import load_arrays
from pesforge.representations.design import Design
from pesforge.settings import Crossvalidate
from pesforge.training.crossvalidate import emphasis_of
from pesforge.uncertainty.calibrated import Calibrated
from pesforge.uncertainty.members import stated
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
    folders = [Path(path).parent for path in job.input.members] if choice["kind"] == "neural" else []
    if folders:
        members = members_left_out(folders, len(chosen["design"].ids))
        held_out = ensemble_held_out(chosen["design"], members, params.folds, decisive=params.families)
    else:
        held_out = held_out_of(**chosen, decisive=params.families)
    spreads = choice["kind"] == "neural" and bool(job.input.own_errors)
    laws = read_json(job.input.calibration) if spreads else {}
    shipped = {
        "config": params.runs[choice["run"]],
        "calibrated": Calibrated.of(laws) if laws else None,
        "matrix": load_arrays(job.input.projector, ("matrix",))["matrix"],
        "metadata": {
            "study": params.study,
            "settings": {**read_json(job.input.settings)["settings"], "hash": read_json(job.input.settings)["hash"]},
            "errors": held_out["errors"],
            "domain": asdict(domain_of(frames, params.families)),
            "held_out": held_out["how"],
            **({"own_errors": stated(read_json(job.input.own_errors))} if spreads else {}),
        },
    }
    place = Path(job.output.model).parent
    if folders:
        del chosen["runs"]
        take_away_ensemble(place, **chosen, **shipped, members=folders)
    else:
        take_away(place, **chosen, **shipped, folds=params.folds, study_seed=params.study_seed, frames=frames)
    write_json(job.output.held_out, held_out)
    return f"{choice['name']} → {Path(job.output.model).parent}"


run(snakemake, work)
