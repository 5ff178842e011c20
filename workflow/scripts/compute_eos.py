"""Adapter of the rule `compute_eos`."""

from _adapter import run
from _reference import calculator_of, settings_of

from pesforge.fields import REFERENCE_CELL
from pesforge.io import write_json
from pesforge.settings import Validate
from pesforge.structure import from_plain
from pesforge.validation.eos import volume_cells


def work(job):
    parent, settings, calculate = from_plain(job.params.parent), settings_of(job), calculator_of(job)
    validate = Validate.model_validate(job.params.validate)
    cells = volume_cells(parent, validate.eos_points, validate.eos_linear_strain_max)
    for cell in cells:
        cell.info[REFERENCE_CELL] = parent.cell.array.copy()
    write_json(job.output.reference, {"energies_ev": [calculate(cell, settings).energy for cell in cells]})
    return f"{len(cells)} volumes by {settings.engine}"


run(snakemake, work)
