"""Adapter of the rule `measure_phonons`."""

from _adapter import run
from _phonons import measured

from pesforge.io import write_json
from pesforge.structure import from_plain
from pesforge.validation.phonon import gamma_frequencies_thz


def work(job):
    cell = from_plain(job.params.cell)
    phi, number = measured(job, cell)
    write_json(job.output.reference, {"force_constants_ev_per_ang2": phi})
    highest = gamma_frequencies_thz(phi, cell.get_masses())[-1]
    return f"{len(cell)} atoms, {number} displacements, highest frequency {highest:.2f} THz"


run(snakemake, work)
