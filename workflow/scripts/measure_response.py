"""Adapter of the rule `measure_response`."""

from _adapter import run
from _phonons import measured

from pesforge.io import write_json
from pesforge.structure import from_plain
from pesforge.validation.response import disagreement


def work(job):
    parent = from_plain(job.params.parent)
    crystal = parent.repeat(job.params.supercell)
    of_parent, number = measured(job, parent)
    larger = len(crystal) > len(parent)
    phi, number = measured(job, crystal) if larger else (of_parent, number)
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
