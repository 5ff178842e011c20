"""Adapter of the rule `measure_response`."""

from _adapter import calculator_of, run, settings_of

from pesforge.io import write_json
from pesforge.structure import from_plain
from pesforge.validation.phonon import displacements, force_constants


def work(job):
    crystal, settings, calculate = (
        from_plain(job.params.parent).repeat(job.params.supercell),
        settings_of(job),
        calculator_of(job),
    )
    frames = displacements(crystal, job.params.displacement)
    phi = force_constants(crystal, frames, [calculate(frame, settings).forces for frame in frames])
    write_json(job.output.response, {"supercell": job.params.supercell, "force_constants_ev_per_ang2": phi})
    return f"force constants of {len(crystal)} atoms from {len(frames)} displacements"


run(snakemake, work)
