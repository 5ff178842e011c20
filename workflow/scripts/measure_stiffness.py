"""Adapter of the rule `measure_stiffness`."""

from _adapter import run
from _reference import calculator_of, settings_of

from pesforge.fields import REFERENCE_CELL
from pesforge.io import write_json
from pesforge.structure import from_plain
from pesforge.validation.phonon import displacements, force_constants, optical_phonon_thz, stiffness_per_species


def work(job):
    parent, settings, calculate = from_plain(job.params.parent), settings_of(job), calculator_of(job)
    frames = displacements(parent, job.params.displacement)
    for frame in frames:
        frame.info[REFERENCE_CELL] = parent.cell.array.copy()
    phi = force_constants(parent, frames, [calculate(frame, settings).forces for frame in frames])
    stiffness = stiffness_per_species(parent, phi)
    parent.info[REFERENCE_CELL] = parent.cell.array.copy()
    write_json(
        job.output.stiffness,
        {
            "stiffness_ev_per_ang2": stiffness,
            "optical_phonon_thz": optical_phonon_thz(parent, phi),
            "force_constants_ev_per_ang2": phi,
            "parent_energy_ev": calculate(parent, settings).energy,
        },
    )
    return ", ".join(f"k_eff({species}) {value:.2f} eV/Å²" for species, value in stiffness.items())


run(snakemake, work)
