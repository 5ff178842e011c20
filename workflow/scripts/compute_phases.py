"""Adapter of the rule `compute_phases`."""

from _adapter import run
from _reference import calculator_of, settings_of

from pesforge.fields import REFERENCE_CELL
from pesforge.io import write_json
from pesforge.structure import from_plain
from pesforge.validation.eos import volume_cells
from pesforge.validation.phases import relaxed


def work(job):
    settings, calculate = settings_of(job), calculator_of(job)
    found = []
    for crystal in job.params.crystals:
        parent = from_plain(crystal["cell"])
        cells = volume_cells(parent, job.params.volumes["points"], job.params.volumes["linear_strain_max"])
        for cell in cells:
            cell.info[REFERENCE_CELL] = parent.cell.array.copy()
        energies = [calculate(cell, settings).energy for cell in cells]
        phase, _ = relaxed(crystal, cells, energies, settings.hash)
        found.append({"name": phase.name, "energies_ev": energies, "settings_hash": phase.settings_hash})
    write_json(job.output.reference, {"phases": found})
    return f"{len(found)} crystals by {settings.engine}"


run(snakemake, work)
