"""What the adapters share that measure force constants: tight reference calculations of displaced atoms."""

from dataclasses import replace

from _reference import calculator_of, settings_of

from pesforge.validation.phonon import displacements, force_constants

TIGHTER = 0.01
"""SCF tolerance over that of the labels. An error of 3 meV/Å, harmless in a label, is 0.1 eV/Å² in a finite difference
over 0.03 Å: more than the force constants of silicon beyond 6 Å."""


def measured(job, crystal):
    """Force constants of a crystal by the reference code, and the number of displacements that they took."""
    settings, calculate = settings_of(job), calculator_of(job)
    settings = replace(settings, scf_tolerance=TIGHTER * settings.scf_tolerance)
    frames = displacements(crystal, job.params.displacement)
    return force_constants(crystal, frames, [calculate(frame, settings).forces for frame in frames]), len(frames)
