"""Adapter of the rule `gather_pool`."""

from collections import Counter

from _adapter import run
from _frames import Counted, frames_of

from pesforge.fields import FAMILY
from pesforge.io import read_json, write_frames, write_json
from pesforge.sampling import phonon, thermal
from pesforge.sampling.gaussian_evidence import squares_of
from pesforge.sampling.measured import Measured
from pesforge.sampling.strain import strain_evidence
from pesforge.structure import from_plain


def work(job):
    parent, measured = from_plain(job.params.parent), Measured.of(read_json(job.input.stiffness))
    families, strained = Counter(), []
    thermal_squares, phonon_squares = squares_of(parent, thermal.NAME), squares_of(parent, phonon.NAME)
    passing = Counted(
        lambda frame: families.update([frame.info[FAMILY]]),
        thermal_squares.add,
        phonon_squares.add,
        lambda frame: strained.extend(strain_evidence([frame])),
    )
    write_frames(job.output.pool, passing.through(frames_of(job.input.families)))
    write_json(
        job.output.evidence,
        {
            "stiffness_ev_per_ang2": measured.stiffness,
            "families": families,
            "thermal": thermal.displacement_evidence(parent, thermal_squares, measured.stiffness),
            "phonon": phonon.displacement_evidence(parent, phonon_squares, measured, job.params.statistics),
            "strain": strained,
        },
    )
    return f"{passing.number} structures to label"


run(snakemake, work)
