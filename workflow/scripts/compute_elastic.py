"""Adapter of the rule `compute_elastic`."""

import numpy as np
from _adapter import run
from _reference import calculator_of, settings_of

from pesforge.fields import EV_PER_ANG3_IN_GPA, REFERENCE_CELL
from pesforge.io import read_json, write_json
from pesforge.settings import Validate
from pesforge.structure import from_plain
from pesforge.validation.elastic import elastic_tensor, residual_stress, strained_cells
from pesforge.validation.elastic_constants import named_constants
from pesforge.validation.eos import fit_eos, volume_cells
from pesforge.validation.properties import at_equilibrium


def work(job):
    parent, settings, calculate = from_plain(job.params.parent), settings_of(job), calculator_of(job)
    validate = Validate.model_validate(job.params.validate)
    volumes = [cell.get_volume() for cell in volume_cells(parent, validate.eos_points, validate.eos_linear_strain_max)]
    equilibrium = at_equilibrium(parent, fit_eos(parent, volumes, read_json(job.input.eos)["energies_ev"]))
    frames = strained_cells(equilibrium, validate.elastic_strain)
    for frame in frames:
        frame.info[REFERENCE_CELL] = parent.cell.array.copy()
    labels = [calculate(frame, settings) for frame in frames]
    tensor = elastic_tensor(
        equilibrium,
        frames,
        stresses=[label.stress for label in labels],
        forces=[label.forces for label in labels],
        phi=np.array(read_json(job.input.stiffness)["force_constants_ev_per_ang2"]),
    )
    constants = named_constants(tensor, equilibrium)
    stress = residual_stress(equilibrium, frames, [label.stress for label in labels])
    write_json(
        job.output.reference,
        {
            "tensor_ev_per_ang3": tensor,
            "constants_gpa": constants,
            "residual_stress_gpa": float(np.abs(stress).max() * EV_PER_ANG3_IN_GPA),
        },
    )
    return ", ".join(f"{name} {value:.1f}" for name, value in constants.items()) + " GPa"


run(snakemake, work)
