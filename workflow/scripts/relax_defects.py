"""Adapter of the rule `relax_defects`."""

from pathlib import Path

from _adapter import run

from pesforge.export import load_potential
from pesforge.family_settings import StackingFault, Surface
from pesforge.io import read_frames, write_json
from pesforge.settings import Validate
from pesforge.structure import from_plain
from pesforge.validation.excess import Crystal
from pesforge.validation.phases import own_potentials
from pesforge.validation.properties import evaluate, own_minimum
from pesforge.validation.relaxed_defects import predict_defects


def work(job):
    settings, calculator = Validate.model_validate(job.params.validate), load_potential(Path(job.input.model).parent)
    crystal = own_minimum(calculator, from_plain(job.params.parent), settings)
    if crystal is None:
        why = "the potential has no minimum in the range of volumes, so that nothing can be relaxed in it"
        write_json(job.output.found, {"rows": [], "lines": [], "why": why})
        return why
    surface, fault = job.params.surface, job.params.stacking_fault
    (at_rest,) = evaluate(calculator, [crystal])
    found = predict_defects(
        calculator,
        Crystal(crystal, at_rest["energy"], own_potentials(calculator, job.params.crystals, settings)),
        settings.defects,
        planes=Surface.model_validate(surface).planes if surface else (),
        lines=StackingFault.model_validate(fault).lines if fault else (),
        training=read_frames(job.input.frames),
    )
    write_json(job.output.found, found | {"why": None})
    return f"{len(found['rows'])} defects and surfaces, {len(found['lines'])} γ-lines by the potential alone"


run(snakemake, work)
