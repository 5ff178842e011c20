"""Adapter of the rule `run_dynamics`."""

from pathlib import Path

from _adapter import run

from pesforge.export import load_potential
from pesforge.io import read_frames, write_json
from pesforge.provenance import derive_seed
from pesforge.settings import Validate
from pesforge.structure import from_plain
from pesforge.validation.dynamics import run_dynamics
from pesforge.validation.properties import own_minimum


def work(job):
    settings, calculator = Validate.model_validate(job.params.validate), load_potential(Path(job.input.model).parent)
    crystal = own_minimum(calculator, from_plain(job.params.parent), settings)
    if crystal is None:
        why = "the potential has no minimum in the range of volumes, so that no crystal can be moved"
        write_json(job.output.found, {"energy": [], "why": why})
        return why
    found = run_dynamics(
        calculator,
        crystal,
        settings.dynamics,
        temperatures_k=job.params.temperatures_k,
        frames=read_frames(job.input.labels),
        seed=derive_seed(job.params.seed, "validate"),
    )
    write_json(job.output.found, found | {"why": None})
    failed = sum(item["failure"] is not None for item in found["energy"])
    return f"{len(found['energy'])} temperatures, {failed} runs failed"


run(snakemake, work)
