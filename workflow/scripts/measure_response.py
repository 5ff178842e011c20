"""Adapter of the rule `measure_response`."""

from dataclasses import replace

from _adapter import run
from _reference import calculator_of, settings_of

from pesforge.io import write_json
from pesforge.structure import from_plain
from pesforge.validation.phonon import displacements, force_constants
from pesforge.validation.response import disagreement

TIGHTER = 0.01
"""SCF tolerance over that of the labels. An error of 3 meV/Å, harmless in a label, is 0.1 eV/Å² in a finite difference
over 0.03 Å: more than the force constants of silicon beyond 6 Å."""


def work(job):
    parent, settings, calculate = from_plain(job.params.parent), settings_of(job), calculator_of(job)
    settings = replace(settings, scf_tolerance=TIGHTER * settings.scf_tolerance)

    def measured(crystal):
        frames = displacements(crystal, job.params.displacement)
        return force_constants(crystal, frames, [calculate(frame, settings).forces for frame in frames]), len(frames)

    crystal = parent.repeat(job.params.supercell)
    of_parent, number = measured(parent)
    larger = len(crystal) > len(parent)
    phi, number = measured(crystal) if larger else (of_parent, number)
    write_json(
        job.output.response,
        {
            "supercell": job.params.supercell,
            "force_constants_ev_per_ang2": phi,
            "disagreement_ev_per_ang2": disagreement(phi, of_parent) if larger else None,
        },
    )
    return f"force constants of {len(crystal)} atoms from {number} displacements"


run(snakemake, work)
